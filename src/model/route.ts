// One HTTP route as both engines take it: match, filters in order, one action.
import type { WeightedCluster } from './snapshot.ts';

export interface Route {
  /** Where it comes from: `HTTPRoute/<namespace>/<name>/<rule>/<match>`, or `default` for a service without routes. */
  readonly name: string;
  readonly match: RouteMatch;
  /** Those of one type in their order; which type acts first is said by filters/registry.ts. */
  readonly filters: readonly RouteFilter[];
  readonly action: RouteAction;
}

export interface RouteMatch {
  /** `prefix` goes by path elements: `/a` matches `/a` and `/a/b`, not `/ab`. The query is not part of the path. */
  readonly path: { readonly type: 'exact' | 'prefix' | 'regex'; readonly value: string };
  readonly method?: string;
  /** All must match. Names are lower case. */
  readonly headers: readonly ValueMatch[];
  readonly queryParams: readonly ValueMatch[];
}

export interface ValueMatch {
  readonly name: string;
  readonly type: 'exact' | 'regex';
  readonly value: string;
}

export type RouteAction = ForwardAction | DirectResponse | RedirectAction;

/** What filters/<name>/schema.ts says of time-outs, retries, sizes and affinities is added there. */
export interface ForwardAction {
  readonly type: 'forward';
  readonly targets: readonly ForwardTarget[];
  /** What a share of INVALID_CLUSTER answers; absent: 500. */
  readonly invalidStatus?: 503;
}

export interface ForwardTarget extends WeightedCluster {
  /** Filters of this backend alone. */
  readonly filters: readonly RouteFilter[];
  /** In place of asking it. */
  readonly redirect?: RedirectAction;
}

export type PathRewrite =
  | { readonly type: 'full'; readonly value: string }
  /** Replaces the prefix that the match names. */
  | { readonly type: 'prefix'; readonly value: string };

export interface RedirectAction {
  readonly type: 'redirect';
  readonly scheme?: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: PathRewrite;
  readonly status: number;
}

export interface DirectResponse {
  readonly type: 'direct';
  readonly status: number;
  readonly body: string;
}

/** Each filter adds its types in filters/<name>/schema.ts. */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by declaration merging
export interface RouteFilterTypes {}

/** One step on a request or its answer. */
export type RouteFilter = RouteFilterTypes[keyof RouteFilterTypes];
