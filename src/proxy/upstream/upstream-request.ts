// The head of a request as it goes to an upstream: written from parsed values alone. Called by upstream.ts.
import type { RequestMessage } from '../http1/head.ts';
import { fieldLines } from '../http1/serialize.ts';

export const requestText = (message: RequestMessage): string => {
  const target = message.query === '' ? message.path : `${message.path}?${message.query}`;
  let text = `${message.method} ${target} HTTP/1.1\r\nhost: ${message.host}\r\n${fieldLines(message.headers)}`;
  if (message.chunked) text += 'transfer-encoding: chunked\r\n';
  else if (message.contentLength >= 0) text += `content-length: ${message.contentLength}\r\n`;
  if (message.expectContinue) text += 'expect: 100-continue\r\n';
  if (message.upgrade !== '') text += `connection: Upgrade\r\nupgrade: ${message.upgrade}\r\n`;
  else if (message.teTrailers) text += 'connection: TE\r\nte: trailers\r\n';
  return `${text}\r\n`;
};

const FRAMING = new Set('content-length transfer-encoding connection keep-alive upgrade te expect'.split(' '));

/** After filters: a `host` header that they set is the host; framing is never theirs to set. */
export const takeEditedHost = (message: RequestMessage): void => {
  const { headers } = message;
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name === 'host') message.host = headers[i + 1]!;
    if (name === 'host' || FRAMING.has(name)) continue;
    headers[kept++] = name;
    headers[kept++] = headers[i + 1]!;
  }
  headers.length = kept;
};
