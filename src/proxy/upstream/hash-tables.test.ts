import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashText } from '../../lib/hash.ts';
import { DEFAULT_TABLE_SIZE, type HashChoice, type Hashed, prepareMaglev, prepareRing } from './hash-tables.ts';

const items = (count: number, weightOf: (i: number) => number = () => 1): Hashed[] =>
  Array.from({ length: count }, (_, i) => ({ key: `10.0.${i >> 8}.${i & 255}:8080`, weight: weightOf(i) }));

const KEYS = Array.from({ length: 50_000 }, (_, i) => hashText(`user-${i}`));

const without = (all: readonly Hashed[], gone: number): Hashed[] => all.filter((_, i) => i !== gone);

/** Shares of the keys of others that move when one goes. */
const movedWithout = (prepare: (all: readonly Hashed[]) => HashChoice, count: number, gone: number): number => {
  const all = items(count);
  const [before, after] = [prepare(all), prepare(without(all, gone))];
  const others = KEYS.filter((key) => before(key) !== gone);
  const moved = others.filter((key) => {
    const now = after(key);
    return (now >= gone ? now + 1 : now) !== before(key);
  });
  return moved.length / others.length;
};

const sharesOf = (choose: HashChoice, count: number): number[] => {
  const shares = Array.from({ length: count }, () => 0);
  for (const key of KEYS) shares[choose(key)]! += 1 / KEYS.length;
  return shares;
};

const maglev = (all: readonly Hashed[]) => prepareMaglev(all, DEFAULT_TABLE_SIZE);
const ring = (all: readonly Hashed[]) => prepareRing(all, DEFAULT_TABLE_SIZE);

test('of a table for a hundred, less than one in a hundred of the other keys move when one goes', () => {
  for (const gone of [0, 17, 99]) assert.ok(movedWithout(maglev, 100, gone) < 0.01);
});

test('of a ring no other key moves', () => {
  for (const gone of [0, 17, 99]) assert.equal(movedWithout(ring, 100, gone), 0);
});

test('the one that goes had its share of the keys', () => {
  for (const prepare of [maglev, ring]) {
    const share = sharesOf(prepare(items(100)), 100)[17]!;
    assert.ok(share > 0.006 && share < 0.014, String(share));
  }
});

test('shares go by weight', () => {
  for (const prepare of [maglev, ring]) {
    const shares = sharesOf(prepare(items(4, (i) => i + 1)), 4);
    for (const [i, share] of shares.entries()) assert.ok(Math.abs(share - (i + 1) / 10) < 0.02, String(shares));
  }
});

test('each slot of a table is one of its items, as evenly as can be', () => {
  const size = 1021;
  const choose = prepareMaglev(items(7), size);
  const counts = Array.from({ length: 7 }, () => 0);
  for (let slot = 0; slot < size; slot++) counts[choose(slot)]!++;
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, String(counts));
});

test('the order in which items are told says nothing', () => {
  const all = items(20);
  const turned = all.toReversed();
  for (const prepare of [maglev, ring]) {
    const [a, b] = [prepare(all), prepare(turned)];
    for (const key of KEYS.slice(0, 2000)) assert.equal(all[a(key)], turned[b(key)]);
  }
});

test('more items than slots, and one item, are chosen from too', () => {
  for (const count of [1, 30]) {
    for (const choose of [prepareMaglev(items(count), 11), prepareRing(items(count), 11)]) {
      for (const key of KEYS.slice(0, 100)) assert.ok(choose(key) >= 0 && choose(key) < count);
    }
  }
});
