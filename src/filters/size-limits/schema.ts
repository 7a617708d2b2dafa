// How large requests of a route may be. A listener has a limit of its own beside it: ClientLimits of model/snapshot.ts.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** Of a request's body: 413. */
    readonly maxRequestBytes?: number;
  }
}

export {};
