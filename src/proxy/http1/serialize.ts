// Writes HTTP/1 heads from parsed values; nothing of what was received is copied unread. Called by outlet.ts users.
import { REASONS } from './reasons.ts';

const statusLines: string[] = [];

/** `HTTP/1.1 200 OK` with its CRLF. */
export const statusLine = (status: number): string =>
  // Bounded: a status has three digits.
  (statusLines[status] ??= `HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n`);

export const fieldLines = (headers: readonly string[]): string => {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return text;
};

/** The last chunk, trailers and the empty line. */
export const lastChunk = (trailers: readonly string[] | undefined): string =>
  trailers ? `0\r\n${fieldLines(trailers)}\r\n` : '0\r\n\r\n';
