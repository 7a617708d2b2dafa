// One route of the model as one or two of Envoy's.
import { envoyDirectResponse } from '../../filters/direct-response/envoy.ts';
import type { EnvoyRouteParts, RouteContext } from '../../filters/envoy-filter.ts';
import { envoyRedirect } from '../../filters/request-redirect/envoy.ts';
import { type RetryVariant, retryVariants } from '../../filters/retry/envoy.ts';
import { IDEMPOTENT } from '../../filters/retry/proxy.ts';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RouteActionSchema,
  type RouteMatchSchema,
  type RouteSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { FractionalPercent_DenominatorType } from '../../gen/envoy/type/v3/percent_pb.js';
import type { ForwardAction, Route, RouteFilter, RouteMatch, ValueMatch } from '../../model/route.ts';
import { filterParts } from './filters.ts';
import { webOfRoute } from './grpc.ts';
import type { Init } from './message.ts';

type EnvoyRoute = Init<typeof RouteSchema>;

const REPEATABLE = [...IDEMPOTENT].join('|');

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
  retryPolicy: RetryVariant['policy'],
): NonNullable<EnvoyRoute['action']> => {
  const value: Init<typeof RouteActionSchema> = {
    clusterSpecifier: clusterOf(action),
    clusterNotFoundResponseCode:
      action.invalidStatus === 503 ? NotFoundCode.SERVICE_UNAVAILABLE : NotFoundCode.INTERNAL_SERVER_ERROR,
    ...(retryPolicy && { retryPolicy }),
    ...parts.action,
    ...(parts.rateLimits && { rateLimits: parts.rateLimits }),
  };
  return { case: 'route', value };
};

/** Requests whose method may (or may not) be sent twice. */
const withMethods = (match: Init<typeof RouteMatchSchema>, methods: RetryVariant['methods']): typeof match => {
  if (!methods) return match;
  const method = headerValue({ name: ':method', type: 'regex', value: REPEATABLE });
  return { ...match, headers: [...(match.headers ?? []), { ...method, invertMatch: methods === 'others' }] };
};

const forwardRoutes = (
  match: Init<typeof RouteMatchSchema>,
  action: ForwardAction,
  base: EnvoyRoute,
  parts: EnvoyRouteParts,
  context: RouteContext,
): EnvoyRoute[] =>
  retryVariants(action, context).map(({ methods, policy }) => ({
    ...base,
    match: withMethods(match, methods),
    action: forwardOf(action, parts, policy),
  }));

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

/** Envoy has few fields for each of several clusters: where a target has filters or a session of its own, each gets a route. */
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
    const session = action.session ?? target.session;
    return routesOf(route, { ...action, targets: [target], ...(session && { session }) }, filters, share, context);
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

/** With retries an idempotent and a careful one; so many for each target where one has filters or a session of its own. */
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
  return action.targets.some(({ filters, redirect, session }) => filters.length > 0 || redirect || session)
    ? routesByTarget(route, action, context)
    : routesOf(route, action, route.filters, {}, context);
};
