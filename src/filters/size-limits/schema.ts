// How large requests of a route, and answers to them, may be. A listener has a limit of its own for requests: ClientLimits of
// model/snapshot.ts.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** Of a request's body: 413. */
    readonly maxRequestBytes?: number;
    /** Of a request's body, for another attempt; absent: as much as the engine keeps by itself. */
    readonly keptRequestBytes?: number;
    /** Of an answer's body: 502, or cut off where it was not known beforehand. */
    readonly maxResponseBytes?: number;
  }
}

export {};
