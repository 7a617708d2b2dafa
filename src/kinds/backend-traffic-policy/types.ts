// The spec of a BackendTrafficPolicy, as it is after defaults. Used by compile.
import type { TargetedSpec } from '../policy-parts.ts';
import type { CompressionSpec } from './compression.ts';
import type { RateLimitSpec } from './rate-limit.ts';

export interface BackendTrafficPolicySpec extends TargetedSpec {
  readonly loadBalancer?: LoadBalancerSpec;
  readonly healthCheck?: HealthCheckSpec;
  readonly proxyProtocol?: { readonly version: 'V1' | 'V2' };
  readonly circuitBreaker?: {
    readonly maxConnections?: number;
    readonly maxPendingRequests?: number;
    readonly perEndpoint?: { readonly maxConnections?: number };
  };
  readonly timeout?: {
    readonly tcp?: { readonly connectTimeout?: string };
    readonly http?: { readonly requestTimeout?: string; readonly connectionIdleTimeout?: string };
  };
  readonly retry?: RetrySpec;
  readonly rateLimit?: RateLimitSpec;
  readonly compressor?: readonly CompressionSpec[];
  readonly compression?: readonly CompressionSpec[];
  readonly requestBuffer?: { readonly limit: number | string; readonly mode?: string };
}

export interface LoadBalancerSpec {
  readonly type: string;
  readonly consistentHash?: ConsistentHashSpec;
  readonly slowStart?: { readonly window: string };
  readonly endpointOverride?: { readonly extractFrom: readonly { readonly header?: string }[] };
  readonly zoneAware?: { readonly weightedZones?: readonly { readonly zone: string; readonly weight: number }[] };
}

export interface ConsistentHashSpec {
  readonly type: string;
  readonly header?: { readonly name: string };
  readonly headers?: readonly { readonly name: string }[];
  readonly queryParams?: readonly { readonly name: string }[];
  readonly cookie?: {
    readonly name: string;
    readonly ttl?: string;
    readonly attributes?: Readonly<Record<string, string>>;
  };
  readonly tableSize?: number;
}

export interface HealthCheckSpec {
  readonly active?: ActiveCheckSpec;
  readonly passive?: {
    readonly splitExternalLocalOriginErrors: boolean;
    readonly interval: string;
    readonly consecutive5XxErrors: number;
    readonly consecutiveGatewayErrors: number;
    readonly consecutiveLocalOriginFailures: number;
    readonly baseEjectionTime: string;
    readonly maxEjectionPercent: number;
    readonly failurePercentageThreshold?: number;
  };
  readonly panicThreshold?: number;
}

export interface ActiveCheckSpec {
  readonly type: string;
  readonly timeout: string;
  readonly interval: string;
  readonly initialJitter?: string;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly http?: {
    readonly path: string;
    readonly method?: string;
    readonly hostname?: string;
    readonly expectedStatuses?: readonly number[];
    readonly expectedResponse?: PayloadSpec;
  };
  readonly tcp?: { readonly send?: PayloadSpec; readonly receive?: PayloadSpec };
  readonly grpc?: { readonly service?: string };
}

export interface PayloadSpec {
  readonly type: string;
  readonly text?: string;
  readonly binary?: string;
}

export interface RetrySpec {
  readonly numRetries: number;
  readonly retryOn?: { readonly triggers?: readonly RetryTrigger[]; readonly httpStatusCodes?: readonly number[] };
  readonly perRetry?: {
    readonly timeout?: string;
    readonly backOff?: { readonly baseInterval?: string; readonly maxInterval?: string };
  };
}

export const RETRY_TRIGGERS = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

export type RetryTrigger = (typeof RETRY_TRIGGERS)[number];
