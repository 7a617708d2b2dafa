// What the own engine sends once more, and when. The exchange's loop of attempts asks; budgets are beside it.
import type { Random } from '../../lib/random.ts';
import type { RetryPolicy } from './schema.ts';

/** RFC 9110, 9.2.2. */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
const MAX_DELAY_MS = 10_000;

/** True when doing it twice is as good as doing it once. */
export const mayRepeat = (method: string): boolean => method === 'GET' || IDEMPOTENT.has(method);

/** An answer with this status is none that the policy takes. */
export const retriesStatus = (policy: RetryPolicy | undefined, status: number): boolean =>
  policy?.statuses.includes(status) === true;

/** A call that ended with this status, and answered no message, is tried again whatever its method is. */
export const retriesCall = (policy: RetryPolicy | undefined, grpcStatus: number | undefined): boolean =>
  policy?.grpcStatuses?.some((one) => one === grpcStatus) === true;

/** Nothing was answered: a connection ended, or the time of an attempt. */
export const retriesSilence = (policy: RetryPolicy | undefined): boolean =>
  policy !== undefined && policy.resets !== false;

/** Doubles with each retry; half of it is left to chance, so that many callers don't come back together. */
export const retryDelayMs = (policy: RetryPolicy, retry: number, random: Random): number =>
  Math.min(policy.maxBackoffMs ?? MAX_DELAY_MS, policy.backoffMs * 2 ** retry) * (0.5 + random.next() / 2);
