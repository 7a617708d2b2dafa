// Answers that the proxy gives by itself: errors, denials, redirects, direct responses. Called by both downstreams.
import type { LocalAnswer } from '../downstream/client-stream.ts';
import { ResponseMessage } from '../http1/head.ts';
import { fieldLines, statusLine } from '../http1/serialize.ts';

let dateSecond = 0;
let dateText = '';

/** The Date field, made once a second. */
const httpDate = (nowMs: number): string => {
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
};

/** The whole message; `body` may hold any characters. */
export const localAnswerText = ({ status, body, headers, close, isHead, nowMs }: LocalAnswer): string => {
  const bytes = Buffer.from(body, 'utf8');
  const empty = status === 204 || status === 304;
  const type = body === '' || headers.includes('content-type') ? '' : 'content-type: text/plain; charset=utf-8\r\n';
  const length = empty ? '' : `content-length: ${bytes.length}\r\n`;
  const head = `${statusLine(status)}${fieldLines(headers)}${type}${length}date: ${httpDate(nowMs)}\r\nserver: weft\r\n`;
  return `${head}${close ? 'connection: close\r\n' : ''}\r\n${isHead || empty ? '' : bytes.toString('latin1')}`;
};

/** The same for HTTP/2. */
export const localAnswerMessage = (answer: LocalAnswer): { message: ResponseMessage; body: Buffer | undefined } => {
  const { status, body, headers, nowMs } = answer;
  const bytes = Buffer.from(body, 'utf8');
  const empty = status === 204 || status === 304;
  const message = new ResponseMessage();
  message.status = status;
  message.headers = [...headers];
  if (body !== '' && !headers.includes('content-type'))
    message.headers.push('content-type', 'text/plain; charset=utf-8');
  message.headers.push('date', httpDate(nowMs), 'server', 'weft');
  if (!empty) message.contentLength = bytes.length;
  return { message, body: empty || answer.isHead || bytes.length === 0 ? undefined : bytes };
};
