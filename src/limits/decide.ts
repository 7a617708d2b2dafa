// Decides questions of proxies: how many came in the present span of time, and how many may. Used by service.ts, and in one
// process with a proxy where there is no control plane.
import type { Clock } from '../lib/clock.ts';
import {
  type AskRateLimit,
  BLOCK_KEY,
  COST_KEY,
  LIMIT_KEY,
  type RateLimitAnswer,
  type RateLimitQuestion,
  type RateLimitUnit,
  UNIT_SECONDS,
  WANTED_BLOCK_KEY,
} from '../model/rate-limit.ts';

/** Where counts are kept. */
export interface Counts {
  /** Adds `hits` to each count and answers what they are now; those that nobody asked for in `ttlSeconds` are forgotten. */
  add(counts: readonly Count[]): Promise<readonly number[]>;
  close(): Promise<void>;
}

export interface Count {
  readonly key: string;
  readonly hits: number;
  readonly ttlSeconds: number;
}

interface Limit {
  readonly requests: number;
  readonly unit: RateLimitUnit;
  readonly isShadow: boolean;
  readonly cost: number;
}

const LIMIT = /^(\d{1,10})\/(second|minute|hour|day|month|year)(\/shadow)?$/;

const COST = /^\d{1,10}$/;

const entryOf = (entries: readonly string[], key: string): string | undefined => {
  for (let i = 0; i < entries.length; i += 2) if (entries[i] === key) return entries[i + 1];
  return undefined;
};

/** Undefined: the question does not count. */
const limitOf = (entries: readonly string[]): Limit | undefined => {
  const [, requests, unit, shadow] = LIMIT.exec(entryOf(entries, LIMIT_KEY) ?? '') ?? [];
  if (requests === undefined || entryOf(entries, WANTED_BLOCK_KEY) !== entryOf(entries, BLOCK_KEY)) return undefined;
  const cost = Number(COST.exec(entryOf(entries, COST_KEY) ?? '1')?.[0] ?? 1);
  return { requests: Number(requests), unit: unit as RateLimitUnit, isShadow: shadow !== undefined, cost };
};

/** Lengths stand before the parts, so that no two lists of entries make one key. */
const keyOf = (entries: readonly string[]): string => entries.map((part) => `${part.length}:${part}`).join('');

/** Spans begin at full units of the clock; months have 30 days, years 365. */
export const openLimits = (counts: Counts, clock: Clock): AskRateLimit => {
  return async (questions: readonly RateLimitQuestion[]) => {
    const nowSeconds = clock.now() / 1000;
    const limits = questions.map(limitOf);
    const asked = questions.flatMap((entries, i): Count[] => {
      const limit = limits[i];
      if (!limit) return [];
      const seconds = UNIT_SECONDS[limit.unit];
      const span = Math.floor(nowSeconds / seconds);
      return [{ key: `${span}:${keyOf(entries)}`, hits: limit.cost, ttlSeconds: seconds }];
    });
    const found = asked.length > 0 ? [...(await counts.add(asked))] : [];
    return limits.map((limit): RateLimitAnswer | undefined => {
      if (!limit) return undefined;
      const { requests, unit, isShadow } = limit;
      const count = found.shift() ?? 0;
      const seconds = UNIT_SECONDS[unit];
      return {
        isOver: count > requests && !isShadow,
        requests,
        unit,
        remaining: Math.max(0, requests - count),
        resetSeconds: Math.ceil(seconds - (nowSeconds % seconds)),
      };
    });
  };
};
