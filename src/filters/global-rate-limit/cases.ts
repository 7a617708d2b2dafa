// Global limits of rates that both engines keep alike, by one rate limit server. Those of conditions are local-rate-limit's.
import type { RateLimitRule } from '../../model/rate-limit.ts';
import type { FilterCase } from '../filter-case.ts';

const rule = (name: string, requests: number, rest: Partial<RateLimitRule> = {}): RateLimitRule => ({
  name: `default/global/${name}`,
  conditions: [],
  requests,
  unit: 'year',
  ...rest,
});

const limits = (...rules: RateLimitRule[]): FilterCase['filters'] => [
  // However busy the machine is.
  { type: 'global-rate-limit', rules, timeoutMs: 20_000 },
];

const call = (status: number, headers: readonly string[] = []): FilterCase['calls'][number] => ({
  headers,
  want: { status, reached: status === 200 },
});

const told = (status: number, remaining: string): FilterCase['calls'][number] => ({
  want: { status, headers: { 'x-ratelimit-limit': '2, 2;w=31536000', 'x-ratelimit-remaining': remaining } },
});

export const globalRateLimitCases: Readonly<Record<string, FilterCase>> = {
  'answers 429 to what is too much': { filters: limits(rule('a', 2)), calls: [call(200), call(200), call(429)] },
  'tells how many are left': { filters: limits(rule('b', 2)), calls: [told(200, '1'), told(200, '0'), told(429, '0')] },
  'lets nothing through with a limit of none': { filters: limits(rule('c', 0)), calls: [call(429)] },
  'gives every value of a header a count of its own': {
    filters: limits(rule('d', 1, { conditions: [{ type: 'each-value', name: 'x-user' }] })),
    calls: [call(200, ['x-user', 'one']), call(200, ['x-user', 'two']), call(429, ['x-user', 'one']), call(200)],
  },
  'counts a block of addresses': {
    filters: limits(rule('e', 1, { conditions: [{ type: 'address', cidr: '127.0.0.0/8', each: true }] })),
    calls: [call(200), call(429)],
  },
  'counts no other addresses': {
    filters: limits(rule('f', 1, { conditions: [{ type: 'address', cidr: '10.0.0.0/8', each: false }] })),
    calls: [call(200), call(200), call(200)],
  },
  'takes what a request costs': {
    filters: limits(rule('g', 5, { cost: 2 })),
    calls: [call(200), call(200), call(429)],
  },
  'counts without refusing in the shadow': {
    filters: limits(rule('h', 1, { shadow: true })),
    calls: [call(200), call(200)],
  },
  'refuses where one of several limits is full': {
    filters: limits(rule('i', 9), rule('j', 1, { conditions: [{ type: 'method', values: ['GET'], invert: false }] })),
    calls: [call(200), call(429)],
  },
};
