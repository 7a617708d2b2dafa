// HTTPRoutes as routes of the model, before they are attached anywhere. Used by routing.ts.
import { parseDurationMs } from '../kinds/duration.ts';
import type {
  HeaderModifierSpec,
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
import { INVALID_CLUSTER } from '../model/snapshot.ts';
import type { BackendProblem, Backends } from './backends.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { Input } from './input.ts';
import { keepEqual } from './keep.ts';
import { type OrderedRoute, rankOf } from './route-order.ts';

export interface CompiledRoute {
  readonly input: Input<HttpRouteSpec>;
  /** Empty when the route can't be taken. */
  readonly routes: readonly OrderedRoute[];
  /** Whether Weft can do what the route says; its parents may still refuse it. */
  readonly accepted: Verdict;
  readonly resolvedRefs: Verdict;
  readonly unsupported: readonly Unsupported[];
}

export interface Unsupported {
  readonly path: string;
  readonly what: string;
}

/** Compiles HTTPRoutes; a route whose spec and backends are the same keeps its result. */
export const openHttpRoutes = () => {
  const memos = new WeakMap<Input, { backends: string; compiled: CompiledRoute }>();
  let last = new Map<string, CompiledRoute>();
  return (inputs: readonly Input<HttpRouteSpec>[], backends: Backends): CompiledRoute[] => {
    const next = new Map<string, CompiledRoute>();
    const compiled = inputs.map((input) => {
      const state = backendState(input, backends);
      let memo = memos.get(input);
      if (memo?.backends !== state) {
        memo = { backends: state, compiled: compileHttpRoute(input, backends, last.get(input.key)) };
        memos.set(input, memo);
      }
      next.set(input.key, memo.compiled);
      return memo.compiled;
    });
    last = next;
    return compiled;
  };
};

const backendState = ({ spec, namespace }: Input<HttpRouteSpec>, backends: Backends): string => {
  let state = '';
  for (const { backendRefs = [] } of spec.rules) {
    for (const ref of backendRefs) {
      const { cluster, problem } = backends.resolve(ref, namespace);
      state += `${cluster} ${problem?.message ?? ''}\n`;
    }
  }
  return state;
};

const compileHttpRoute = (
  input: Input<HttpRouteSpec>,
  backends: Backends,
  before: CompiledRoute | undefined,
): CompiledRoute => {
  const { spec, namespace, key } = input;
  const unsupported = spec.rules.flatMap((rule, i) => unsupportedParts(rule, `spec.rules[${i}]`));
  const problems: BackendProblem[] = [];
  const routes = spec.rules.flatMap((rule, i) => {
    const action = compileAction(rule, namespace, backends, problems);
    const filters = compileFilters(rule.filters ?? []);
    return rule.matches.map((match, j) => ({
      route: { name: `HTTPRoute/${key}/${i}/${j}`, match: compileMatch(match), filters, action },
      rank: rankOf(match),
    }));
  });
  const messages = unsupported.map(({ path, what }) => `${path}: ${what} is not supported`);
  const [problem] = problems;
  return {
    input,
    routes: unsupported.length > 0 ? [] : keepEqual(before?.routes, routes),
    accepted:
      unsupported.length > 0 ? no('Accepted', 'UnsupportedValue', messages.join('; ')) : yes('Accepted', 'Accepted'),
    resolvedRefs: problem
      ? no('ResolvedRefs', problem.reason, [...new Set(problems.map(({ message }) => message))].join('; '))
      : yes('ResolvedRefs', 'ResolvedRefs'),
    unsupported,
  };
};

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

const compileAction = (
  rule: HttpRouteRule,
  namespace: string,
  backends: Backends,
  problems: BackendProblem[],
): RouteAction => {
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
    targets: compileTargets(rule, namespace, backends, problems),
    ...(timeoutMs ? { timeoutMs } : {}),
    ...(attemptTimeoutMs ? { attemptTimeoutMs } : {}),
    ...(retry ? { retry } : {}),
    ...(rewrite ? { rewrite } : {}),
  };
};

const compileTargets = (
  { backendRefs = [] }: HttpRouteRule,
  namespace: string,
  backends: Backends,
  problems: BackendProblem[],
): ForwardTarget[] => {
  const targets: ForwardTarget[] = [];
  let lost = 0;
  for (const ref of backendRefs) {
    const { cluster, problem } = backends.resolve(ref, namespace);
    if (problem) problems.push(problem);
    if (problem) lost += ref.weight;
    else if (ref.weight > 0) targets.push({ cluster, weight: ref.weight, filters: compileFilters(ref.filters ?? []) });
  }
  if (lost > 0) targets.push({ cluster: INVALID_CLUSTER, weight: lost, filters: [] });
  // No backend to go to: the API wants a 500, not a 404.
  return targets.length > 0 ? targets : [{ cluster: INVALID_CLUSTER, weight: 1, filters: [] }];
};

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
