import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './random.ts';

test('waits double up to a limit, and lie between half of that and the whole', () => {
  const [low, high] = [{ next: () => 0 }, { next: () => 0.999_999 }];
  assert.deepEqual(
    [0, 1, 2, 10, 1e9].map((failures) => [
      backoffMs(low, failures, 100, 5000),
      Math.round(backoffMs(high, failures, 100, 5000)),
    ]),
    [
      [50, 100],
      [100, 200],
      [200, 400],
      [2500, 5000],
      [2500, 5000],
    ],
  );
});
