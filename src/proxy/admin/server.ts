// The server of an admin interface: on loopback, for programs of this machine alone. Opened by admin.ts, and by app before
// an Envoy.
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { headerOf } from '../../model/http.ts';
import type { RequestMessage } from '../http1/head.ts';
import { type Answer, refuse } from './page.ts';
import { openSmallServer, type SmallAnswer } from './small-server.ts';

export interface Admin {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Answers a method, a path and its query. */
export type AdminPages = (method: string, path: string, query: string) => Promise<Answer>;

const LOOPBACK = '127.0.0.1';

const LOOPBACK_HOST = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/** Only programs of this machine may ask: no name that leads here by DNS, and no page of another site in a browser. */
const isForeign = (request: RequestMessage): boolean => {
  const site = headerOf(request, 'sec-fetch-site');
  if (!LOOPBACK_HOST.test(request.host) || headerOf(request, 'origin') !== undefined) return true;
  return site !== undefined && site !== 'none' && site !== 'same-origin';
};

const guarded = async (request: RequestMessage, pages: AdminPages): Promise<Answer> => {
  if (isForeign(request)) return refuse(403, 'only for programs on this machine, by a loopback address or localhost');
  const { form, method, path, query } = request;
  if (form !== 'origin') return refuse(400, 'the request target is not a path');
  return pages(method, path, query).catch((error) => refuse(500, messageOf(error)));
};

const respond = async (request: RequestMessage, pages: AdminPages): Promise<SmallAnswer> => {
  const { status = 200, type = 'text/plain; charset=UTF-8', allow, body } = await guarded(request, pages);
  const headers = [
    ['cache-control', 'no-cache, max-age=0'],
    ['x-content-type-options', 'nosniff'],
  ] as const;
  return { status, type, body, headers: allow === undefined ? headers : [...headers, ['allow', allow]] };
};

/** Throws PORT_TAKEN and its like. */
export const openAdminServer = async (port: number, clock: Clock, pages: AdminPages): Promise<Admin> => {
  const server = await openSmallServer({
    address: LOOPBACK,
    port,
    use: 'admin',
    flag: '--admin-port',
    clock,
    answer: (request) => respond(request, pages),
  });
  return { address: LOOPBACK, port: server.port, close: server.close };
};
