// How a client is kept with the endpoint that answered it first, as a route has it.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** Comes before every choice. */
    readonly session?: SessionPersistence;
  }
}

/** A client's requests go to the endpoint that answered it first, as long as that one is there and healthy. */
export type SessionPersistence =
  | {
      readonly type: 'cookie';
      readonly name: string;
      readonly path: string;
      /** Absent: until the client closes. */
      readonly ttlMs?: number;
    }
  /** A lower-case name. */
  | { readonly type: 'header'; readonly name: string };
