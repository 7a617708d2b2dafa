// HTTPRoutes as routes of the model. Used by route-kinds.ts.
import type { RetryPolicy } from '../filters/retry/schema.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import type { HttpRouteMatch, HttpRouteRule, HttpRouteSpec } from '../kinds/http-route/types.ts';
import type { Route, RouteAction, RouteMatch } from '../model/route.ts';
import {
  compileFilters,
  compileHeaderMatches,
  compileRedirect,
  compileTargets,
  compileValue,
  HTTP_FILTERS,
  isUnguarded,
  unsupportedParts,
} from './route-filters.ts';
import { rankOf } from './route-order.ts';
import type { RouteContent, RouteContext } from './routes.ts';
import { compileSession } from './sessions.ts';

export const compileHttpRoute = ({ rules }: HttpRouteSpec, context: RouteContext): RouteContent => ({
  unsupported: rules.flatMap((rule, i) => unsupportedParts(rule, `spec.rules[${i}]`, HTTP_FILTERS)),
  routes: rules.flatMap((rule, i) => {
    const { action, filters } = compileRule(rule, `HTTPRoute/${context.key}/${i}`, context);
    return rule.matches.map((match, j) => ({
      route: { name: `HTTPRoute/${context.key}/${i}/${j}`, match: compileMatch(match), filters, action },
      rank: rankOf(match),
    }));
  }),
});

/** Requests for a filter that can't be used get an error, and nothing else: the filter must not be skipped. */
const compileRule = (rule: HttpRouteRule, owner: string, context: RouteContext): Pick<Route, 'action' | 'filters'> => {
  const filters = compileFilters(rule.filters ?? [], context);
  const refs = (rule.filters ?? []).flatMap(({ extensionRef }) => extensionRef ?? []);
  if (refs.length === 0 && !isUnguarded(filters)) return { action: compileAction(rule, owner, context), filters };
  const found = refs.map((ref) => context.extension(ref));
  const [first] = found;
  if (!first || found.includes(undefined) || isUnguarded(filters)) {
    return { action: { type: 'direct', status: 500, body: 'a filter of this route is not valid' }, filters: [] };
  }
  return { action: first.answer, filters: [...filters, ...first.filters] };
};

const compileMatch = ({ path, method, headers, queryParams = [] }: HttpRouteMatch): RouteMatch => ({
  path: compilePath(path),
  ...(method ? { method } : {}),
  headers: compileHeaderMatches(headers),
  queryParams: queryParams.map((match) => compileValue(match, match.name)),
});

const compilePath = ({ type, value }: HttpRouteMatch['path']): RouteMatch['path'] => {
  if (type === 'Exact') return { type: 'exact', value };
  if (type === 'RegularExpression') return { type: 'regex', value };
  // A prefix goes by path elements, so that its last slash says nothing.
  return { type: 'prefix', value: value.length > 1 ? value.replace(/\/$/, '') : value };
};

const compileAction = (rule: HttpRouteRule, owner: string, context: RouteContext): RouteAction => {
  const redirect = rule.filters?.find(({ requestRedirect }) => requestRedirect)?.requestRedirect;
  if (redirect) return compileRedirect(redirect);
  const retry = compileRetry(rule.retry);
  // Zero means without end: the default, but where a policy says otherwise.
  const timeoutMs = parseDurationMs(rule.timeouts?.request);
  const attemptTimeoutMs = parseDurationMs(rule.timeouts?.backendRequest);
  return {
    type: 'forward',
    targets: compileTargets(rule.backendRefs ?? [], context, rule.sessionPersistence),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(attemptTimeoutMs !== undefined && { attemptTimeoutMs }),
    ...(retry ? { retry } : {}),
    ...(rule.sessionPersistence ? { session: compileSession(rule.sessionPersistence, owner) } : {}),
  };
};

const DEFAULT_ATTEMPTS = 1;
const DEFAULT_BACKOFF_MS = 25;
const MAX_ATTEMPTS = 10;

const compileRetry = (retry: HttpRouteRule['retry']): RetryPolicy | undefined =>
  retry && {
    attempts: Math.min(Math.max(retry.attempts ?? DEFAULT_ATTEMPTS, 0), MAX_ATTEMPTS),
    statuses: retry.codes ?? [],
    backoffMs: parseDurationMs(retry.backoff) ?? DEFAULT_BACKOFF_MS,
  };
