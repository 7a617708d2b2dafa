import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RETRY_BUDGET } from '../../model/snapshot.ts';
import { RetryAllowance } from './budget.ts';

const taken = (budget: RetryAllowance, now: number, wanted: number): number => {
  let count = 0;
  for (let i = 0; i < wanted; i++) if (budget.takeRetry(now)) count++;
  return count;
};

test('ten a second are there however few the requests', () => {
  const budget = new RetryAllowance(DEFAULT_RETRY_BUDGET);
  assert.equal(taken(budget, 0, 1000), 100);
  assert.equal(taken(budget, 9_999, 10), 0);
  assert.equal(taken(budget, 10_000, 1000), 100);
});

test('a fifth of the requests of the last ten seconds', () => {
  const budget = new RetryAllowance(DEFAULT_RETRY_BUDGET);
  for (let now = 0; now < 10_000; now++) budget.request(now);
  assert.equal(taken(budget, 9_999, 10_000), 2000);
  for (let i = 0; i < 5; i++) budget.request(10_000);
  // Those of the first second no longer count.
  assert.equal(taken(budget, 10_000, 10_000), 0);
});

test('retries of long ago are forgotten', () => {
  const budget = new RetryAllowance(DEFAULT_RETRY_BUDGET);
  assert.equal(taken(budget, 0, 1000), 100);
  assert.equal(taken(budget, 3_600_000, 1000), 100);
});

test('a budget of its own', () => {
  const budget = new RetryAllowance({ percent: 50, intervalMs: 1000, minimum: 1 });
  assert.equal(taken(budget, 0, 10), 1);
  for (let i = 0; i < 10; i++) budget.request(500);
  assert.equal(taken(budget, 500, 10), 4);
  assert.equal(taken(budget, 2000, 10), 1);
});
