// Filters, matches of values and weighted targets, which HTTPRoutes and GRPCRoutes share. Used by http-routes.ts and grpc-routes.ts.

import type { HeaderModifier } from '../filters/header-modifier/schema.ts';
import type {
  CorsSpec,
  HeaderModifierSpec,
  HttpBackendRef,
  HttpRouteFilter,
  NamedValueMatch,
  PathModifierSpec,
  RequestMirrorSpec,
  RequestRedirectSpec,
  SessionPersistenceSpec,
  UrlRewriteSpec,
} from '../kinds/http-route/types.ts';
import type { ForwardTarget, PathRewrite, RedirectAction, RouteFilter, ValueMatch } from '../model/route.ts';
import { INVALID_CLUSTER } from '../model/snapshot.ts';
import { compileExternalAuth, unsupportedAuth } from './external-auth.ts';
import type { RouteContext, Unsupported } from './routes.ts';
import { unsupportedSession } from './sessions.ts';

/** `own`: the session of the route's rule, in whose place those of Services do not count. */
export const compileTargets = (
  refs: readonly HttpBackendRef[],
  context: RouteContext,
  own?: SessionPersistenceSpec,
): ForwardTarget[] =>
  context.targets(refs).map(({ cluster, weight, session, ref }) => {
    const redirect = ref?.filters?.find(({ requestRedirect }) => requestRedirect)?.requestRedirect;
    const filters = compileFilters(ref?.filters ?? [], context);
    if (isUnguarded(filters)) return { cluster: INVALID_CLUSTER, weight, filters: [] };
    return {
      cluster,
      weight,
      filters,
      ...(redirect ? { redirect: compileRedirect(redirect) } : {}),
      ...(session && !own && { session }),
    };
  });

/** Nobody can be asked whether a request may pass: none may. */
export const isUnguarded = (filters: readonly RouteFilter[]): boolean =>
  filters.some((filter) => filter.type === 'external-auth' && filter.cluster === INVALID_CLUSTER);

export const compileRedirect = ({ scheme, hostname, port, path, statusCode }: RequestRedirectSpec): RedirectAction => ({
  type: 'redirect',
  ...(scheme ? { scheme } : {}),
  ...(hostname ? { host: hostname } : {}),
  ...(port ? { port } : {}),
  ...(path ? { path: compilePathModifier(path) } : {}),
  status: statusCode,
});

export const compileFilters = (filters: readonly HttpRouteFilter[], context: RouteContext): RouteFilter[] =>
  filters.flatMap((filter) => compileFilter(filter, context));

const compileFilter = (filter: HttpRouteFilter, context: RouteContext): RouteFilter[] => {
  const { requestHeaderModifier, responseHeaderModifier, urlRewrite, cors, requestMirror, externalAuth } = filter;
  if (requestHeaderModifier) return [compileHeaders('request-headers', requestHeaderModifier)];
  if (responseHeaderModifier) return [compileHeaders('response-headers', responseHeaderModifier)];
  if (cors) return [compileCors(cors)];
  if (requestMirror) return compileMirror(requestMirror, context);
  if (externalAuth) return [compileExternalAuth(externalAuth, context.besides)];
  return urlRewrite ? [compileRewrite(urlRewrite)] : [];
};

const compileRewrite = ({ hostname, path }: UrlRewriteSpec): RouteFilter => ({
  type: 'url-rewrite',
  ...(hostname ? { host: hostname } : {}),
  ...(path ? { path: compilePathModifier(path) } : {}),
});

const compileCors = (spec: CorsSpec): RouteFilter => ({
  type: 'cors',
  origins: spec.allowOrigins ?? [],
  methods: spec.allowMethods ?? [],
  headers: (spec.allowHeaders ?? []).map((name) => name.toLowerCase()),
  exposed: (spec.exposeHeaders ?? []).map((name) => name.toLowerCase()),
  credentials: spec.allowCredentials ?? false,
  maxAgeSeconds: spec.maxAge,
});

/** One that can't be used is left out; the route's status says so. */
const compileMirror = (
  { backendRef, percent = 100, fraction }: RequestMirrorSpec,
  { besides }: RouteContext,
): RouteFilter[] => {
  const cluster = besides(backendRef);
  const share = fraction ? fraction.numerator / (fraction.denominator ?? 100) : percent / 100;
  return cluster === undefined ? [] : [{ type: 'request-mirror', cluster, share }];
};

const compilePathModifier = ({ type, replaceFullPath = '', replacePrefixMatch = '' }: PathModifierSpec): PathRewrite =>
  type === 'ReplaceFullPath' ? { type: 'full', value: replaceFullPath } : { type: 'prefix', value: replacePrefixMatch };

export const compileHeaders = (
  type: HeaderModifier['type'],
  { set = [], add = [], remove = [] }: HeaderModifierSpec,
): HeaderModifier => {
  const lower = ({ name, value }: { name: string; value: string }) => ({ name: name.toLowerCase(), value });
  return { type, set: set.map(lower), add: add.map(lower), remove: remove.map((name) => name.toLowerCase()) };
};

export const compileValue = ({ type, value }: NamedValueMatch, name: string): ValueMatch => ({
  name,
  type: type === 'RegularExpression' ? 'regex' : 'exact',
  value,
});

export const compileHeaderMatches = (headers: readonly NamedValueMatch[] = []): ValueMatch[] =>
  headers.map((match) => compileValue(match, match.name.toLowerCase()));

const SUPPORTED_FILTERS = new Set([
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
  'RequestMirror',
]);
/** Those of HTTPRoutes alone. */
export const HTTP_FILTERS = ['ExtensionRef', 'ExternalAuth'];
const BACKEND_FILTERS = new Set([...SUPPORTED_FILTERS, 'ExternalAuth'].filter((type) => type !== 'CORS'));

/** What is published but can't be done: the whole route is refused, so that nothing is left out in silence. */
export const unsupportedParts = (
  rule: {
    readonly filters?: readonly HttpRouteFilter[];
    readonly backendRefs?: readonly HttpBackendRef[];
    readonly sessionPersistence?: SessionPersistenceSpec;
  },
  path: string,
  more: readonly string[] = [],
): Unsupported[] => {
  const found: Unsupported[] = [];
  const checkAuth = (auth: HttpRouteFilter['externalAuth'], where: string) => {
    const bad = auth && unsupportedAuth(auth);
    if (bad) found.push({ path: `${where}.${bad.path}`, what: bad.what });
  };
  rule.filters?.forEach(({ type, externalAuth }, i) => {
    if (!SUPPORTED_FILTERS.has(type) && !more.includes(type))
      found.push({ path: `${path}.filters[${i}]`, what: `the filter ${type}` });
    checkAuth(externalAuth, `${path}.filters[${i}]`);
  });
  rule.backendRefs?.forEach(({ filters = [] }, i) => {
    filters.forEach(({ type, externalAuth }, j) => {
      const where = `${path}.backendRefs[${i}].filters[${j}]`;
      if (!BACKEND_FILTERS.has(type)) found.push({ path: where, what: `the filter ${type} on one backend` });
      checkAuth(externalAuth, where);
    });
  });
  const { sessionPersistence: session } = rule;
  if (session) found.push(...unsupportedSession(session, `${path}.sessionPersistence`));
  return found;
};
