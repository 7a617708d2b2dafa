// Global limits of rates in Envoy's terms: its filter asks the control plane, over the connection that it has for xDS.
// Named by registry.ts.
import { ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  RateLimit_XRateLimitHeadersRFCVersion as Headers,
  RateLimitSchema,
} from '../../gen/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import type { RouteTable } from '../../model/snapshot.ts';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { configured, duration } from '../envoy-message.ts';
import { envoyRateLimits, STAGE } from '../local-rate-limit/envoy.ts';
import { globalRule } from './rule.ts';
import { askTimeoutMs, type GlobalRateLimit } from './schema.ts';

/** In Envoy's bootstrap. */
const CONTROL_CLUSTER = 'xds-grpc';
const DOMAIN = 'weft';

const filtersOf = ({ virtualHosts }: RouteTable): GlobalRateLimit[] =>
  virtualHosts.flatMap(({ routes }) =>
    routes.flatMap(({ filters }) => filters.filter((filter) => filter.type === 'global-rate-limit')),
  );

export const envoyFilter: EnvoyFilter<GlobalRateLimit> = {
  chainKey(table) {
    const filters = filtersOf(table);
    return filters.length === 0
      ? ''
      : `global-rate-limit ${filters.some(({ failClosed }) => failClosed)} ${askTimeoutMs(filters)}`;
  },
  httpFilter(_handler, table) {
    const filters = table ? filtersOf(table) : [];
    if (filters.length === 0) return undefined;
    return configured('envoy.filters.http.ratelimit', RateLimitSchema, {
      domain: DOMAIN,
      stage: STAGE.global,
      timeout: duration(askTimeoutMs(filters)),
      failureModeDeny: filters.some(({ failClosed }) => failClosed),
      enableXRatelimitHeaders: Headers.DRAFT_VERSION_03,
      disableXEnvoyRatelimitedHeader: true,
      rateLimitService: {
        transportApiVersion: ApiVersion.V3,
        grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: CONTROL_CLUSTER } } },
      },
    });
  },
  route: (filters) => ({
    rateLimits: envoyRateLimits(
      filters.flatMap(({ rules }) => rules.map(globalRule)),
      STAGE.global,
    ),
  }),
};
