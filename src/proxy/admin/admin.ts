// The admin interface of a proxy: an HTTP server on loopback with Envoy's pages. Opened by app beside the proxy.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import type { LevelSwitch } from '../../lib/log.ts';
import { bindError } from '../../lib/ports.ts';
import type { ProxyInspection } from './inspection.ts';
import { type AdminControl, type Answer, refuse } from './page.ts';
import { help, type Route, routes } from './routes.ts';

export interface AdminOptions {
  readonly inspect: () => ProxyInspection | Promise<ProxyInspection>;
  readonly clock: Clock;
  /** Absent: the level of the log can't be changed. */
  readonly logLevel?: LevelSwitch | undefined;
  /** Absent: it only shows. */
  readonly control?: AdminControl | undefined;
  /** On 127.0.0.1; 0 is any free one. */
  readonly port: number;
}

export interface Admin {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const MAX_CONNECTIONS = 64;
const TIMEOUT_MS = 5_000;

const LOOPBACK_HOST = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/** Only programs of this machine may ask: no name that leads here by DNS, and no page of another site in a browser. */
const isForeign = ({ headers }: IncomingMessage): boolean => {
  const site = headers['sec-fetch-site'];
  if (!LOOPBACK_HOST.test(headers.host ?? '') || headers.origin !== undefined) return true;
  return site !== undefined && site !== 'none' && site !== 'same-origin';
};

const HELP: Route = { what: '', takes: {}, page: help };

const routeOf = (path: string): Route | undefined => {
  if (path === '/' || path === '/help') return HELP;
  return Object.hasOwn(routes, path) ? routes[path] : undefined;
};

const answer = async (req: IncomingMessage, options: AdminOptions): Promise<Answer> => {
  if (isForeign(req)) return refuse(403, 'only for programs on this machine, by a loopback address or localhost');
  const target = req.url ?? '/';
  if (!target.startsWith('/')) return refuse(400, 'the request target is not a path');
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
  const route = routeOf(path);
  if (!route) return { ...help(), status: 404 };
  if (route.changes ? req.method !== 'POST' : req.method !== 'GET' && req.method !== 'HEAD') {
    return refuse(405, `${path} takes ${route.changes ? 'POST' : 'GET'}`);
  }
  for (const name of query.keys()) {
    if (!Object.hasOwn(route.takes, name)) return refuse(400, `the parameter "${name}" is not supported here`);
  }
  const { inspect, clock, logLevel, control } = options;
  try {
    return route.page(query, { proxy: await inspect(), nowMs: clock.now(), logLevel, control });
  } catch (error) {
    if (error instanceof WeftError) return refuse(400, error.message);
    return refuse(500, messageOf(error));
  }
};

const respond = async (req: IncomingMessage, res: ServerResponse, options: AdminOptions): Promise<void> => {
  const { status = 200, type = 'text/plain; charset=UTF-8', body } = await answer(req, options);
  // A body that was sent along is not waited for.
  const hasBody = req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined;
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: body.includes('takes POST') ? 'POST' : 'GET, HEAD' }),
    ...(hasBody && { connection: 'close' }),
  });
  res.end(req.method === 'HEAD' ? undefined : body);
};

/** Throws PORT_TAKEN and its like. */
export const openAdmin = async (options: AdminOptions): Promise<Admin> => {
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS },
    (req, res) => void respond(req, res, options),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(bindError(cause, { address: LOOPBACK, port, use: 'admin', flag: '--admin-port' })),
    );
    server.listen({ host: LOOPBACK, port, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  // E.g. too many open files: traffic matters more than this interface.
  server.on('error', () => {});
  const bound = server.address();
  return {
    address: LOOPBACK,
    port: typeof bound === 'object' && bound ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
