// Server-side apply beside structured-merge-diff, the library that Kubernetes merges with: random writes of random
// managers must give the same objects, the same managers and the same conflicts.
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { decodeSet, encodeSet } from '../../src/api/fields/field-set.ts';
import type { ManagedEntry } from '../../src/api/fields/managed-fields.ts';
import { applyFields, trackUpdate, type Writer } from '../../src/api/fields/track.ts';
import { isApiError } from '../../src/api/status.ts';
import type { Kind } from '../../src/kinds/kind.ts';
import { flag, integer, item, keyed, list, map, object, text } from '../../src/kinds/schema.ts';
import { buildKubernetesClients } from '../fakes/kubernetes-clients.ts';
import { type Draw, makeRandom } from '../fuzz/budget.ts';

type Json = Record<string, unknown>;

const leafFields = { num: integer('A number.'), lit: flag('A flag.') };

const kind: Kind = {
  group: 'example.dev',
  version: 'v1',
  alsoServed: [],
  kind: 'Thing',
  plural: 'things',
  singular: 'thing',
  shortNames: [],
  namespaced: true,
  statusSubresource: false,
  columns: [],
  schema: object('A thing.', {
    spec: object('Its fields.', {
      size: integer('A number.'),
      words: list('As a whole.', item()),
      set: list('One by one.', item(), { 'x-kubernetes-list-type': 'set' }),
      labels: map('By key.', item()),
      block: object('As a whole.', leafFields, { 'x-kubernetes-map-type': 'atomic' }),
      group: object('By field.', { ...leafFields, deeper: object('Deeper.', leafFields) }),
      parts: keyed(
        'By name.',
        ['name'],
        object('A part.', { name: text('Its name.'), ...leafFields, tags: map('By key.', item()) }),
      ),
      ports: keyed(
        'By two keys, one with a default.',
        ['port', 'protocol'],
        object('A port.', {
          port: integer('Its number.'),
          protocol: text('Its protocol.', { default: 'TCP' }),
          ...leafFields,
        }),
      ),
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    }),
  }),
};

const SCHEMA = `types:
- name: root
  map:
    fields:
    - {name: spec, type: {namedType: spec}}
- name: spec
  map:
    fields:
    - {name: size, type: {scalar: numeric}}
    - {name: words, type: {list: {elementType: {scalar: string}, elementRelationship: atomic}}}
    - {name: set, type: {list: {elementType: {scalar: string}, elementRelationship: associative}}}
    - {name: labels, type: {map: {elementType: {scalar: string}}}}
    - {name: block, type: {map: {fields: [{name: num, type: {scalar: numeric}}, {name: lit, type: {scalar: boolean}}], elementRelationship: atomic}}}
    - {name: group, type: {namedType: group}}
    - {name: parts, type: {list: {elementType: {namedType: part}, elementRelationship: associative, keys: [name]}}}
    - {name: ports, type: {list: {elementType: {namedType: port}, elementRelationship: associative, keys: [port, protocol]}}}
    - {name: free, type: {namedType: __untyped_deduced_}}
- name: leaf
  map:
    fields:
    - {name: num, type: {scalar: numeric}}
    - {name: lit, type: {scalar: boolean}}
- name: group
  map:
    fields:
    - {name: num, type: {scalar: numeric}}
    - {name: lit, type: {scalar: boolean}}
    - {name: deeper, type: {namedType: leaf}}
- name: part
  map:
    fields:
    - {name: name, type: {scalar: string}}
    - {name: num, type: {scalar: numeric}}
    - {name: lit, type: {scalar: boolean}}
    - {name: tags, type: {map: {elementType: {scalar: string}}}}
- name: port
  map:
    fields:
    - {name: port, type: {scalar: numeric}}
    - {name: protocol, type: {scalar: string}, default: TCP}
    - {name: num, type: {scalar: numeric}}
    - {name: lit, type: {scalar: boolean}}
- name: __untyped_atomic_
  scalar: untyped
  list: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
- name: __untyped_deduced_
  scalar: untyped
  list: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped_deduced_}, elementRelationship: separable}
`;

interface Answer {
  readonly object?: Json;
  readonly managers?: Record<string, Json>;
  readonly conflicts?: readonly string[];
  readonly error?: string;
}

let program: ChildProcessWithoutNullStreams;
let answers: AsyncIterator<string>;
before(() => {
  program = spawn(buildKubernetesClients(), ['merge']);
  answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
});
after(() => program.stdin.end());

const peer = async (write: Json): Promise<Answer> => {
  program.stdin.write(`${JSON.stringify({ schema: SCHEMA, ...write })}\n`);
  return JSON.parse((await answers.next()).value);
};

