// Every filter, in the order in which they act on a request, in both engines; on an answer they act the other way round.
// A new one is a folder beside this file, one line here and a page in docs/filters.
import { compressionFilter } from './compression/proxy.ts';
import { corsFilter } from './cors/proxy.ts';
import type { FilterEntry } from './filter.ts';
import { globalRateLimit } from './global-rate-limit/proxy.ts';
import { headerModifier } from './header-modifier/proxy.ts';
import { localRateLimit } from './local-rate-limit/proxy.ts';
import { requestMirror } from './request-mirror/proxy.ts';
import { urlRewrite } from './url-rewrite/proxy.ts';

export const filterOrder: readonly FilterEntry[] = [
  {
    name: 'cors',
    types: ['cors'],
    field: 'CORS',
    own: corsFilter,
    envoy: () => import('./cors/envoy.ts'),
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
];

/** What answers in place of a target, behind every filter: the actions of routes that do not forward. */
export const routeAnswers = ['request-redirect', 'direct-response'] as const;
