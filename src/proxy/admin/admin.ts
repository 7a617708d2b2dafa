// The admin interface of a proxy: an HTTP server on loopback with Envoy's pages. Opened by app beside the proxy.
import type { Clock } from '../../lib/clock.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import type { LevelSwitch } from '../../lib/log.ts';
import { headerOf } from '../../model/http.ts';
import type { RequestMessage } from '../http1/head.ts';
import type { ProxyInspection } from './inspection.ts';
import { type AdminControl, type Answer, refuse } from './page.ts';
import { help, type Route, routes } from './routes.ts';
import { openSmallServer, type SmallAnswer } from './small-server.ts';

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

const LOOPBACK_HOST = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/** Only programs of this machine may ask: no name that leads here by DNS, and no page of another site in a browser. */
const isForeign = (request: RequestMessage): boolean => {
  const site = headerOf(request, 'sec-fetch-site');
  if (!LOOPBACK_HOST.test(request.host) || headerOf(request, 'origin') !== undefined) return true;
  return site !== undefined && site !== 'none' && site !== 'same-origin';
};

const HELP: Route = { what: '', takes: {}, page: help };

const routeOf = (path: string): Route | undefined => {
  if (path === '/' || path === '/help') return HELP;
  return Object.hasOwn(routes, path) ? routes[path] : undefined;
};

const answer = async (request: RequestMessage, options: AdminOptions): Promise<Answer> => {
  if (isForeign(request)) return refuse(403, 'only for programs on this machine, by a loopback address or localhost');
  const { method, path } = request;
  if (request.form !== 'origin') return refuse(400, 'the request target is not a path');
  const query = new URLSearchParams(request.query);
  const route = routeOf(path);
  if (!route) return { ...help(), status: 404 };
  if (route.changes ? method !== 'POST' : method !== 'GET' && method !== 'HEAD') {
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

const respond = async (request: RequestMessage, options: AdminOptions): Promise<SmallAnswer> => {
  const { status = 200, type = 'text/plain; charset=UTF-8', body } = await answer(request, options);
  const allow = status === 405 ? [['allow', body.includes('takes POST') ? 'POST' : 'GET, HEAD'] as const] : [];
  const headers = [
    ['cache-control', 'no-cache, max-age=0'],
    ['x-content-type-options', 'nosniff'],
  ] as const;
  return { status, type, body, headers: [...headers, ...allow] };
};

/** Throws PORT_TAKEN and its like. */
export const openAdmin = async (options: AdminOptions): Promise<Admin> => {
  const { port, clock } = options;
  const server = await openSmallServer({
    address: LOOPBACK,
    port,
    use: 'admin',
    flag: '--admin-port',
    clock,
    answer: (request) => respond(request, options),
  });
  return { address: LOOPBACK, port: server.port, close: server.close };
};
