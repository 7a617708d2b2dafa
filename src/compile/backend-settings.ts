// What one BackendTrafficPolicy says: for clusters and for routes, and what can't be done of it. Used by backend-policies.ts.

import type { Compression } from '../filters/compression/schema.ts';
import type { GrpcRetryStatus, RetryPolicy } from '../filters/retry/schema.ts';
import type { BackendTrafficPolicySpec, RetrySpec, RetryTrigger } from '../kinds/backend-traffic-policy/types.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import { grpcStatus } from '../model/grpc.ts';
import type { BackendTraffic } from '../model/mesh.ts';
import type { ForwardAction } from '../model/route.ts';
import { BALANCING_FIELDS, balancingSettings, hashOf, refusedBalancing } from './balancing-settings.ts';
import { compileCompression } from './compression.ts';
import { unsupportedPaths } from './policy-fields.ts';
import { compileRateLimits, type RateLimits, refusedRateLimits } from './rate-limits.ts';
import { refusedSizes, type SizeSettings, sizeSettings } from './size-settings.ts';

/** What compile honours; any other field that is set is told in the status. */
const SUPPORTED = new Set([
  'targetRef',
  'targetRefs',
  'targetSelectors',
  ...BALANCING_FIELDS,
  'proxyProtocol.version',
  'retry.numRetries',
  'retry.retryOn.triggers',
  'retry.retryOn.httpStatusCodes',
  'retry.perRetry.timeout',
  'retry.perRetry.backOff.baseInterval',
  'retry.perRetry.backOff.maxInterval',
  'circuitBreaker.maxConnections',
  'circuitBreaker.maxPendingRequests',
  'circuitBreaker.perEndpoint.maxConnections',
  'timeout.tcp.connectTimeout',
  'timeout.http.requestTimeout',
  'timeout.http.connectionIdleTimeout',
  'compression',
  'compressor',
  'rateLimit',
  'requestBuffer.limit',
  'requestBuffer.mode',
]);

export interface BackendSettings {
  readonly cluster: BackendTraffic;
  readonly route: Pick<ForwardAction, 'timeoutMs' | 'attemptTimeoutMs' | 'retry' | 'hash'> & SizeSettings;
  readonly rateLimits: RateLimits;
  readonly compression: Compression | undefined;
}

/** A field or value that does not count. */
export interface Refused {
  readonly path: string;
  readonly what: string;
}

type Annotations = Readonly<Record<string, string>>;

/** `owner`: `namespace/name` of the policy. */
export const backendSettings = (
  spec: BackendTrafficPolicySpec,
  owner: string,
  annotations: Annotations,
): BackendSettings => {
  const { timeout, retry, loadBalancer } = spec;
  return {
    cluster: { ...clusterSettings(spec), ...balancingSettings(spec, annotations) },
    route: given({
      timeoutMs: parseDurationMs(timeout?.http?.requestTimeout) || undefined,
      attemptTimeoutMs: parseDurationMs(retry?.perRetry?.timeout) || undefined,
      retry: retry && compileRetry(retry),
      hash: loadBalancer?.consistentHash && hashOf(loadBalancer.consistentHash),
      ...sizeSettings(spec, annotations),
    }),
    rateLimits: compileRateLimits(spec.rateLimit, owner),
    compression: compileCompression(spec),
  };
};

export const refusedParts = (spec: BackendTrafficPolicySpec, annotations: Annotations): Refused[] => {
  const { circuitBreaker } = spec;
  const found: Refused[] = unsupportedPaths(spec, SUPPORTED).map((path) => ({ path, what: 'this field' }));
  found.push(...refusedRateLimits(spec.rateLimit));
  found.push(...refusedBalancing(spec, annotations));
  const counts = {
    maxConnections: circuitBreaker?.maxConnections,
    maxPendingRequests: circuitBreaker?.maxPendingRequests,
    'perEndpoint.maxConnections': circuitBreaker?.perEndpoint?.maxConnections,
  };
  // With none of them Envoy makes no connection at all.
  for (const [name, value] of Object.entries(counts)) {
    if (value === 0) found.push({ path: `circuitBreaker.${name}`, what: 'a limit of 0' });
  }
  const inSpec = found.map(({ path, what }) => ({ path: `spec.${path}`, what }));
  return [...inSpec, ...refusedSizes(annotations)];
};

