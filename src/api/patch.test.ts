// Tests of patch.ts: each kind of patch by its rules.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thingKind } from '../../test/fakes/thing-api.ts';
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.ts';
import { ApiError } from './status.ts';

interface Case {
  readonly target: unknown;
  readonly patch: unknown;
  /** Absent: the patch is refused. */
  readonly want?: unknown;
}

const run = (title: string, apply: (target: unknown, patch: unknown) => unknown, cases: Record<string, Case>) => {
  for (const [name, { target, patch, want }] of Object.entries(cases)) {
    test(`${title} ${name}`, () => {
      const before = JSON.stringify(target);
      if (want === undefined) assert.throws(() => apply(target, patch), ApiError);
      else assert.deepEqual(apply(target, patch), want);
      assert.equal(JSON.stringify(target), before, 'the target was changed');
    });
  }
};

// The cases of RFC 7386, appendix A, and what a prototype must not do.
run('merge patch', mergePatch, {
  'replaces a value': { target: { a: 'b' }, patch: { a: 'c' }, want: { a: 'c' } },
  'adds a value': { target: { a: 'b' }, patch: { b: 'c' }, want: { a: 'b', b: 'c' } },
  'deletes by null': { target: { a: 'b', b: 'c' }, patch: { a: null }, want: { b: 'c' } },
  'replaces a list': { target: { a: ['b'] }, patch: { a: 'c' }, want: { a: 'c' } },
  'merges deep and deletes inside': {
    target: { a: { b: 'c' } },
    patch: { a: { b: 'd', c: null } },
    want: { a: { b: 'd' } },
  },
  'does not merge lists': { target: { a: [{ b: 'c' }] }, patch: { a: [1] }, want: { a: [1] } },
  'keeps null that was there': { target: { e: null }, patch: { a: 1 }, want: { e: null, a: 1 } },
  'makes objects without nulls': { target: {}, patch: { a: { bb: { ccc: null } } }, want: { a: { bb: {} } } },
  'leaves prototypes alone': { target: {}, patch: JSON.parse('{"__proto__":{"x":1},"a":1}'), want: { a: 1 } },
});

run('JSON patch', jsonPatch, {
  'adds to an object': { target: { a: 1 }, patch: [{ op: 'add', path: '/b', value: 2 }], want: { a: 1, b: 2 } },
  'adds into a list': { target: { a: [1, 3] }, patch: [{ op: 'add', path: '/a/1', value: 2 }], want: { a: [1, 2, 3] } },
  'adds at the end of a list': {
    target: { a: [1] },
    patch: [{ op: 'add', path: '/a/-', value: 2 }],
    want: { a: [1, 2] },
  },
  removes: { target: { a: { b: 1, c: 2 } }, patch: [{ op: 'remove', path: '/a/b' }], want: { a: { c: 2 } } },
  'removes from a list': { target: { a: [1, 2, 3] }, patch: [{ op: 'remove', path: '/a/1' }], want: { a: [1, 3] } },
  replaces: { target: { a: [1, 2] }, patch: [{ op: 'replace', path: '/a/0', value: 9 }], want: { a: [9, 2] } },
  moves: { target: { a: { b: 1 } }, patch: [{ op: 'move', from: '/a/b', path: '/c' }], want: { a: {}, c: 1 } },
  copies: { target: { a: 1 }, patch: [{ op: 'copy', from: '/a', path: '/b' }], want: { a: 1, b: 1 } },
  'goes on after a test that holds': {
    target: { a: { x: [1] } },
    patch: [
      { op: 'test', path: '/a', value: { x: [1] } },
      { op: 'remove', path: '/a' },
    ],
    want: {},
  },
  'reads escaped names': { target: { 'a/b~c': 1 }, patch: [{ op: 'remove', path: '/a~1b~0c' }], want: {} },
  'replaces the whole': { target: { a: 1 }, patch: [{ op: 'replace', path: '', value: { b: 1 } }], want: { b: 1 } },
  'refuses a test that fails': { target: { a: 1 }, patch: [{ op: 'test', path: '/a', value: 2 }] },
  'refuses to remove what is not there': { target: {}, patch: [{ op: 'remove', path: '/a' }] },
  'refuses to replace what is not there': { target: {}, patch: [{ op: 'replace', path: '/a', value: 1 }] },
  'refuses an index past the end': { target: { a: [1] }, patch: [{ op: 'add', path: '/a/5', value: 1 }] },
  'refuses an index that is not one': { target: { a: [1] }, patch: [{ op: 'add', path: '/a/01', value: 1 }] },
  'refuses a parent that is not there': { target: {}, patch: [{ op: 'add', path: '/a/b', value: 1 }] },
  'refuses a parent that is no container': { target: { a: 1 }, patch: [{ op: 'add', path: '/a/b', value: 1 }] },
  'refuses to move into itself': { target: { a: {} }, patch: [{ op: 'move', from: '/a', path: '/a/b' }] },
  'refuses an unknown operation': { target: {}, patch: [{ op: 'merge', path: '/a' }] },
  'refuses a missing value': { target: {}, patch: [{ op: 'add', path: '/a' }] },
  'refuses a missing path': { target: {}, patch: [{ op: 'remove' }] },
  'refuses to copy from nowhere': { target: {}, patch: [{ op: 'copy', path: '/a' }] },
  'refuses what is no list': { target: {}, patch: { op: 'add' } },
  'refuses to reach a prototype': { target: {}, patch: [{ op: 'add', path: '/__proto__/x', value: 1 }] },
  'refuses to grow without bound': {
    target: { a: 'x'.repeat(1000) },
    patch: Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '', path: `/c${i}` })),
  },
});

