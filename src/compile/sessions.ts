// How rules of routes keep a client with an endpoint. Used by http-routes.ts, grpc-routes.ts and route-filters.ts.
import { createHash } from 'node:crypto';
import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import type { SessionPersistenceSpec } from '../kinds/http-route/types.ts';
import type { Unsupported } from './routes.ts';

/** `owner`: for a name where the user gave none; the same for as long as the rule is where it is. */
export const compileSession = (
  { type, absoluteTimeout, cookie, header }: SessionPersistenceSpec,
  owner: string,
): SessionPersistence => {
  const name = () => `weft-session-${createHash('sha256').update(owner).digest('hex').slice(0, 12)}`;
  if (type === 'Header') return { type: 'header', name: (header?.name ?? name()).toLowerCase() };
  const ttlMs = cookie?.lifetimeType === 'Permanent' ? parseDurationMs(absoluteTimeout) : undefined;
  return { type: 'cookie', name: cookie?.name ?? name(), path: cookie?.path ?? '/', ...(ttlMs && { ttlMs }) };
};

/** An end can only be told to clients that keep the cookie until then. */
export const unsupportedSession = (
  { type, absoluteTimeout, cookie }: SessionPersistenceSpec,
  path: string,
): Unsupported[] => {
  if (absoluteTimeout === undefined || (type === 'Cookie' && cookie?.lifetimeType === 'Permanent')) return [];
  return [{ path: `${path}.absoluteTimeout`, what: 'an end of a session without a Permanent cookie' }];
};
