// By what of its requests a client is kept with an endpoint, where a cluster chooses by a hash.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** For clusters that choose by a hash. */
    readonly hash?: readonly HashPolicy[];
  }
}

/** By what requests are hashed; those that are absent from a request are left out. */
export type HashPolicy =
  | { readonly type: 'source-ip' }
  /** A lower-case name. */
  | { readonly type: 'header'; readonly name: string }
  | { readonly type: 'query'; readonly name: string }
  | {
      readonly type: 'cookie';
      readonly name: string;
      /** A client without the cookie is given one; 0: until it closes. Absent: it is given none. */
      readonly ttlMs?: number;
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    };
