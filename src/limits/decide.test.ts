import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { openLimits } from './decide.ts';
import { openMemoryCounts } from './memory.ts';

const open = (max?: number) => {
  const clock = new FakeClock();
  const counts = openMemoryCounts(clock, max);
  const ask = openLimits(counts, clock);
  const left = async (...entries: string[]) => {
    const [answer] = await ask([entries], 0);
    return answer && `${answer.isOver ? 'over' : 'ok'} ${answer.remaining} ${answer.resetSeconds}`;
  };
  return { clock, counts, left };
};

test('counts until the span of time is over', async () => {
  const { clock, left } = open();
  clock.advance(15_000);
  const ask = () => left('rule', 'a', 'limit', '2/minute');
  assert.deepEqual([await ask(), await ask(), await ask()], ['ok 1 45', 'ok 0 45', 'over 0 45']);
  clock.advance(45_000);
  assert.equal(await ask(), 'ok 1 60');
});

test('entries of another value have a count of their own', async () => {
  const { left } = open();
  assert.equal(await left('rule', 'a', 'limit', '1/hour', 'user', 'one'), 'ok 0 3600');
  assert.equal(await left('rule', 'a', 'limit', '1/hour', 'user', 'two'), 'ok 0 3600');
  assert.equal(await left('rule', 'a', 'limit', '1/hour', 'user', 'one'), 'over 0 3600');
});

test('values can not be made to look like other entries', async () => {
  const { left } = open();
  await left('limit', '1/hour', 'a', 'b1:c');
  assert.equal(await left('limit', '1/hour', 'a', 'b', 'c', ''), 'ok 0 3600');
});

test('what has no limit, or is of another block, is not counted', async () => {
  const { left, counts } = open();
  assert.equal(await left('rule', 'a'), undefined);
  assert.equal(await left('limit', '1/fortnight'), undefined);
  assert.equal(await left('limit', '1/hour', 'block', '10.0.0.0/8', 'masked_remote_address', '11.0.0.0/8'), undefined);
  assert.equal(counts.size, 0);
});

test('counts go when their time is over, and the longest unused make room', async () => {
  const { clock, left, counts } = open(2);
  for (const user of ['one', 'two', 'three']) await left('limit', '1/second', 'user', user);
  assert.equal(counts.size, 2);
  clock.advance(10_000);
  assert.equal(counts.size, 0);
});
