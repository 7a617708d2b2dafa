// Local limits of rates on the own engine: token buckets that fill without pause, as Envoy's do. Named by registry.ts.
import type { RequestHead } from '../../model/http.ts';
import { type RateLimitRule, UNIT_SECONDS } from '../../model/rate-limit.ts';
import type { OwnFilter } from '../filter.ts';
import { type DescriptorOf, prepareDescriptor } from './conditions.ts';
import type { LocalRateLimit } from './schema.ts';

export interface LimitVerdict {
  readonly allowed: boolean;
  /** For the answer, whatever it is: x-ratelimit-*, of the strictest rule. */
  readonly headers: readonly string[];
}

/** Undefined: no rule counts the request. */
export type LocalLimit = (head: RequestHead, remoteAddress: string) => LimitVerdict | undefined;

class Bucket {
  readonly max: number;
  readonly #perMs: number;
  #tokens: number;
  #filledAt: number;

  constructor(max: number, seconds: number, now: number) {
    this.max = max;
    this.#perMs = max / (seconds * 1000);
    this.#tokens = max;
    this.#filledAt = now;
  }

  take(now: number): boolean {
    this.#tokens = Math.min(this.max, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  get remaining(): number {
    return Math.floor(this.#tokens);
  }

  /** Until there is a token. */
  get resetSeconds(): number {
    return Math.max(0, Math.ceil((1 - this.#tokens) / this.#perMs / 1000));
  }
}

/** The buckets of one proxy: they outlive changes of the configuration around them. The longest unused make room. */
export class Buckets {
  readonly #now: () => number;
  readonly #max: number;
  readonly #byKey = new Map<string, Bucket>();

  /** `now`: milliseconds that never go back. */
  constructor(now: () => number, max = 65_536) {
    this.#now = now;
    this.#max = max;
  }

  get size(): number {
    return this.#byKey.size;
  }

  now(): number {
    return this.#now();
  }

  of(key: string, max: number, seconds: number): Bucket {
    const known = this.#byKey.get(key);
    const bucket = known ?? new Bucket(max, seconds, this.#now());
    // The order of a Map is that of insertion.
    if (known) this.#byKey.delete(key);
    else if (this.#byKey.size >= this.#max) this.#byKey.delete(this.#byKey.keys().next().value!);
    this.#byKey.set(key, bucket);
    return bucket;
  }
}

interface PreparedRule {
  readonly rule: RateLimitRule;
  readonly seconds: number;
  /** With the limit: a changed one begins anew. */
  readonly prefix: string;
  readonly descriptor: DescriptorOf;
}

const headersOf = (bucket: Bucket): readonly string[] => [
  'x-ratelimit-limit',
  `${bucket.max}`,
  'x-ratelimit-remaining',
  `${bucket.remaining}`,
  'x-ratelimit-reset',
  `${bucket.resetSeconds}`,
];

/** The strictest rule is asked first; one that refuses ends it. */
export const prepareLocalLimit = (rules: readonly RateLimitRule[], buckets: Buckets): LocalLimit => {
  const prepared = rules
    .map((rule): PreparedRule => {
      const seconds = UNIT_SECONDS[rule.unit];
      const prefix = `${rule.requests}/${rule.unit}\n`;
      return { rule, seconds, prefix, descriptor: prepareDescriptor(rule) };
    })
    .sort((a, b) => a.rule.requests / a.seconds - b.rule.requests / b.seconds);
  return (head, remoteAddress) => {
    let strictest: Bucket | undefined;
    for (const { rule, seconds, prefix, descriptor } of prepared) {
      const entries = descriptor(head, remoteAddress);
      if (!entries) continue;
      const bucket = buckets.of(prefix + entries.join('\n'), rule.requests, seconds);
      if (!bucket.take(buckets.now())) return { allowed: false, headers: headersOf(bucket) };
      strictest ??= bucket;
    }
    return strictest && { allowed: true, headers: headersOf(strictest) };
  };
};

export const localRateLimit: OwnFilter<LocalRateLimit> = {
  prepare(filters, { clock, kept }) {
    const buckets = kept('local-rate-limit', () => new Buckets(() => clock.monotonic()));
    const limit = prepareLocalLimit(
      filters.flatMap(({ rules }) => rules),
      buckets,
    );
    return {
      open(request, run) {
        const verdict = limit(request, run.remoteAddress);
        if (!verdict) return undefined;
        run.onAnswer(({ headers }) => headers.push(...verdict.headers));
        return verdict.allowed ? undefined : { status: 429, body: 'local_rate_limited', flag: 'RL' };
      },
    };
  },
};
