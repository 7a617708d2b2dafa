// One route of the model as one or two of Envoy's.

import { envoyHeaderEdits } from '../../filters/header-modifier/envoy.ts';
import { envoyRedirect } from '../../filters/request-redirect/envoy.ts';
import { envoyUrlRewrite } from '../../filters/url-rewrite/envoy.ts';
import type { RetryPolicySchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RouteActionSchema,
  type RouteMatchSchema,
  type RouteSchema,
  type WeightedClusterSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '../../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { UNSENT_HEADER } from '../../model/http.ts';
import type { ForwardAction, RetryPolicy, Route, RouteMatch, ValueMatch } from '../../model/route.ts';
import { bodyLimitOfRoute } from './body-limit.ts';
import { callTimeout, callTriggers, webOfRoute } from './grpc.ts';
import { configured, duration, type Init } from './message.ts';
import type { RouteContext } from './route-context.ts';

type EnvoyRoute = Init<typeof RouteSchema>;

// RFC 9110, 9.2.2.
const IDEMPOTENT = 'GET|HEAD|OPTIONS|PUT|DELETE|TRACE';

/** Nothing was sent: safe for every method. */
const UNSENT = 'connect-failure,refused-stream,reset-before-request';
const OTHER_ENDPOINTS = 3;
/** Least-request likes an endpoint that fails, as it is idle: it takes many draws to come to another one. */
const DRAWS = 32n;

const stringValue = ({ type, value }: Pick<ValueMatch, 'type' | 'value'>) =>
  type === 'exact'
    ? ({ matchPattern: { case: 'exact', value } } as const)
    : ({ matchPattern: { case: 'safeRegex', value: { regex: value } } } as const);

const headerValue = (match: ValueMatch) =>
  ({ name: match.name, headerMatchSpecifier: { case: 'stringMatch', value: stringValue(match) } }) as const;

const pathOf = ({ type, value }: RouteMatch['path']): NonNullable<Init<typeof RouteMatchSchema>['pathSpecifier']> => {
  if (type === 'exact') return { case: 'path', value };
  if (type === 'regex') return { case: 'safeRegex', value: { regex: value } };
  const prefix = value.replace(/\/+$/, '');
  return prefix === '' ? { case: 'prefix', value: '/' } : { case: 'pathSeparatedPrefix', value: prefix };
};

const matchOf = ({ path, method, headers, queryParams }: RouteMatch): Init<typeof RouteMatchSchema> => ({
  pathSpecifier: pathOf(path),
  headers: [
    ...(method === undefined ? [] : [headerValue({ name: ':method', type: 'exact', value: method })]),
    ...headers.map(headerValue),
  ],
  queryParameters: queryParams.map((match) => ({
    name: match.name,
    queryParameterMatchSpecifier: { case: 'stringMatch', value: stringValue(match) },
  })),
});

/** The conditions under which nothing was sent, or the peer's proxy says that its program got nothing. */
const unsentOf = ({ targets }: ForwardAction, { meshClusters }: RouteContext): string =>
  targets.some(({ cluster }) => meshClusters.has(cluster)) ? `${UNSENT},retriable-headers` : UNSENT;

const retryOn = (on: string, attempts: number, policy?: RetryPolicy): Init<typeof RetryPolicySchema> => ({
  retryOn: on,
  ...(on.includes('retriable-headers') && {
    retriableHeaders: [headerValue({ name: UNSENT_HEADER, type: 'exact', value: 'true' })],
  }),
  numRetries: attempts,
  retriableStatusCodes: [...(policy?.statuses ?? [])],
  hostSelectionRetryMaxAttempts: DRAWS,
  retryHostPredicate: [configured('envoy.retry_host_predicates.previous_hosts', PreviousHostsPredicateSchema, {})],
  ...(policy && {
    retryBackOff: {
      baseInterval: duration(Math.max(1, policy.backoffMs)),
      maxInterval: duration(Math.max(policy.maxBackoffMs ?? 10_000, policy.backoffMs, 1)),
    },
  }),
});

const clusterOf = (
  route: Route,
  { targets }: ForwardAction,
): NonNullable<Init<typeof RouteActionSchema>['clusterSpecifier']> => {
  const live = targets.filter((target) => target.weight > 0);
  const only = live.length === 1 && live[0]!.filters.length === 0 ? live[0]! : undefined;
  if (only) return { case: 'cluster', value: only.cluster };
  const ownEdits = hasOwnEdits(route);
  const value: Init<typeof WeightedClusterSchema> = {
    clusters: live.map((target) => ({
      name: target.cluster,
      weight: target.weight,
      ...(ownEdits && envoyHeaderEdits([...route.filters, ...target.filters])),
    })),
  };
  return { case: 'weightedClusters', value };
};

/** True where a target has filters: then every edit is made at the targets, so that the order is kept. */
const hasOwnEdits = ({ action }: Route): boolean =>
  action.type === 'forward' && action.targets.some((target) => target.filters.length > 0);

const forwardOf = (
  route: Route,
  action: ForwardAction,
  context: RouteContext,
  retry?: Init<typeof RetryPolicySchema>,
): NonNullable<EnvoyRoute['action']> => {
  const perTry = action.attemptTimeoutMs;
  const value: Init<typeof RouteActionSchema> = {
    clusterSpecifier: clusterOf(route, action),
    clusterNotFoundResponseCode:
      action.invalidStatus === 503 ? NotFoundCode.SERVICE_UNAVAILABLE : NotFoundCode.INTERNAL_SERVER_ERROR,
    timeout: duration(action.timeoutMs ?? 0),
    ...callTimeout(action, context),
    ...((retry || perTry !== undefined) && {
      retryPolicy: { ...retry, ...(perTry !== undefined && { perTryTimeout: duration(perTry) }) },
    }),
    ...envoyUrlRewrite(action.rewrite, route.match.path),
  };
  return { case: 'route', value };
};

/** A request method that a route with retries must (or must not) have. */
const withMethods = (route: EnvoyRoute, match: Init<typeof RouteMatchSchema>, invertMatch: boolean): EnvoyRoute => ({
  ...route,
  match: {
    ...match,
    headers: [
      ...(match.headers ?? []),
      { ...headerValue({ name: ':method', type: 'regex', value: IDEMPOTENT }), invertMatch },
    ],
  },
});

const forwardRoutes = (route: Route, action: ForwardAction, base: EnvoyRoute, context: RouteContext): EnvoyRoute[] => {
  const { retry } = action;
  // The program behind this proxy is the only one it knows; its caller's proxy may ask another.
  if (context.isInbound && !retry) return [{ ...base, action: forwardOf(route, action, context) }];
  const unsent = unsentOf(action, context);
  const plain = { ...base, action: forwardOf(route, action, context, retryOn(unsent, OTHER_ENDPOINTS)) };
  if (!retry || retry.attempts === 0) return [plain];
  // Envoy knows no condition on the method inside a retry policy, so what is not idempotent has a route of its own.
  const match = matchOf(route.match);
  const calls = callTriggers(retry);
  const on = `${unsent}${calls}${retry.resets === false ? '' : ',reset'}${retry.statuses.length > 0 ? ',retriable-status-codes' : ''}`;
  const repeating = { ...base, action: forwardOf(route, action, context, retryOn(on, retry.attempts, retry)) };
  const careful = {
    ...base,
    action: forwardOf(route, action, context, retryOn(`${unsent}${calls}`, retry.attempts, retry)),
  };
  return [withMethods(repeating, match, false), withMethods(careful, match, true)];
};

const directOf = (status: number, body: string): NonNullable<EnvoyRoute['action']> => ({
  case: 'directResponse',
  value: { status, ...(body !== '' && { body: { specifier: { case: 'inlineString', value: body } } }) },
});

/** Never more than two: an idempotent and a careful one. */
export const envoyRoutes = (route: Route, context: RouteContext): EnvoyRoute[] => {
  const { action } = route;
  const base: EnvoyRoute = {
    name: route.name,
    match: matchOf(route.match),
    ...(!hasOwnEdits(route) && envoyHeaderEdits(route.filters)),
  };
  if (action.type === 'redirect') {
    return [{ ...base, action: { case: 'redirect', value: envoyRedirect(action, route.match.path, context.entry) } }];
  }
  if (action.type === 'direct') return [{ ...base, action: directOf(action.status, action.body) }];
  // With nothing to forward to, the share that is broken is all of it.
  if (action.targets.every((target) => target.weight === 0)) {
    return [{ ...base, action: directOf(action.invalidStatus ?? 500, '') }];
  }
  const typedPerFilterConfig = { ...webOfRoute(action, context), ...bodyLimitOfRoute(action) };
  return forwardRoutes(route, action, { ...base, typedPerFilterConfig }, context);
};
