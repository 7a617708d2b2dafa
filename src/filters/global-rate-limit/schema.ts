// Limits of rates that the rate limit server counts for all proxies, as a route has them.
import type { RateLimitRule } from '../../model/rate-limit.ts';

declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly 'global-rate-limit': GlobalRateLimit;
  }
}

export interface GlobalRateLimit {
  readonly type: 'global-rate-limit';
  readonly rules: readonly RateLimitRule[];
  /** What happens when the server can't be asked in time: requests are answered 500. Absent: they go on. */
  readonly failClosed?: true;
  /** How long a request waits for the server; absent: ASK_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

export const ASK_TIMEOUT_MS = 100;

/** Of several in one chain the longest. */
export const askTimeoutMs = (filters: readonly GlobalRateLimit[]): number =>
  Math.max(...filters.map(({ timeoutMs = ASK_TIMEOUT_MS }) => timeoutMs));
