// gRPC's status codes, as events and retry policies name them.

/** By number. */
export const GRPC_STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type GrpcStatusName = (typeof GRPC_STATUSES)[number];

export const grpcStatus = (name: GrpcStatusName): number => GRPC_STATUSES.indexOf(name);

/** Those that are not the caller's fault, as 5xx are not; OpenTelemetry counts the same as errors of a server. */
const FAILURES: ReadonlySet<number> = new Set(
  (['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'] as const).map(grpcStatus),
);

export const isGrpcFailure = (status: number | undefined): boolean => status !== undefined && FAILURES.has(status);
