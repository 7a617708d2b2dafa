// The head of an upstream's answer as it goes to the client: framing chosen anew for this hop. Called by downstream.ts.
import { CHUNKED, NO_BODY, UNTIL_CLOSE } from '../http1/body.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import { fieldLines, statusLine } from '../http1/serialize.ts';

/** True when the body is sent in chunks; to HTTP/1.0, which has none, it goes until the close instead. */
export const isSentChunked = (request: RequestMessage, bodyMode: number): boolean =>
  (bodyMode === CHUNKED || bodyMode === UNTIL_CLOSE) && !request.old;

const takesBody = (status: number): boolean => status !== 204 && status !== 304;

export const answerText = (
  answer: ResponseMessage,
  request: RequestMessage,
  bodyMode: number,
  close: boolean,
): string => {
  let text = statusLine(answer.status) + fieldLines(answer.headers);
  if (isSentChunked(request, bodyMode)) text += 'transfer-encoding: chunked\r\n';
  else if (bodyMode === NO_BODY && answer.chunked && !request.old && answer.status !== 204) {
    // To HEAD: what GET would have got.
    text += 'transfer-encoding: chunked\r\n';
  } else if (answer.contentLength >= 0 && answer.status !== 204) text += `content-length: ${answer.contentLength}\r\n`;
  // HTTP/2 tells the end of an answer without a length; here it would go on until the close (RFC 9112, 6.3).
  else if (bodyMode === NO_BODY && request.method !== 'HEAD' && takesBody(answer.status))
    text += 'content-length: 0\r\n';
  return close ? `${text}connection: close\r\n\r\n` : `${text}\r\n`;
};

/** 1xx without a body. */
export const interimText = (answer: ResponseMessage): string =>
  `${statusLine(answer.status)}${fieldLines(answer.headers)}\r\n`;

export const switchText = (answer: ResponseMessage): string =>
  `${statusLine(answer.status)}${fieldLines(answer.headers)}connection: Upgrade\r\nupgrade: ${answer.upgrade}\r\n\r\n`;
