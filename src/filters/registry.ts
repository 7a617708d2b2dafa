// Everything that can happen to a request on its way, in the order in which it does, in both engines; on an answer filters act
// the other way round. A new one is a folder beside this file, one line here and a page in docs/filters.
//
// Lines with `types` are steps of the chain: the own engine runs them in this order, as Envoy does. Lines with `of` are
// settings, which say how the request is carried on: they stand where they begin to count. In Envoy, those that need a filter
// have it at this place of the chain; the own engine's exchange asks their folders at that point by itself.
import { compressionFilter } from './compression/proxy.ts';
import { corsFilter } from './cors/proxy.ts';
import { externalAuth } from './external-auth/proxy.ts';
import type { FilterEntry, SettingEntry } from './filter.ts';
import { globalRateLimit } from './global-rate-limit/proxy.ts';
import { headerModifier } from './header-modifier/proxy.ts';
import { localRateLimit } from './local-rate-limit/proxy.ts';
import { requestMirror } from './request-mirror/proxy.ts';
import { urlRewrite } from './url-rewrite/proxy.ts';

export const filterOrder: readonly (FilterEntry | SettingEntry)[] = [
  {
    name: 'timeout',
    of: ['listener', 'route'],
    field: 'HTTPRoute timeouts, BackendTrafficPolicy timeout, ClientTrafficPolicy timeout',
    envoy: () => import('./timeout/envoy.ts'),
  },
  {
    name: 'cors',
    types: ['cors'],
    field: 'CORS',
    own: corsFilter,
    envoy: () => import('./cors/envoy.ts'),
  },
  // Behind CORS, as browsers ask without proof of who they are; before limits, which may count by what is proven here.
  {
    name: 'external-auth',
    types: ['external-auth'],
    field: 'ExternalAuth',
    own: externalAuth,
    envoy: () => import('./external-auth/envoy.ts'),
  },
  {
    name: 'local-rate-limit',
    types: ['local-rate-limit'],
    field: 'BackendTrafficPolicy rateLimit.local',
    own: localRateLimit,
    envoy: () => import('./local-rate-limit/envoy.ts'),
  },
  {
    name: 'global-rate-limit',
    types: ['global-rate-limit'],
    field: 'BackendTrafficPolicy rateLimit.global',
    own: globalRateLimit,
    envoy: () => import('./global-rate-limit/envoy.ts'),
  },
  {
    name: 'compression',
    types: ['compression'],
    field: 'BackendTrafficPolicy compressor',
    own: compressionFilter,
    envoy: () => import('./compression/envoy.ts'),
  },
  {
    name: 'header-modifier',
    types: ['request-headers', 'response-headers'],
    field: 'RequestHeaderModifier, ResponseHeaderModifier',
    own: headerModifier,
    envoy: () => import('./header-modifier/envoy.ts'),
  },
  {
    name: 'url-rewrite',
    types: ['url-rewrite'],
    field: 'URLRewrite',
    own: urlRewrite,
    envoy: () => import('./url-rewrite/envoy.ts'),
  },
  {
    name: 'request-mirror',
    types: ['request-mirror'],
    field: 'RequestMirror',
    own: requestMirror,
    envoy: () => import('./request-mirror/envoy.ts'),
  },
  {
    name: 'session-affinity',
    of: ['route'],
    field: 'sessionPersistence',
    envoy: () => import('./session-affinity/envoy.ts'),
  },
  {
    name: 'endpoint-override',
    of: ['cluster'],
    field: 'BackendTrafficPolicy loadBalancer.endpointOverride',
    envoy: () => import('./endpoint-override/envoy.ts'),
  },
  {
    name: 'hash-affinity',
    of: ['route'],
    field: 'BackendTrafficPolicy loadBalancer.consistentHash',
    envoy: () => import('./hash-affinity/envoy.ts'),
  },
  {
    name: 'size-limits',
    of: ['listener', 'route'],
    field: 'BackendTrafficPolicy requestBuffer, annotation weft.dev/max-response-body',
    envoy: () => import('./size-limits/envoy.ts'),
  },
  {
    name: 'retry',
    of: ['route', 'cluster'],
    field: 'HTTPRoute retry, BackendTrafficPolicy retry, XBackendTrafficPolicy retryConstraint',
    envoy: () => import('./retry/envoy.ts'),
  },
  {
    name: 'backend-tls',
    of: ['cluster'],
    field: 'BackendTLSPolicy',
    envoy: () => import('./backend-tls/envoy.ts'),
  },
  {
    name: 'access-log',
    of: ['listener'],
    field: 'EnvoyProxy telemetry.accessLog',
    envoy: () => import('./access-log/envoy.ts'),
  },
];

/** What answers in place of a target, behind every filter: the actions of routes that do not forward. */
export const routeAnswers = ['request-redirect', 'direct-response'] as const;
