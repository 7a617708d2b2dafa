// How rules of routes keep a client with an endpoint. Used by http-routes.ts, grpc-routes.ts, route-filters.ts and
// service-policies.ts.
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
  const ttlMs = parseDurationMs(absoluteTimeout);
  const end = ttlMs && { ttlMs, ...(cookie?.lifetimeType !== 'Permanent' && { untilClosed: true as const }) };
  return { type: 'cookie', name: cookie?.name ?? name(), path: cookie?.path ?? '/', ...end };
};

/** A header has no room for an end that Envoy would understand. */
export const unsupportedSession = ({ type, absoluteTimeout }: SessionPersistenceSpec, path: string): Unsupported[] =>
  absoluteTimeout !== undefined && type === 'Header'
    ? [{ path: `${path}.absoluteTimeout`, what: 'an end of a session that a header names' }]
    : [];
