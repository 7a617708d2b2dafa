// Limits of rates as both engines and the rate limit server take them: which requests count, and how many may come.
export interface RateLimitRule {
  /** `namespace/policy/index`. */
  readonly name: string;
  /** The rule of the route that has a count of its own; absent: one for all that the policy is for. */
  readonly route?: string;
  /** All must hold; none: every request counts. */
  readonly conditions: readonly RateLimitCondition[];
  /** Of local rules at least 1. */
  readonly requests: number;
  readonly unit: RateLimitUnit;
  /** What one request takes of it; absent: 1. Of global rules alone: local ones are made so that it is 1. */
  readonly cost?: number;
  /** Entries that say more to the rate limit server. */
  readonly more?: readonly (readonly [key: string, value: string])[];
  /** Counted, but never refused. Of global rules alone. */
  readonly shadow?: true;
}

export type RateLimitUnit = 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year';

export type RateLimitCondition =
  | {
      readonly type: 'header';
      /** Lower case. */
      readonly name: string;
      readonly match: 'exact' | 'regex' | 'present';
      readonly value: string;
      readonly invert: boolean;
    }
  | { readonly type: 'method'; readonly values: readonly string[]; readonly invert: boolean }
  | {
      readonly type: 'path';
      readonly match: 'exact' | 'prefix' | 'regex';
      readonly value: string;
      readonly invert: boolean;
    }
  /** Requests of addresses inside a block; `each`: every address has a count of its own. */
  | { readonly type: 'address'; readonly cidr: string; readonly each: boolean }
  /** Every value of a header has a count of its own; requests without it don't count. */
  | { readonly type: 'each-value'; readonly name: string };

export const UNIT_SECONDS: Readonly<Record<RateLimitUnit, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  month: 30 * 86_400,
  year: 365 * 86_400,
};

/** What is asked of the rate limit server: key, value, key, value, … */
export type RateLimitQuestion = readonly string[];

/** Of one question that has a limit. */
export interface RateLimitAnswer {
  readonly isOver: boolean;
  readonly requests: number;
  readonly unit: RateLimitUnit;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** In the order of the questions; undefined where nothing is limited. Rejects where the server can't be asked. */
export type AskRateLimit = (
  questions: readonly RateLimitQuestion[],
  timeoutMs: number,
) => Promise<readonly (RateLimitAnswer | undefined)[]>;

/** Entries that say a rule's limit, so that the server needs no configuration: `10/minute`, and `10/minute/shadow`. */
export const LIMIT_KEY = 'limit';
/** What a request takes, where it is not 1. */
export const COST_KEY = 'cost';
/** The block that `masked_remote_address` must be, for the question to count. */
export const WANTED_BLOCK_KEY = 'block';
export const BLOCK_KEY = 'masked_remote_address';