const parts = (...list: unknown[]) => ({ spec: { parts: list } });

run('strategic merge patch', (target, patch) => strategicMergePatch(thingKind, target, patch), {
  'merges a list by its key': {
    target: parts({ name: 'a', n: 1 }, { name: 'b', n: 2 }),
    patch: parts({ name: 'b', n: 3 }, { name: 'c' }),
    want: parts({ name: 'a', n: 1 }, { name: 'b', n: 3 }, { name: 'c' }),
  },
  'deletes an item': {
    target: parts({ name: 'a' }, { name: 'b' }),
    patch: parts({ name: 'a', $patch: 'delete' }),
    want: parts({ name: 'b' }),
  },
  'replaces a list': {
    target: parts({ name: 'a' }),
    patch: parts({ $patch: 'replace' }, { name: 'b' }),
    want: parts({ name: 'b' }),
  },
  'puts a list in order': {
    target: parts({ name: 'a' }, { name: 'b' }),
    patch: { spec: { '$setElementOrder/parts': [{ name: 'b' }, { name: 'a' }], parts: [{ name: 'a', n: 1 }] } },
    want: parts({ name: 'b' }, { name: 'a', n: 1 }),
  },
  'replaces an object': {
    target: { spec: { size: 1, color: 'red' } },
    patch: { spec: { $patch: 'replace', size: 2 } },
    want: { spec: { size: 2 } },
  },
  'keeps only some keys': {
    target: { spec: { size: 1, color: 'red' } },
    patch: { spec: { $retainKeys: ['color', 'size'], size: 2 } },
    want: { spec: { size: 2, color: 'red' } },
  },
  'deletes by null': { target: { spec: { size: 1 } }, patch: { spec: { size: null } }, want: { spec: {} } },
  'adds to and takes from a list of plain values': {
    target: { metadata: { finalizers: ['a', 'b'] } },
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] } },
    want: { metadata: { finalizers: ['b', 'c'] } },
  },
  'merges free fields as a merge patch': {
    target: { spec: { free: { list: [1], x: 1 } } },
    patch: { spec: { free: { list: [2] } } },
    want: { spec: { free: { list: [2], x: 1 } } },
  },
  'refuses an item without its key': { target: parts({ name: 'a' }), patch: parts({ n: 1 }) },
  'refuses what is no object': { target: {}, patch: [] },
});
