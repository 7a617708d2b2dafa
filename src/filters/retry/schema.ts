// What a route sends once more. How many retries there may be of all requests is said by a cluster: RetryBudget of
// model/snapshot.ts.
declare module '../../model/route.ts' {
  interface ForwardAction {
    readonly retry?: RetryPolicy;
  }
}

/** Retries happen only where nothing can be done twice: nothing was sent, or the method is idempotent and the body still at hand. */
export interface RetryPolicy {
  /** Further attempts after the first. */
  readonly attempts: number;
  /** Statuses that are retried, for idempotent methods. */
  readonly statuses: readonly number[];
  /** Statuses of gRPC calls that are retried while no message was answered; of those that GrpcRetryStatus has. */
  readonly grpcStatuses?: readonly GrpcRetryStatus[];
  /** Absent: connections that end before an answer are retried too, for idempotent methods. */
  readonly resets?: false;
  /** Before the first retry; doubles with each, up to `maxBackoffMs`, or 10 s. */
  readonly backoffMs: number;
  readonly maxBackoffMs?: number;
}

/** CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL and UNAVAILABLE: those that Envoy can retry too. */
export type GrpcRetryStatus = 1 | 4 | 8 | 13 | 14;
