// Lists that are followed from run to run, against the same made anew.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changesOf, differenceOf, isKnownToDiffer, openConcat, openMap, openSorted } from './lists.ts';

/** The same numbers each time. */
const openNumbers = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const differences: Record<string, { a: string; b: string; gone: string; come: string }> = {
  'nothing changed': { a: 'abc', b: 'abc', gone: '', come: '' },
  'one replaced': { a: 'abc', b: 'axc', gone: 'b', come: 'x' },
  'several replaced': { a: 'abcde', b: 'xbcdy', gone: 'ae', come: 'xy' },
  'one gone from the middle': { a: 'abcd', b: 'acd', gone: 'b', come: '' },
  'one more at the end': { a: 'abc', b: 'abcd', gone: '', come: 'd' },
  'one gone, another come elsewhere': { a: 'abcd', b: 'acdx', gone: 'b', come: 'x' },
  'only moved': { a: 'abcd', b: 'dabc', gone: '', come: '' },
  'all new': { a: 'ab', b: 'xyz', gone: 'ab', come: 'xyz' },
  'none left': { a: 'ab', b: '', gone: 'ab', come: '' },
};

describe('the difference of two lists', () => {
  for (const [name, { a, b, gone, come }] of Object.entries(differences)) {
    it(name, () => assert.deepEqual(differenceOf([...a], [...b]), { gone: [...gone], come: [...come] }));
  }
});

describe('a mapped list', () => {
  it('maps each item once, wherever it goes, and is the same while nothing changes', () => {
    const map = openMap<string, object>();
    const calls: string[] = [];
    const follow = (items: string) =>
      map([...items], (item) => {
        calls.push(item);
        return { item };
      });
    const first = follow('abc');
    assert.equal(follow('abc'), first);
    const next = follow('cxab');
    assert.deepEqual(next, [{ item: 'c' }, { item: 'x' }, { item: 'a' }, { item: 'b' }]);
    assert.equal(next[2], first[0]);
    assert.deepEqual(follow('cb'), [{ item: 'c' }, { item: 'b' }]);
    assert.equal(calls.join(''), 'abcx');
  });
});

describe('a sorted list', () => {
  it('stays sorted as items come and go, few or many', () => {
    const sort = openSorted<number>((a, b) => a - b);
    const lists = [[3, 1, 2], [3, 1], [1, 3, 0], Array.from({ length: 200 }, (_, i) => (i * 7) % 200), [5], []];
    for (const list of lists) {
      assert.deepEqual(
        sort(list),
        list.toSorted((a, b) => a - b),
      );
    }
  });
});

describe('lists that are put together', () => {
  it('follow one another, and are the same while nothing changes', () => {
    const join = openConcat<string>();
    const [a, b] = [['a', 'b'], ['c']];
    const first = join([a, b]);
    assert.deepEqual(first, ['a', 'b', 'c']);
    assert.equal(join([[...a], b]), first);
    assert.deepEqual(join([a, ['x', 'c']]), ['a', 'b', 'x', 'c']);
    assert.deepEqual(join([a]), ['a', 'b']);
    assert.deepEqual(join([]), []);
  });
});

describe('what a list remembers', () => {
  it('is how it came from the last one, and no more', () => {
    const sort = openSorted<number>((a, b) => a - b);
    const [one, two, three] = [
      [1, 2, 3],
      [1, 2, 3, 0],
      [1, 3, 0, 5],
    ].map(sort);
    assert.deepEqual(changesOf(two!, three!), [
      { startA: 2, endA: 3, startB: 2, endB: 2 },
      { startA: 4, endA: 4, startB: 3, endB: 4 },
    ]);
    assert.equal(isKnownToDiffer(two!, three!), true);
    assert.equal(isKnownToDiffer(one!, two!), false, 'let go with the next');
    assert.deepEqual(differenceOf(one!, three!), { gone: [2], come: [0, 5] });
  });

  it('never says anything but what looking at all of it would', () => {
    const pick = openNumbers(7);
    const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
    const steps = [openSorted(compare), openSorted(compare)].map((sort) => {
      const map = openMap<{ key: number }, { of: object } | undefined>();
      let items: { key: number }[] = [];
      return () => {
        for (let i = pick(4); i > 0; i--) {
          const [at, item] = [pick(items.length), { key: pick(50) }];
          items = pick(5) < 2 ? items.toSpliced(at, 1) : items.toSpliced(at, pick(2), item);
        }
        const sorted = sort(items);
        assert.deepEqual(sorted, items.toSorted(compare));
        const mapped = map(sorted, (item) => (item.key % 7 === 0 ? undefined : { of: item }));
        assert.ok(mapped.every((result, i) => result?.of === (sorted[i]!.key % 7 === 0 ? undefined : sorted[i])));
        return mapped;
      };
    });
    const join = openConcat<{ of: object } | undefined>();
    let before: readonly unknown[] = [];
    for (let step = 0; step < 500; step++) {
      const joined = join(steps.map((next) => next()));
      const follow = [...before];
      for (const { startA, endA, startB, endB } of changesOf(before, joined).toReversed()) {
        follow.splice(startA, endA - startA, ...joined.slice(startB, endB));
      }
      assert.deepEqual(follow, joined);
      before = joined;
    }
  });
});