/** Without what is undefined. */
const given = <T extends object>(fields: { [Key in keyof T]: T[Key] | undefined }): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

/** As good as none: longer than anything lives. */
const NEVER_MS = 2 ** 31 - 1;

const clusterSettings = ({ proxyProtocol, circuitBreaker, timeout }: BackendTrafficPolicySpec): BackendTraffic => {
  const { maxConnections, maxPendingRequests, perEndpoint } = circuitBreaker ?? {};
  const connections = [maxConnections, perEndpoint?.maxConnections].filter((value) => value);
  const idleMs = parseDurationMs(timeout?.http?.connectionIdleTimeout);
  return given<BackendTraffic>({
    proxyProtocol: proxyProtocol && (proxyProtocol.version === 'V1' ? 'v1' : 'v2'),
    connectTimeoutMs: parseDurationMs(timeout?.tcp?.connectTimeout),
    idleTimeoutMs: idleMs === 0 ? NEVER_MS : idleMs,
    maxConnections: connections.length > 0 ? Math.min(...(connections as number[])) : undefined,
    maxPendingRequests: maxPendingRequests || undefined,
  });
};

const DEFAULT_TRIGGERS: NonNullable<RetrySpec['retryOn']> = {
  triggers: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
  httpStatusCodes: [503],
};
const DEFAULT_BACKOFF_MS = 25;
const MAX_ATTEMPTS = 10;

const CALL_STATUSES: Partial<Record<RetryTrigger, GrpcRetryStatus>> = {
  cancelled: grpcStatus('CANCELLED') as GrpcRetryStatus,
  'deadline-exceeded': grpcStatus('DEADLINE_EXCEEDED') as GrpcRetryStatus,
  'resource-exhausted': grpcStatus('RESOURCE_EXHAUSTED') as GrpcRetryStatus,
  internal: grpcStatus('INTERNAL') as GrpcRetryStatus,
  unavailable: grpcStatus('UNAVAILABLE') as GrpcRetryStatus,
};

const compileRetry = ({ numRetries, retryOn, perRetry }: RetrySpec): RetryPolicy => {
  const { triggers = [], httpStatusCodes = [] } = retryOn ?? DEFAULT_TRIGGERS;
  const has = (trigger: RetryTrigger) => triggers.includes(trigger);
  const statuses = [
    ...(has('5xx') ? Array.from({ length: 100 }, (_, i) => 500 + i) : []),
    ...(has('gateway-error') ? [502, 503, 504] : []),
    ...(has('retriable-4xx') ? [409] : []),
    ...(has('retriable-status-codes') ? httpStatusCodes : []),
  ];
  const grpcStatuses = triggers.flatMap((trigger) => CALL_STATUSES[trigger] ?? []);
  const backoffMs = parseDurationMs(perRetry?.backOff?.baseInterval) ?? DEFAULT_BACKOFF_MS;
  return {
    attempts: Math.min(numRetries, MAX_ATTEMPTS),
    statuses: [...new Set(statuses)].sort((a, b) => a - b),
    ...(grpcStatuses.length > 0 && { grpcStatuses: [...new Set(grpcStatuses)] }),
    // Nothing was answered then: 5xx and gateway-error have it too.
    ...(!has('reset') && !has('5xx') && !has('gateway-error') && { resets: false }),
    backoffMs,
    maxBackoffMs: parseDurationMs(perRetry?.backOff?.maxInterval) ?? 10 * backoffMs,
  };
};
