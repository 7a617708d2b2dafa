// When a request may be sent a second time, and when to do so. Called by exchange.ts.
import type { Random } from '../../lib/random.ts';
import type { RetryPolicy } from '../../model/route.ts';

// RFC 9110, 9.2.2.
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
const MAX_DELAY_MS = 10_000;

/** True when doing it twice is as good as doing it once. */
export const mayRepeat = (method: string): boolean => method === 'GET' || IDEMPOTENT.has(method);

/** Doubles with each retry; half of it is left to chance, so that many callers don't come back together. */
export const retryDelayMs = (policy: RetryPolicy, retry: number, random: Random): number =>
  Math.min(policy.maxBackoffMs ?? MAX_DELAY_MS, policy.backoffMs * 2 ** retry) * (0.5 + random.next() / 2);
