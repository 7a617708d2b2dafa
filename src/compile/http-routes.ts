// HTTPRoutes as routes of the model. Used by route-kinds.ts.
import { parseDurationMs } from '../kinds/duration.ts';
import type {
  HeaderModifierSpec,
  HttpBackendRef,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  HttpRouteSpec,
  NamedValueMatch,
  PathModifierSpec,
} from '../kinds/http-route/types.ts';
import type {
  ForwardTarget,
  HeaderModifier,
  PathRewrite,
  RetryPolicy,
  RouteAction,
  RouteFilter,
  RouteMatch,
  UrlRewrite,
  ValueMatch,
} from '../model/route.ts';
import { rankOf } from './route-order.ts';
import type { RouteContent, RouteContext, Unsupported } from './routes.ts';

export const compileHttpRoute = ({ rules }: HttpRouteSpec, context: RouteContext): RouteContent => ({
  unsupported: rules.flatMap((rule, i) => unsupportedParts(rule, `spec.rules[${i}]`)),
  routes: rules.flatMap((rule, i) => {
    const action = compileAction(rule, context);
    const filters = compileFilters(rule.filters ?? []);
    return rule.matches.map((match, j) => ({
      route: { name: `HTTPRoute/${context.key}/${i}/${j}`, match: compileMatch(match), filters, action },
      rank: rankOf(match),
    }));
  }),
});

const SUPPORTED_FILTERS = new Set(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite']);
const BACKEND_FILTERS = new Set(['RequestHeaderModifier', 'ResponseHeaderModifier']);

/** What is published but can't be done: the whole route is refused, so that nothing is left out in silence. */
const unsupportedParts = (rule: HttpRouteRule, path: string): Unsupported[] => {
  const found: Unsupported[] = [];
  rule.filters?.forEach(({ type }, i) => {
    if (!SUPPORTED_FILTERS.has(type)) found.push({ path: `${path}.filters[${i}]`, what: `the filter ${type}` });
  });
  rule.backendRefs?.forEach(({ filters = [] }, i) => {
    filters.forEach(({ type }, j) => {
      if (BACKEND_FILTERS.has(type)) return;
      found.push({ path: `${path}.backendRefs[${i}].filters[${j}]`, what: `the filter ${type} on one backend` });
    });
  });
  if (rule.sessionPersistence) found.push({ path: `${path}.sessionPersistence`, what: 'session persistence' });
  return found;
};

const compileMatch = ({ path, method, headers = [], queryParams = [] }: HttpRouteMatch): RouteMatch => ({
  path: compilePath(path),
  ...(method ? { method } : {}),
  headers: headers.map((match) => compileValue(match, match.name.toLowerCase())),
  queryParams: queryParams.map((match) => compileValue(match, match.name)),
});

const compilePath = ({ type, value }: HttpRouteMatch['path']): RouteMatch['path'] => {
  if (type === 'Exact') return { type: 'exact', value };
  if (type === 'RegularExpression') return { type: 'regex', value };
  // A prefix goes by path elements, so that its last slash says nothing.
  return { type: 'prefix', value: value.length > 1 ? value.replace(/\/$/, '') : value };
};

const compileValue = ({ type, value }: NamedValueMatch, name: string): ValueMatch => ({
  name,
  type: type === 'RegularExpression' ? 'regex' : 'exact',
  value,
});

const compileAction = (rule: HttpRouteRule, context: RouteContext): RouteAction => {
  const redirect = rule.filters?.find(({ requestRedirect }) => requestRedirect)?.requestRedirect;
  if (redirect) {
    return {
      type: 'redirect',
      ...(redirect.scheme ? { scheme: redirect.scheme } : {}),
      ...(redirect.hostname ? { host: redirect.hostname } : {}),
      ...(redirect.port ? { port: redirect.port } : {}),
      ...(redirect.path ? { path: compilePathModifier(redirect.path) } : {}),
      status: redirect.statusCode,
    };
  }
  const rewrite = compileRewrite(rule.filters ?? []);
  const retry = compileRetry(rule.retry);
  // Zero means without end, which is the default.
  const timeoutMs = parseDurationMs(rule.timeouts?.request) || undefined;
  const attemptTimeoutMs = parseDurationMs(rule.timeouts?.backendRequest) || undefined;
  return {
    type: 'forward',
    targets: compileTargets(rule.backendRefs ?? [], context),
    ...(timeoutMs ? { timeoutMs } : {}),
    ...(attemptTimeoutMs ? { attemptTimeoutMs } : {}),
    ...(retry ? { retry } : {}),
    ...(rewrite ? { rewrite } : {}),
  };
};

export const compileTargets = (refs: readonly HttpBackendRef[], { targets }: RouteContext): ForwardTarget[] =>
  targets(refs).map(({ cluster, weight, ref }) => ({ cluster, weight, filters: compileFilters(ref?.filters ?? []) }));

const compileFilters = (filters: readonly HttpRouteFilter[]): RouteFilter[] =>
  filters.flatMap(({ requestHeaderModifier, responseHeaderModifier }) => {
    if (requestHeaderModifier) return [compileHeaders('request-headers', requestHeaderModifier)];
    return responseHeaderModifier ? [compileHeaders('response-headers', responseHeaderModifier)] : [];
  });

const compileHeaders = (
  type: HeaderModifier['type'],
  { set = [], add = [], remove = [] }: HeaderModifierSpec,
): HeaderModifier => {
  const lower = ({ name, value }: { name: string; value: string }) => ({ name: name.toLowerCase(), value });
  return { type, set: set.map(lower), add: add.map(lower), remove: remove.map((name) => name.toLowerCase()) };
};

const compileRewrite = (filters: readonly HttpRouteFilter[]): UrlRewrite | undefined => {
  const rewrite = filters.find(({ urlRewrite }) => urlRewrite)?.urlRewrite;
  if (!rewrite?.hostname && !rewrite?.path) return undefined;
  return {
    ...(rewrite.hostname ? { host: rewrite.hostname } : {}),
    ...(rewrite.path ? { path: compilePathModifier(rewrite.path) } : {}),
  };
};

const compilePathModifier = ({ type, replaceFullPath = '', replacePrefixMatch = '' }: PathModifierSpec): PathRewrite =>
  type === 'ReplaceFullPath' ? { type: 'full', value: replaceFullPath } : { type: 'prefix', value: replacePrefixMatch };

const DEFAULT_ATTEMPTS = 1;
const DEFAULT_BACKOFF_MS = 25;
const MAX_ATTEMPTS = 10;

const compileRetry = (retry: HttpRouteRule['retry']): RetryPolicy | undefined =>
  retry && {
    attempts: Math.min(Math.max(retry.attempts ?? DEFAULT_ATTEMPTS, 0), MAX_ATTEMPTS),
    statuses: retry.codes ?? [],
    backoffMs: parseDurationMs(retry.backoff) ?? DEFAULT_BACKOFF_MS,
  };
