// External authorization in Envoy's terms: for each server and what it is told one ext_authz in the chain, disabled but for
// the routes that ask for it. Named by registry.ts.
import { createHash } from 'node:crypto';
import { ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  ExtAuthzPerRouteSchema,
  ExtAuthzSchema,
} from '../../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import type { ListStringMatcherSchema } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import type { Route, RouteFilter } from '../../model/route.ts';
import type { RouteTable } from '../../model/snapshot.ts';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { configured, duration, type Init, pack } from '../envoy-message.ts';
import { AUTH_TIMEOUT_MS, type ExternalAuth } from './schema.ts';

type Matchers = Init<typeof ListStringMatcherSchema>;

type Stage = 'host' | 'route';

const NAME = 'envoy.filters.http.ext_authz/';

/** Those of one list run in its order, so that each place has filters of its own. */
const nameOf = (stage: Stage, filter: ExternalAuth, place: number): string => {
  const hash = createHash('sha256').update(JSON.stringify(filter)).digest('hex').slice(0, 16);
  return `${NAME}${stage}/${place}/${hash}`;
};

const exactly = (names: readonly string[]): Matchers => ({
  patterns: names.map((value) => ({ matchPattern: { case: 'exact', value }, ignoreCase: true })),
});

const ANY: Matchers = { patterns: [{ matchPattern: { case: 'safeRegex', value: { regex: '.*' } } }] };

const serviceOf = (filter: ExternalAuth): Init<typeof ExtAuthzSchema> => {
  const { cluster, protocol, pathPrefix, responseHeaders, timeoutMs = AUTH_TIMEOUT_MS } = filter;
  const timeout = duration(timeoutMs);
  if (protocol === 'grpc') {
    const value = {
      targetSpecifier: { case: 'envoyGrpc', value: { clusterName: cluster } },
      timeout,
      retryPolicy: { retryOn: 'connect-failure,refused-stream,reset', numRetries: 2 },
    } as const;
    return { services: { case: 'grpcService', value } };
  }
  const value = {
    serverUri: { uri: `http://${cluster}`, httpUpstreamType: { case: 'cluster', value: cluster }, timeout },
    pathPrefix,
    authorizationResponse: { allowedUpstreamHeaders: responseHeaders.length > 0 ? exactly(responseHeaders) : ANY },
  } as const;
  return { services: { case: 'httpService', value } };
};

/** FRAMING_HEADERS, and what Envoy would take for one: in so few steps that Envoy takes the pattern. */
const FRAMING = '(?:proxy-)?connection|expect|keep-alive|t(?:e|railer|ransfer-encoding)|upgrade|:status';

/** Besides who is asked for, which Envoy does not let change by itself. */
const kept = ({ protocol, responseHeaders }: ExternalAuth): string =>
  `${FRAMING}|content-${protocol === 'http' && responseHeaders.length === 0 ? '.*' : 'length'}`;

const authzOf = (filter: ExternalAuth): Init<typeof ExtAuthzSchema> => ({
  ...serviceOf(filter),
  transportApiVersion: ApiVersion.V3,
  ...(filter.requestHeaders.length > 0 && { allowedHeaders: exactly(filter.requestHeaders) }),
  ...(filter.maxBodyBytes > 0 && { withRequestBody: { maxRequestBytes: filter.maxBodyBytes } }),
  includeTlsSession: true,
  validateMutations: true,
  decoderHeaderMutationRules: { disallowExpression: { regex: kept(filter) } },
});

const isAuth = (filter: RouteFilter): filter is ExternalAuth => filter.type === 'external-auth';

type Checks = ReadonlyMap<string, readonly [number, ExternalAuth]>;

const NONE: Checks = new Map();

const byRoutes = new WeakMap<readonly Route[], Checks>();

/** What a list of routes asks for, by name. */
const checksOf = (routes: readonly Route[]): Checks => {
  const known = byRoutes.get(routes);
  if (known) return known;
  const found = new Map<string, readonly [number, ExternalAuth]>();
  const add = (filters: readonly RouteFilter[]) => {
    for (const [place, filter] of filters.filter(isAuth).entries())
      found.set(nameOf('route', filter, place), [place, filter]);
  };
  for (const { filters, action } of routes) {
    if (filters.some(isAuth)) add(filters);
    if (action.type !== 'forward') continue;
    for (const target of action.targets) if (target.filters.some(isAuth)) add([...filters, ...target.filters]);
  }
  const all = found.size > 0 ? found : NONE;
  byRoutes.set(routes, all);
  return all;
};

/** In the order of their places; of one place the order says nothing. */
const inOrder = (all: Iterable<Checks>): [string, ExternalAuth][] => {
  const found = new Map<string, readonly [number, ExternalAuth]>();
  for (const checks of all) for (const [name, check] of checks) found.set(name, check);
  return [...found]
    .sort(([a, [one]], [b, [other]]) => one - other || (a < b ? -1 : 1))
    .map(([name, [, filter]]) => [name, filter]);
};

const ofRoutes = ({ virtualHosts }: RouteTable) => inOrder(virtualHosts.map(({ routes }) => checksOf(routes)));

const ofHosts = ({ virtualHosts }: RouteTable) =>
  inOrder(
    virtualHosts.flatMap(({ filters }) =>
      filters
        ? [
            new Map(
              filters.filter(isAuth).map((filter, place) => [nameOf('host', filter, place), [place, filter] as const]),
            ),
          ]
        : [],
    ),
  );

const enabled = (stage: Stage, filters: readonly ExternalAuth[]) =>
  Object.fromEntries(filters.map((filter, place) => [nameOf(stage, filter, place), ENABLED]));

const ENABLED = pack(ExtAuthzPerRouteSchema, { override: { case: 'checkSettings', value: {} } });
const OFF = pack(ExtAuthzPerRouteSchema, { override: { case: 'disabled', value: true } });

export const envoyFilter: EnvoyFilter<ExternalAuth> = {
  chainKey: (table) => [...ofHosts(table), ...ofRoutes(table)].map(([name]) => name).join(' '),
  httpFilter: (_handler, table) =>
    (table ? ofRoutes(table) : []).map(([name, filter]) => ({
      ...configured(name, ExtAuthzSchema, authzOf(filter)),
      disabled: true,
    })),
  route: (filters) => ({ perFilter: enabled('route', filters) }),
  early: (table) =>
    ofHosts(table).map(([name, filter]) => ({
      ...configured(name, ExtAuthzSchema, { ...authzOf(filter), clearRouteCache: true }),
      disabled: true,
    })),
  host: (filters) => enabled('host', filters),
  off: (name) => (name.startsWith(NAME) ? OFF : undefined),
};
