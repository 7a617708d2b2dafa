import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestHead } from '../../model/http.ts';
import type { RateLimitRule } from '../../model/rate-limit.ts';
import { Buckets, prepareLocalLimit } from './proxy.ts';

const head: RequestHead = { method: 'GET', path: '/', query: '', host: 'a.test', headers: [] };
const rule: RateLimitRule = { name: 'a/b/0', conditions: [], requests: 2, unit: 'second' };

const left = (limit: ReturnType<typeof prepareLocalLimit>, request = head): string => {
  const { allowed, headers } = limit(request, '192.0.2.1')!;
  return `${allowed} ${headers[3]}`;
};

test('a bucket fills without pause, never over its limit', () => {
  let now = 0;
  const limit = prepareLocalLimit([rule], new Buckets(() => now));
  assert.deepEqual([left(limit), left(limit), left(limit)], ['true 1', 'true 0', 'false 0']);
  now = 500;
  assert.deepEqual([left(limit), left(limit)], ['true 0', 'false 0']);
  now = 60_000;
  assert.equal(left(limit), 'true 1');
});

test('a limit that is prepared anew goes on where it was', () => {
  const buckets = new Buckets(() => 0);
  left(prepareLocalLimit([rule], buckets));
  assert.equal(left(prepareLocalLimit([{ ...rule }], buckets)), 'true 0');
});

test('another limit under the same name begins anew', () => {
  const buckets = new Buckets(() => 0);
  left(prepareLocalLimit([rule], buckets));
  assert.equal(left(prepareLocalLimit([{ ...rule, requests: 5 }], buckets)), 'true 4');
});

test('the longest unused of many counts make room', () => {
  const buckets = new Buckets(() => 0, 2);
  const limit = prepareLocalLimit([{ ...rule, conditions: [{ type: 'each-value', name: 'x' }] }], buckets);
  const from = (value: string) => left(limit, { ...head, headers: ['x', value] });
  assert.deepEqual([from('a'), from('b'), from('a'), from('c')], ['true 1', 'true 1', 'true 0', 'true 1']);
  assert.equal(buckets.size, 2);
  assert.deepEqual([from('a'), from('b')], ['false 0', 'true 1']);
});

test('a request that no rule counts has no verdict', () => {
  const limit = prepareLocalLimit([{ ...rule, conditions: [{ type: 'each-value', name: 'x' }] }], new Buckets(() => 0));
  assert.equal(limit(head, '192.0.2.1'), undefined);
});
