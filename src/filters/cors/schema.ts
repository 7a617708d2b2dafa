// Which pages of other origins may read a route's answers, as a route has it.
declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly cors: Cors;
  }
}

export interface Cors {
  readonly type: 'cors';
  /** `*`, or `scheme://host` with an optional port; `*` in the host stands for any number of labels. */
  readonly origins: readonly string[];
  /** `*` alone: what the request asks for. */
  readonly methods: readonly string[];
  /** Lower case; `*` alone: what the request asks for. */
  readonly headers: readonly string[];
  /** Lower case; `*` alone: all. */
  readonly exposed: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
}
