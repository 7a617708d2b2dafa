// The admin interface of Weft's own proxy: Envoy's pages, made of what the proxy says of itself. Opened by app.
import type { Clock } from '../../lib/clock.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import type { LevelSwitch } from '../../lib/log.ts';
import type { ProxyInspection } from './inspection.ts';
import { type AdminControl, type Answer, refuse } from './page.ts';
import { help, type Route, routes } from './routes.ts';
import { type Admin, openAdminServer } from './server.ts';

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

const HELP: Route = { what: '', takes: {}, page: help };

const routeOf = (path: string): Route | undefined => {
  if (path === '/' || path === '/help') return HELP;
  return Object.hasOwn(routes, path) ? routes[path] : undefined;
};

const answer = async (method: string, path: string, text: string, options: AdminOptions): Promise<Answer> => {
  const query = new URLSearchParams(text);
  const route = routeOf(path);
  if (!route) return { ...help(), status: 404 };
  const allowed = route.changes ? ['POST'] : ['GET', 'HEAD'];
  if (!allowed.includes(method)) return { ...refuse(405, `${path} takes ${allowed[0]}`), allow: allowed.join(', ') };
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

/** Throws PORT_TAKEN and its like. */
export const openAdmin = (options: AdminOptions): Promise<Admin> =>
  openAdminServer(options.port, options.clock, (method, path, query) => answer(method, path, query, options));
