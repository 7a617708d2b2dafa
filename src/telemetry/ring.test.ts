import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ring } from './ring.ts';

test('keeps the newest, in order', () => {
  const ring = new Ring<number>(3);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((n) => ring.push(n)),
    [false, false, false, true, true],
  );
  assert.deepEqual([...ring.newestFirst()], [5, 4, 3]);
  assert.equal(ring.length, 3);
});

test('gives out the oldest first, and takes in again', () => {
  const ring = new Ring<number>(3);
  for (const n of [1, 2, 3, 4]) ring.push(n);
  assert.deepEqual(ring.take(2), [2, 3]);
  ring.push(5);
  ring.push(6);
  assert.deepEqual(ring.take(9), [4, 5, 6]);
  assert.deepEqual(ring.take(1), []);
});
