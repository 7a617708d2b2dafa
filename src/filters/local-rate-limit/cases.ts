// Local limits of rates that both engines must keep alike. Units are so long that no bucket fills meanwhile.
import type { RateLimitCondition, RateLimitRule } from '../../model/rate-limit.ts';
import type { FilterCase } from '../filter-case.ts';

const rule = (requests: number, conditions: readonly RateLimitCondition[] = [], name = '0'): RateLimitRule => ({
  // Buckets go by it, and the cases run in one proxy.
  name: `default/limit/${JSON.stringify(conditions)}${requests}/${name}`,
  conditions,
  requests,
  unit: 'day',
});

const call = (ask: string, want: number, header?: string): FilterCase['calls'][number] => {
  const [method = '', path = ''] = ask.split(' ');
  return { method, path, ...(header && { headers: header.split('=') }), want: { status: want, reached: want === 200 } };
};

const told = (status: number, remaining: string, reset: string): FilterCase['calls'][number] => ({
  want: {
    status,
    headers: { 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': reset },
  },
});

const limits = (...rules: RateLimitRule[]): FilterCase['filters'] => [{ type: 'local-rate-limit', rules }];

const header = (name: string, match: 'exact' | 'regex' | 'present', value: string, invert = false) =>
  ({ type: 'header', name, match, value, invert }) as const;

export const localRateLimitCases: Readonly<Record<string, FilterCase>> = {
  'answers 429 to what is too much': {
    filters: limits(rule(2)),
    calls: [call('GET /', 200), call('POST /other', 200), call('GET /', 429)],
  },
  'counts what has a header with this value': {
    filters: limits(rule(1, [header('x-user', 'exact', 'one')])),
    calls: [
      call('GET /', 200, 'x-user=one'),
      call('GET /', 429, 'x-user=one'),
      call('GET /', 200, 'x-user=two'),
      call('GET /', 200),
    ],
  },
  'counts by a pattern, which is for the whole value': {
    filters: limits(rule(1, [header('x-user', 'regex', 'o.e')])),
    calls: [call('GET /', 200, 'x-user=one'), call('GET /', 429, 'x-user=ode'), call('GET /', 200, 'x-user=ones')],
  },
  'counts what lacks a value where that is asked for': {
    filters: limits(rule(1, [header('x-user', 'exact', 'one', true)])),
    calls: [call('GET /', 200), call('GET /', 429, 'x-user=two'), call('GET /', 200, 'x-user=one')],
  },
  'gives every value of a header a count of its own': {
    filters: limits(rule(1, [{ type: 'each-value', name: 'x-user' }])),
    calls: [
      call('GET /', 200, 'x-user=one'),
      call('GET /', 200, 'x-user=two'),
      call('GET /', 429, 'x-user=one'),
      call('GET /', 200),
      call('GET /', 200),
    ],
  },
  'counts one method': {
    filters: limits(rule(1, [{ type: 'method', values: ['POST', 'PUT'], invert: false }])),
    calls: [call('POST /', 200), call('GET /', 200), call('PUT /', 429)],
  },
  'counts all methods but one': {
    filters: limits(rule(1, [{ type: 'method', values: ['GET'], invert: true }])),
    calls: [call('POST /', 200), call('GET /', 200), call('PUT /', 429)],
  },
  'counts by path, whatever is asked behind it': {
    filters: limits(rule(1, [{ type: 'path', match: 'exact', value: '/a', invert: false }])),
    calls: [call('GET /a?x=1', 200), call('GET /a/b', 200), call('GET /a', 429)],
  },
  'counts by the elements of a path': {
    filters: limits(rule(1, [{ type: 'path', match: 'prefix', value: '/a', invert: false }])),
    calls: [call('GET /a/b?x=1', 200), call('GET /ab', 200), call('GET /a?y', 429)],
  },
  'counts what is not under a path': {
    filters: limits(rule(1, [{ type: 'path', match: 'prefix', value: '/', invert: true }])),
    calls: [call('GET /', 200), call('GET /a', 200)],
  },
  'counts a block of addresses': {
    filters: limits(rule(1, [{ type: 'address', cidr: '127.1.2.3/8', each: false }])),
    calls: [call('GET /', 200), call('GET /', 429)],
  },
  'counts addresses one by one': {
    filters: limits(rule(1, [{ type: 'address', cidr: '0.0.0.0/0', each: true }])),
    calls: [call('GET /', 200), call('GET /', 429)],
  },
  'counts no other addresses': {
    filters: limits(rule(1, [{ type: 'address', cidr: '10.0.0.0/8', each: false }])),
    calls: [call('GET /', 200), call('GET /', 200)],
  },
  'needs every condition': {
    filters: limits(rule(1, [header('x-user', 'exact', 'one'), { type: 'method', values: ['GET'], invert: false }])),
    calls: [call('GET /', 200, 'x-user=one'), call('POST /', 200, 'x-user=one'), call('GET /', 429, 'x-user=one')],
  },
  'of several rules the strictest refuses first': {
    filters: limits(rule(3), rule(1, [header('x-user', 'exact', 'one')], '1')),
    calls: [
      call('GET /', 200, 'x-user=one'),
      call('GET /', 429, 'x-user=one'),
      call('GET /', 200),
      call('GET /', 200),
      call('GET /', 429),
    ],
  },
  'tells in each answer how many are left': {
    filters: limits({ ...rule(2, [], 'told'), unit: 'year' }),
    calls: [told(200, '1', '0'), told(200, '0', '15768000'), told(429, '0', '15768000')],
  },
};
