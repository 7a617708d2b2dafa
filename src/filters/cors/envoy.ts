// CORS in Envoy's terms. Named by registry.ts.
import { CorsPolicySchema, CorsSchema } from '../../gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { configured, pack } from '../envoy-message.ts';
import { originPattern } from './origin.ts';
import type { Cors } from './schema.ts';

const NAME = 'envoy.filters.http.cors';

/** Without a policy of the route it does nothing, whether it is enabled or not. */
export const envoyFilter: EnvoyFilter<Cors> = {
  httpFilter: () => configured(NAME, CorsSchema, {}),
  route(filters) {
    const { origins, methods, headers, exposed, credentials, maxAgeSeconds } = filters.at(-1)!;
    const policy = pack(CorsPolicySchema, {
      allowOriginStringMatch: origins.map((origin) => ({
        matchPattern: { case: 'safeRegex' as const, value: { regex: originPattern(origin) } },
      })),
      allowMethods: methods.join(', '),
      allowHeaders: headers.join(', '),
      exposeHeaders: credentials && exposed[0] === '*' ? '' : exposed.join(', '),
      maxAge: String(maxAgeSeconds),
      allowCredentials: credentials,
      forwardNotMatchingPreflights: false,
    });
    return { perFilter: { [NAME]: policy } };
  },
};
