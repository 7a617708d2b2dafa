// GRPCRoutes as routes of the model: a call is a POST to /service/method. Used by route-kinds.ts.
import type { GrpcRouteMatch, GrpcRouteSpec } from '../kinds/grpc-route/types.ts';
import type { RouteMatch } from '../model/route.ts';
import { compileFilters, compileHeaderMatches, compileTargets, unsupportedParts } from './route-filters.ts';
import type { RouteContent, RouteContext } from './routes.ts';
import { compileSession } from './sessions.ts';

const EVERY_CALL: readonly GrpcRouteMatch[] = [{}];

export const compileGrpcRoute = ({ rules = [{}] }: GrpcRouteSpec, context: RouteContext): RouteContent => ({
  unsupported: rules.flatMap((rule, i) => unsupportedParts(rule, `spec.rules[${i}]`)),
  routes: rules.flatMap(({ matches, filters = [], backendRefs = [], sessionPersistence }, i) => {
    const targets = compileTargets(backendRefs, context, sessionPersistence);
    const session = sessionPersistence && compileSession(sessionPersistence, `GRPCRoute/${context.key}/${i}`);
    const action = { type: 'forward', targets, invalidStatus: 503, ...(session && { session }) } as const;
    const edits = compileFilters(filters, context);
    return (matches?.length ? matches : EVERY_CALL).map((match, j) => ({
      route: { name: `GRPCRoute/${context.key}/${i}/${j}`, match: compileMatch(match), filters: edits, action },
      rank: rankOf(match),
    }));
  }),
});

const compileMatch = ({ method, headers }: GrpcRouteMatch): RouteMatch => ({
  path: compilePath(method),
  method: 'POST',
  headers: compileHeaderMatches(headers),
  queryParams: [],
});

const ANY = '[^/]+';

const compilePath = (wanted: GrpcRouteMatch['method']): RouteMatch['path'] => {
  const { type, service, method } = wanted ?? {};
  if (!service && !method) return { type: 'prefix', value: '/' };
  if (type === 'RegularExpression') {
    const part = (expression: string | undefined) => (expression ? `(${expression})` : ANY);
    return { type: 'regex', value: `/${part(service)}/${part(method)}` };
  }
  if (service && method) return { type: 'exact', value: `/${service}/${method}` };
  return service ? { type: 'prefix', value: `/${service}` } : { type: 'regex', value: `/${ANY}/${method}` };
};

/** One method of one service before expressions, which the API leaves open, then the longest service and method, the most headers. */
const rankOf = ({ method, headers = [] }: GrpcRouteMatch): readonly number[] => [
  method?.type === 'RegularExpression' ? 1 : method?.service && method.method ? 0 : 2,
  -(method?.service?.length ?? 0),
  -(method?.method?.length ?? 0),
  -headers.length,
];
