// How long a route waits. Beside it a listener has times of its own (ClientLimits), and a cluster one for connecting: see
// model/snapshot.ts.
declare module '../../model/route.ts' {
  interface ForwardAction {
    /** From the end of the request to the end of the answer, retries included; absent: none. */
    readonly timeoutMs?: number;
    /** One attempt. */
    readonly attemptTimeoutMs?: number;
  }
}

export {};
