// The rate limit server's counts: in memory, or in the Redis that the user named. Used by control-plane.ts and standalone.ts.
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Counts, openLimits } from '../limits/decide.ts';
import { openMemoryCounts } from '../limits/memory.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';

export interface RateLimitSettings {
  /** Where counts are; absent: in memory. */
  readonly rateLimitRedis?: string;
  /** Requests whose global limit can't be asked for are refused. */
  readonly rateLimitFailClosed?: boolean;
}

export interface RateLimits {
  readonly ask: AskRateLimit;
  close(): Promise<void>;
}

/** Throws USAGE. */
export const openRateLimits = async ({ rateLimitRedis: url }: RateLimitSettings, log: Log): Promise<RateLimits> => {
  let counts: Counts;
  if (url === undefined) counts = openMemoryCounts(systemClock);
  else counts = await (await import('../limits/redis.ts')).openRedisCounts({ url, log });
  return { ask: openLimits(counts, systemClock), close: () => counts.close() };
};
