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
  // What is left of the body would be taken for the next request.
  if (!req.complete) res.setHeader('connection', 'close');
  sendJson(res, status.code, status);
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
