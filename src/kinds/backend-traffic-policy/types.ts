// The spec of a BackendTrafficPolicy, as it is after defaults. Used by compile.
import type { TargetedSpec } from '../policy-parts.ts';
import type { RateLimitSpec } from './rate-limit.ts';

export interface BackendTrafficPolicySpec extends TargetedSpec {
  readonly loadBalancer?: { readonly type: string };
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
  readonly requestBuffer?: { readonly limit: number | string; readonly mode?: string };
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
