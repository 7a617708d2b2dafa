// One route of the model as one or two of Envoy's.
import { envoyDirectResponse } from '../../filters/direct-response/envoy.ts';
import type { EnvoyRouteParts, RouteContext } from '../../filters/envoy-filter.ts';
import { envoyRedirect } from '../../filters/request-redirect/envoy.ts';
import { RoutingPriority } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { RetryPolicySchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RouteActionSchema,
  type RouteMatchSchema,
  type RouteSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '../../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { FractionalPercent_DenominatorType } from '../../gen/envoy/type/v3/percent_pb.js';
import { UNSENT_HEADER } from '../../model/http.ts';
import type { ForwardAction, RetryPolicy, Route, RouteFilter, RouteMatch, ValueMatch } from '../../model/route.ts';
import { filterParts } from './filters.ts';
import { callTimeout, callTriggers, webOfRoute } from './grpc.ts';
import { hashPolicy } from './hash-policy.ts';
import { configured, duration, type Init } from './message.ts';
import { sessionOfRoute } from './session.ts';

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

const clusterOf = ({ targets }: ForwardAction): NonNullable<Init<typeof RouteActionSchema>['clusterSpecifier']> => {
  const live = targets.filter((target) => target.weight > 0);
  const [only] = live;
  if (live.length === 1) return { case: 'cluster', value: only!.cluster };
  const clusters = live.map(({ cluster, weight }) => ({ name: cluster, weight }));
  return { case: 'weightedClusters', value: { clusters } };
};

const forwardOf = (
  action: ForwardAction,
  parts: EnvoyRouteParts,
  context: RouteContext,
  retry?: Init<typeof RetryPolicySchema>,
): NonNullable<EnvoyRoute['action']> => {
  const perTry = action.attemptTimeoutMs;
  const value: Init<typeof RouteActionSchema> = {
    clusterSpecifier: clusterOf(action),
    clusterNotFoundResponseCode:
      action.invalidStatus === 503 ? NotFoundCode.SERVICE_UNAVAILABLE : NotFoundCode.INTERNAL_SERVER_ERROR,
    timeout: duration(action.timeoutMs ?? 0),
    ...(action.retry && action.retry.attempts > 0 && { priority: RoutingPriority.HIGH }),
    ...callTimeout(action, context),
    ...((retry || perTry !== undefined) && {
      retryPolicy: { ...retry, ...(perTry !== undefined && { perTryTimeout: duration(perTry) }) },
    }),
    ...parts.action,
    ...(parts.rateLimits && { rateLimits: parts.rateLimits }),
    hashPolicy: (action.hash ?? []).map(hashPolicy),
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

const forwardRoutes = (
  match: Init<typeof RouteMatchSchema>,
  action: ForwardAction,
  base: EnvoyRoute,
  parts: EnvoyRouteParts,
  context: RouteContext,
): EnvoyRoute[] => {
  const { retry } = action;
  const withRetry = (policy?: Init<typeof RetryPolicySchema>) => ({
    ...base,
    match,
    action: forwardOf(action, parts, context, policy),
  });
  // The program behind this proxy is the only one it knows; its caller's proxy may ask another.
  if (context.isInbound && !retry) return [withRetry()];
  const unsent = unsentOf(action, context);
  if (!retry || retry.attempts === 0) return [withRetry(retryOn(unsent, OTHER_ENDPOINTS))];
  // Envoy knows no condition on the method inside a retry policy, so what is not idempotent has a route of its own.
  const calls = callTriggers(retry);
  const on = `${unsent}${calls}${retry.resets === false ? '' : ',reset'}${retry.statuses.length > 0 ? ',retriable-status-codes' : ''}`;
  const repeating = withRetry(retryOn(on, retry.attempts, retry));
  const careful = withRetry(retryOn(`${unsent}${calls}`, retry.attempts, retry));
  return [withMethods(repeating, match, false), withMethods(careful, match, true)];
};

const MILLION = 1_000_000;

/** A request has one random number for all the routes that it is compared with, so that shares add up. */
const upToShare = (share: number): Init<typeof RouteMatchSchema> =>
  share >= 1
    ? {}
    : {
        runtimeFraction: {
          defaultValue: {
            numerator: Math.round(share * MILLION),
            denominator: FractionalPercent_DenominatorType.MILLION,
          },
        },
      };

/** Envoy has few fields for each of several clusters: where a target has filters of its own, each gets a route. */
const routesByTarget = (route: Route, action: ForwardAction, context: RouteContext): EnvoyRoute[] => {
  const live = action.targets.filter(({ weight }) => weight > 0);
  const total = live.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  return live.flatMap((target) => {
    sum += target.weight;
    const filters = [...route.filters, ...target.filters];
    const share = upToShare(sum / total);
    if (target.redirect) {
      const value = envoyRedirect(target.redirect, route.match.path, context.entry);
      return [answered(route, { case: 'redirect', value }, filters, share)];
    }
    return routesOf(route, { ...action, targets: [target] }, filters, share, context);
  });
};

const routesOf = (
  route: Route,
  action: ForwardAction,
  filters: readonly RouteFilter[],
  share: Init<typeof RouteMatchSchema>,
  context: RouteContext,
): EnvoyRoute[] => {
  const parts = filterParts(filters, route, { action, context });
  const typedPerFilterConfig = {
    ...webOfRoute(action, context),
    ...sessionOfRoute(action),
    ...parts.perFilter,
  };
  const base = { name: route.name, ...parts.route, typedPerFilterConfig };
  return forwardRoutes({ ...matchOf(route.match), ...share }, action, base, parts, context);
};

const answered = (
  route: Route,
  action: NonNullable<EnvoyRoute['action']>,
  filters = route.filters,
  share: Init<typeof RouteMatchSchema> = {},
): EnvoyRoute => {
  const { route: fields, perFilter } = filterParts(filters, route);
  const match = { ...matchOf(route.match), ...share };
  return { name: route.name, match, ...fields, typedPerFilterConfig: perFilter, action };
};

/** With retries an idempotent and a careful one; so many for each target where one has filters of its own. */
export const envoyRoutes = (route: Route, context: RouteContext): EnvoyRoute[] => {
  const { action } = route;
  if (action.type === 'redirect') {
    return [answered(route, { case: 'redirect', value: envoyRedirect(action, route.match.path, context.entry) })];
  }
  if (action.type === 'direct') return [answered(route, envoyDirectResponse(action.status, action.body))];
  // With nothing to forward to, the share that is broken is all of it.
  if (action.targets.every((target) => target.weight === 0)) {
    return [answered(route, envoyDirectResponse(action.invalidStatus ?? 500, ''))];
  }
  return action.targets.some(({ filters, redirect }) => filters.length > 0 || redirect)
    ? routesByTarget(route, action, context)
    : routesOf(route, action, route.filters, {}, context);
};
