import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayRepeat, retriesCall, retriesSilence, retriesStatus, retryDelayMs } from './proxy.ts';
import type { RetryPolicy } from './schema.ts';

const policy: RetryPolicy = { attempts: 1, statuses: [503], grpcStatuses: [14], backoffMs: 100 };
const draws = (value: number) => ({ next: () => value });

test('only idempotent methods are done twice', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) assert.ok(mayRepeat(method), method);
  for (const method of ['POST', 'PATCH', 'CONNECT', 'get', 'LOCK', '']) assert.ok(!mayRepeat(method), method);
});

test('a policy says what is tried again', () => {
  assert.deepEqual([retriesStatus(policy, 503), retriesStatus(policy, 502)], [true, false]);
  assert.deepEqual(
    [retriesCall(policy, 14), retriesCall(policy, 13), retriesCall(policy, undefined)],
    [true, false, false],
  );
  assert.deepEqual([retriesSilence(policy), retriesSilence({ ...policy, resets: false })], [true, false]);
});

test('without a policy nothing is', () => {
  assert.ok(!retriesStatus(undefined, 503) && !retriesCall(undefined, 14) && !retriesSilence(undefined));
});

test('each retry waits twice as long as the one before, up to the most, half of it by chance', () => {
  const delays = (value: number, of = policy) => [0, 1, 2].map((retry) => retryDelayMs(of, retry, draws(value)));
  assert.deepEqual(delays(1), [100, 200, 400]);
  assert.deepEqual(delays(0), [50, 100, 200]);
  assert.deepEqual(delays(1, { ...policy, maxBackoffMs: 150 }), [100, 150, 150]);
  assert.equal(retryDelayMs(policy, 20, draws(1)), 10_000);
});