const randomSpec = (dice: Draw): Json => {
  const maybe = <T>(make: () => T): T | undefined => (dice(5) < 2 ? make() : undefined);
  const some = (names: readonly string[]) => names.filter(() => dice(2) === 0);
  const shuffled = (names: readonly string[]) => {
    const picked = some(names);
    return dice(2) === 0 ? picked.reverse() : picked;
  };
  const leaf = () => ({ num: maybe(() => dice(2)), lit: maybe(() => dice(2) === 0) });
  const tags = (names: readonly string[]) => Object.fromEntries(some(names).map((name) => [name, String(dice(2))]));
  return {
    size: maybe(() => dice(2)),
    words: maybe(() => some(['a', 'b'])),
    set: maybe(() => shuffled(['x', 'y', 'z'])),
    labels: maybe(() => tags(['a', 'b', 'c'])),
    block: maybe(leaf),
    group: maybe(() => ({ ...leaf(), deeper: maybe(leaf) })),
    parts: maybe(() =>
      shuffled(['a', 'b', 'c', 'd']).map((name) => ({ name, ...leaf(), tags: maybe(() => tags(['t', 'u'])) })),
    ),
    ports: maybe(() =>
      shuffled(['80', '81']).map((port) => ({
        port: Number(port),
        protocol: maybe(() => (dice(2) ? 'TCP' : 'UDP')),
        ...leaf(),
      })),
    ),
    free: maybe(() => ({
      a: maybe(() => dice(2)),
      b: maybe(() => ({ c: maybe(() => dice(2)), d: maybe(() => [dice(2)]) })),
    })),
  };
};

/** Without null, which means nothing, and without what is undefined. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part) => (part === null ? undefined : part)));

const live = (content: Json): Json => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'x', uid: 'u' },
  ...content,
});
const contentOf = ({ spec }: Json): Json => (spec === undefined ? {} : { spec });

/** Of both sides, in the same form: managers by name, an empty one left out. */
const setsOf = (entries: readonly ManagedEntry[]) =>
  Object.fromEntries(entries.map(({ manager, fields }) => [manager, encodeSet(fields)]));

const conflictsOf = (error: unknown): string[] => {
  if (!isApiError(error)) throw error;
  return (error.details?.causes ?? []).map(({ message, field }) => `${/"(.*?)"/.exec(message)?.[1]} ${field}`).sort();
};

const WRITES_PER_SEED = 40;

for (let seed = 1; seed <= 25; seed++) {
  test(`writes of sequence ${seed} give what Kubernetes gives`, async () => {
    const dice = makeRandom(seed);
    let content: Json = {};
    let entries: ManagedEntry[] = [];
    for (let i = 0; i < WRITES_PER_SEED; i++) {
      const apply = dice(4) > 0;
      const force = dice(3) === 0;
      const manager = apply ? ['one', 'two', 'three'][dice(3)]! : 'editor';
      const wanted = plain({ spec: randomSpec(dice) }) as Json;
      const writer: Writer = { manager, apiVersion: 'v1', subresource: '', now: 'now' };
      const managers = setsOf(entries);
      const theirs = await peer({ live: content, managers, manager, apply, force, object: wanted });
      const about = JSON.stringify({ live: content, managers, manager, apply, force, wanted });
      assert.equal(theirs.error, undefined, about);
      try {
        const ours = apply
          ? applyFields(kind, writer, entries.length > 0 ? entries : NOBODY, live(content), live(wanted), force)
          : { object: live(wanted), entries: trackUpdate(kind, writer, entries, live(content), live(wanted)) };
        assert.deepEqual([], theirs.conflicts ?? [], about);
        assert.deepEqual(plain(contentOf(ours.object)), plain(theirs.object ?? {}), about);
        const sets = Object.fromEntries(
          Object.entries(theirs.managers ?? {}).map(([name, set]) => [name, encodeSet(decodeSet(set))]),
        );
        assert.deepEqual(setsOf(ours.entries), sets, about);
        content = plain(contentOf(ours.object)) as Json;
        entries = ours.entries;
      } catch (error) {
        assert.deepEqual(conflictsOf(error), [...(theirs.conflicts ?? [])].sort(), about);
      }
    }
  });
}

/** Somebody without fields, so that nothing belongs to those before the first apply. */
const NOBODY: readonly ManagedEntry[] = [
  { manager: 'nobody', operation: 'Update', apiVersion: 'v1', subresource: '', time: undefined, fields: decodeSet({}) },
];
