// Blocks of HTTP/2 header fields, written from parsed heads alone. Called by the connection.
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { HpackEncoder } from './hpack-encoder.ts';

const listText = (encoder: HpackEncoder, headers: readonly string[]): string => {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) text += encoder.field(headers[i]!, headers[i + 1]!);
  return text;
};

/** `end`: no body follows. The scheme is the message's, `http` where it has none. */
export const requestBlock = (encoder: HpackEncoder, message: RequestMessage, end: boolean): string => {
  let text = encoder.start() + encoder.field(':method', message.method);
  if (message.form !== 'authority') {
    text += encoder.field(':scheme', message.scheme || 'http');
    text += encoder.field(':path', message.query === '' ? message.path : `${message.path}?${message.query}`);
  }
  text += encoder.field(':authority', message.host);
  if (message.protocol !== '') text += encoder.field(':protocol', message.protocol);
  text += listText(encoder, message.headers);
  if (message.contentLength >= 0) text += encoder.field('content-length', `${message.contentLength}`);
  if (message.expectContinue && !end) text += encoder.field('expect', '100-continue');
  return message.teTrailers ? text + encoder.field('te', 'trailers') : text;
};

/** Of 1xx too. */
export const answerBlock = (encoder: HpackEncoder, message: ResponseMessage): string => {
  const text = encoder.start() + encoder.field(':status', `${message.status}`) + listText(encoder, message.headers);
  const hasLength = message.contentLength >= 0 && message.status >= 200 && message.status !== 204;
  return hasLength ? text + encoder.field('content-length', `${message.contentLength}`) : text;
};

export const trailersBlock = (encoder: HpackEncoder, trailers: readonly string[]): string =>
  encoder.start() + listText(encoder, trailers);
