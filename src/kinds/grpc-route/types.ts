// The spec of a GRPCRoute, as it is after defaults. Used by compile.
import type { HttpBackendRef, HttpRouteFilter, NamedValueMatch, SessionPersistenceSpec } from '../http-route/types.ts';
import type { RouteSpec } from '../route-parts.ts';

export interface GrpcRouteSpec extends RouteSpec {
  readonly rules?: readonly GrpcRouteRule[];
}

export interface GrpcRouteRule {
  readonly name?: string;
  readonly matches?: readonly GrpcRouteMatch[];
  readonly filters?: readonly HttpRouteFilter[];
  readonly backendRefs?: readonly HttpBackendRef[];
  readonly sessionPersistence?: SessionPersistenceSpec;
}

export interface GrpcRouteMatch {
  readonly method?: {
    readonly type: 'Exact' | 'RegularExpression';
    readonly service?: string;
    readonly method?: string;
  };
  readonly headers?: readonly NamedValueMatch[];
}
