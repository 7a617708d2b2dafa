// Sessions in Envoy's terms: a filter that is off but for routes with one. Named by registry.ts.
import {
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '../../gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.js';
import { CookieBasedSessionStateSchema } from '../../gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.js';
import { HeaderBasedSessionStateSchema } from '../../gen/envoy/extensions/http/stateful_session/header/v3/header_pb.js';
import type { EnvoySetting } from '../envoy-filter.ts';
import { configured, duration, extension, pack } from '../envoy-message.ts';
import type { SessionPersistence } from './schema.ts';

const NAME = 'envoy.filters.http.stateful_session';

const stateOf = (session: SessionPersistence) => {
  if (session.type === 'header') {
    return extension('envoy.http.stateful_session.header', HeaderBasedSessionStateSchema, { name: session.name });
  }
  const { name, path, ttlMs } = session;
  const cookie = { name, path, ...(ttlMs !== undefined && { ttl: duration(ttlMs) }) };
  return extension('envoy.http.stateful_session.cookie', CookieBasedSessionStateSchema, { cookie });
};

const OFF = pack(StatefulSessionPerRouteSchema, { override: { case: 'disabled', value: true } });

export const envoySetting: EnvoySetting = {
  httpFilter: () => ({ ...configured(NAME, StatefulSessionSchema, {}), disabled: true }),
  off: (name) => (name === NAME ? OFF : undefined),
  route({ session }) {
    if (!session) return {};
    const value = { sessionState: stateOf(session) };
    return {
      perFilter: { [NAME]: pack(StatefulSessionPerRouteSchema, { override: { case: 'statefulSession', value } }) },
    };
  },
};
