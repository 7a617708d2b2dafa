// Lists that are followed from run to run, against the same made anew.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differenceOf, openMap, openSorted } from './lists.ts';

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
