// A token bucket per key, for a bounded number of keys. Used by the CA service.
import type { Clock } from '../lib/clock.ts';

interface Bucket {
  tokens: number;
  at: number;
}

export interface RateLimit {
  /** Takes one token; false when there is none. */
  take(key: string): boolean;
  /** Whether `take` would succeed. */
  has(key: string): boolean;
}

/** `burst` at once, then `perSecond`. Of more than `maxKeys` keys the longest unused are forgotten. */
export const openRateLimit = (options: {
  readonly burst: number;
  readonly perSecond: number;
  readonly clock: Clock;
  readonly maxKeys?: number;
}): RateLimit => {
  const { burst, perSecond, clock, maxKeys = 10_000 } = options;
  const buckets = new Map<string, Bucket>();
  const tokensOf = (bucket: Bucket | undefined, now: number): number =>
    bucket ? Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond) : burst;
  return {
    has: (key) => tokensOf(buckets.get(key), clock.monotonic()) >= 1,
    take(key) {
      const now = clock.monotonic();
      const tokens = tokensOf(buckets.get(key), now);
      buckets.delete(key);
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
      if (buckets.size > maxKeys) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break;
      return tokens >= 1;
    },
  };
};
