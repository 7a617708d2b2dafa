// Counts in Redis, for several control planes or ones that start anew. Its client is loaded only where it is asked for.
// Opened by app/.
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Count, Counts } from './decide.ts';

export interface RedisOptions {
  /** `redis://[[user]:password@]host[:port][/database]`, or `rediss://` over TLS. */
  readonly url: string;
  readonly log: Log;
}

const PREFIX = 'weft:limit:';
const CONNECT_MS = 2_000;
const MAX_DELAY_MS = 2_000;
/** Proxies wait no longer. */
const COMMAND_MS = 100;

/** Throws USAGE for what is no address of a Redis. */
export const checkRedisUrl = (url: string): string => {
  const { protocol, hostname } = URL.parse(url) ?? { protocol: '', hostname: '' };
  if ((protocol === 'redis:' || protocol === 'rediss:') && hostname !== '') return url;
  throw new WeftError('USAGE', 'the address of the Redis is not one', {
    at: '--rate-limit-redis',
    hint: 'redis://127.0.0.1:6379, or rediss://user:password@host:6379/0',
  });
};

/** Connects in the background, again and again: while there is no connection, `add` rejects at once. */
export const openRedisCounts = async ({ url, log }: RedisOptions): Promise<Counts> => {
  const { Redis } = await import('ioredis');
  let isLost = false;
  const redis = new Redis(checkRedisUrl(url), {
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(MAX_DELAY_MS, 50 * 2 ** Math.min(attempt, 10)),
  });
  redis.on('error', (error: Error) => {
    if (!isLost) log.warn('there is no connection to the Redis of rate limits', { reason: messageOf(error) });
    isLost = true;
  });
  redis.on('ready', () => {
    if (isLost) log.info('the Redis of rate limits is back');
    isLost = false;
  });
  return {
    async add(counts: readonly Count[]) {
      const pipeline = redis.pipeline();
      for (const { key, hits, ttlSeconds } of counts) {
        pipeline.incrby(PREFIX + key, hits);
        pipeline.expire(PREFIX + key, ttlSeconds);
      }
      const answers = (await pipeline.exec()) ?? [];
      return counts.map((_, i) => {
        const [error, value] = answers[2 * i] ?? [new Error('the Redis did not answer')];
        if (error) throw error;
        return Number(value);
      });
    },
    close: async () => redis.disconnect(),
  };
};
