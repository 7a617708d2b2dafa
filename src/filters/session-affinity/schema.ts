// How a client is kept with the endpoint that answered it first, as a route or a Service has it.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** Comes before every choice of an endpoint, behind that of a target. */
    readonly session?: SessionPersistence;
  }
  interface ForwardTarget {
    /** Where the route has none. */
    readonly session?: SessionPersistence;
  }
}

declare module '../../model/mesh.ts' {
  interface MeshService {
    /** Of calls to it, where a route has none. */
    readonly session?: SessionPersistence;
  }
}

/** A client's requests go to the endpoint that answered it first, as long as that one is there and healthy. */
export type SessionPersistence =
  | {
      readonly type: 'cookie';
      readonly name: string;
      readonly path: string;
      /** When the session ends, and with it the cookie. Absent: until the client closes. */
      readonly ttlMs?: number;
      /** The cookie goes when the client closes, though the session may end before. */
      readonly untilClosed?: true;
    }
  /** A lower-case name. */
  | { readonly type: 'header'; readonly name: string };
