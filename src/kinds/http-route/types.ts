// The spec of an HTTPRoute, as it is after defaults. Used by compile.
import type { BackendRef, RouteSpec, WeightedBackendRef } from '../route-parts.ts';

export interface HttpRouteSpec extends RouteSpec {
  readonly rules: readonly HttpRouteRule[];
}

export interface HttpRouteRule {
  readonly name?: string;
  readonly matches: readonly HttpRouteMatch[];
  readonly filters?: readonly HttpRouteFilter[];
  readonly backendRefs?: readonly HttpBackendRef[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
  readonly retry?: { readonly attempts?: number; readonly backoff?: string; readonly codes?: readonly number[] };
  readonly sessionPersistence?: SessionPersistenceSpec;
}

export interface HttpRouteMatch {
  readonly path: { readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value: string };
  readonly method?: string;
  readonly headers?: readonly NamedValueMatch[];
  readonly queryParams?: readonly NamedValueMatch[];
}

export interface NamedValueMatch {
  readonly type: 'Exact' | 'RegularExpression';
  readonly name: string;
  readonly value: string;
}

export interface HttpBackendRef extends WeightedBackendRef {
  readonly filters?: readonly HttpRouteFilter[];
}

export interface HttpRouteFilter {
  readonly type:
    | 'RequestHeaderModifier'
    | 'ResponseHeaderModifier'
    | 'RequestMirror'
    | 'RequestRedirect'
    | 'URLRewrite'
    | 'ExtensionRef'
    | 'CORS'
    | 'ExternalAuth';
  readonly requestHeaderModifier?: HeaderModifierSpec;
  readonly responseHeaderModifier?: HeaderModifierSpec;
  readonly requestMirror?: RequestMirrorSpec;
  readonly requestRedirect?: RequestRedirectSpec;
  readonly urlRewrite?: UrlRewriteSpec;
  readonly extensionRef?: { readonly group: string; readonly kind: string; readonly name: string };
  readonly cors?: CorsSpec;
  readonly externalAuth?: ExternalAuthSpec;
}

export interface ExternalAuthSpec {
  readonly protocol: 'HTTP' | 'GRPC';
  readonly backendRef: BackendRef;
  readonly forwardBody?: { readonly maxSize?: number };
  readonly grpc?: { readonly allowedHeaders?: readonly string[] };
  readonly http?: {
    readonly path?: string;
    readonly allowedHeaders?: readonly string[];
    readonly allowedResponseHeaders?: readonly string[];
  };
}

export interface CorsSpec {
  readonly allowOrigins?: readonly string[];
  readonly allowCredentials?: boolean;
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly maxAge: number;
}

export interface RequestMirrorSpec {
  readonly backendRef: BackendRef;
  readonly percent?: number;
  readonly fraction?: { readonly numerator: number; readonly denominator?: number };
}

export interface HeaderModifierSpec {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

export interface RequestRedirectSpec {
  readonly scheme?: 'http' | 'https';
  readonly hostname?: string;
  readonly path?: PathModifierSpec;
  readonly port?: number;
  readonly statusCode: number;
}

export interface UrlRewriteSpec {
  readonly hostname?: string;
  readonly path?: PathModifierSpec;
}

export interface PathModifierSpec {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

export interface SessionPersistenceSpec {
  readonly type: 'Cookie' | 'Header';
  readonly absoluteTimeout?: string;
  readonly cookie?: { readonly name?: string; readonly path?: string; readonly lifetimeType: 'Permanent' | 'Session' };
  readonly header?: { readonly name: string };
}
