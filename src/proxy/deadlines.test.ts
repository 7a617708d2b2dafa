import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { Deadline, Deadlines } from './deadlines.ts';

const make = () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const due: string[] = [];
  const add = (name: string, at: number) => {
    const deadline = new Deadline(() => due.push(`${name}@${clock.monotonic()}`));
    deadlines.set(deadline, at);
    return deadline;
  };
  return { clock, deadlines, due, add };
};

test('each is due once, in order of time, over one timer', () => {
  const { clock, due, add } = make();
  add('c', 30);
  add('a', 10);
  add('b', 20);
  assert.equal(clock.timers, 1);
  clock.advance(25);
  assert.deepEqual(due, ['a@10', 'b@20']);
  clock.advance(25);
  assert.deepEqual(due, ['a@10', 'b@20', 'c@30']);
  assert.equal(clock.timers, 0);
});

test('moved later, it is due only then', () => {
  const { clock, deadlines, due, add } = make();
  const a = add('a', 10);
  deadlines.set(a, 50);
  clock.advance(49);
  assert.deepEqual(due, []);
  clock.advance(1);
  assert.deepEqual(due, ['a@50']);
});

test('moved earlier, it is due then', () => {
  const { clock, deadlines, due, add } = make();
  add('b', 60);
  const a = add('a', 50);
  deadlines.set(a, 5);
  clock.advance(5);
  assert.deepEqual(due, ['a@5']);
});

test('cleared or removed, it is never due', () => {
  const { clock, deadlines, due, add } = make();
  deadlines.clear(add('a', 10));
  deadlines.remove(add('b', 10));
  clock.advance(100);
  assert.deepEqual(due, []);
  assert.equal(deadlines.size, 0);
  assert.equal(clock.timers, 0);
});

test('many deadlines, set and removed at random, are due in order', () => {
  const { clock, deadlines, due, add } = make();
  let seed = 3;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const want: number[] = [];
  for (let i = 0; i < 500; i++) {
    const at = 1 + random(1000);
    const deadline = add('x', at);
    if (random(3) === 0) deadlines.remove(deadline);
    else want.push(at);
  }
  clock.advance(1000);
  assert.deepEqual(
    due.map((text) => Number(text.slice(2))),
    want.sort((a, b) => a - b),
  );
});
