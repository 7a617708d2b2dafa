// Writes answers: JSON with the right headers, and the one place where errors become Status objects.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../lib/log.ts';
import { apiErrorOf, isOurFault, statusOf } from './status.ts';

export const sendJson = (res: ServerResponse, code: number, value: unknown, contentType = 'application/json'): void =>
  sendText(res, code, JSON.stringify(value), contentType);

export const sendText = (res: ServerResponse, code: number, text: string, contentType: string): void => {
  if (res.headersSent || res.destroyed) return;
  const body = Buffer.from(text);
  res.writeHead(code, {
    'content-type': contentType,
    'content-length': body.length,
    'cache-control': 'no-cache, private',
    'x-content-type-options': 'nosniff',
  });
  res.end(body);
};

export const sendError = (req: IncomingMessage, res: ServerResponse, error: unknown, log: Log): void => {
  if (isOurFault(error)) log.error('a request failed', { method: req.method, path: pathOf(req), error });
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const status = statusOf(error);
  if (status.code === 401) res.setHeader('www-authenticate', 'Bearer realm="weft"');
  const retryAfter = apiErrorOf(error)?.details?.retryAfterSeconds;
  if (retryAfter !== undefined) res.setHeader('retry-after', String(retryAfter));
  if (!req.complete) closeBehind(req, res);
  sendJson(res, status.code, status);
};

/** What a caller may still send to read what it was answered; the server's time for a request bounds it too. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

/**
 * What is left of the body would be taken for the next request. Closed in the midst of it, the connection would be reset,
 * and the answer lost with it: the rest is thrown away, and the caller closes, or has sent all of it.
 */
const closeBehind = (req: IncomingMessage, res: ServerResponse): void => {
  const { socket } = req;
  res.setHeader('connection', 'close');
  const close = socket.destroySoon.bind(socket);
  socket.destroySoon = () => socket.end();
  req.once('end', close);
  let unread = 0;
  req.on('data', (chunk: Buffer) => {
    unread += chunk.length;
    if (unread > MAX_UNREAD_BYTES) socket.destroy();
  });
};

/** Without the query, which may carry a token. */
const pathOf = (req: IncomingMessage): string => (req.url ?? '').split('?', 1)[0]!;

/** Adds a warning for the caller, as kubectl prints it. */
export const addWarning = (res: ServerResponse, text: string): void => {
  const quoted = text
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"');
  if (!res.headersSent) res.appendHeader('warning', `299 - "${quoted.slice(0, 1000)}"`);
};
