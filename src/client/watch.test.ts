import { deepEqual, equal, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { type Change, type Followed, followList } from './watch.ts';

/** A clock whose pauses are over at once, and remembers how long they would have been. */
const hastyClock = () => {
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (ms, fn) => {
      pauses.push(ms);
      queueMicrotask(fn);
      return { cancel: () => {} };
    },
    every: () => ({ cancel: () => {} }),
  };
  return { clock, pauses };
};

type Step = readonly unknown[] | Error;

/** Lists at revisions 10, 20, …; each watch plays the next step and then ends. */
const script = (steps: readonly Step[]) => {
  const calls: string[] = [];
  let lists = 0;
  let next = 0;
  const source: Followed<string> = {
    async list() {
      lists++;
      calls.push('list');
      return { list: `list ${lists}`, resourceVersion: String(lists * 10) };
    },
    async watch(revision) {
      calls.push(`watch ${revision}`);
      const step = steps[next++];
      if (step === undefined) throw new WeftError('API_FORBIDDEN', 'the script is over');
      if (step instanceof Error) throw step;
      return (async function* () {
        yield* step;
      })();
    },
  };
  return { source, calls };
};

const object = (name: string, revision: number) => ({ metadata: { name, resourceVersion: String(revision) } });

const collect = async (source: Followed<string>, clock: Clock): Promise<string[]> => {
  const seen: string[] = [];
  const changes: AsyncGenerator<Change<string, { metadata: { name: string } }>> = followList(source, { clock });
  await rejects(
    async () => {
      for await (const change of changes) {
        seen.push(change.type === 'LIST' ? change.list : `${change.type} ${change.object.metadata.name}`);
      }
    },
    { message: 'the script is over' },
  );
  return seen;
};

test('a watch that ends goes on behind the last event and bookmark', async () => {
  const { clock } = hastyClock();
  const { source, calls } = script([
    [
      { type: 'ADDED', object: object('a', 11) },
      { type: 'BOOKMARK', object: object('', 15) },
    ],
    [{ type: 'DELETED', object: object('a', 16) }],
  ]);
  deepEqual(await collect(source, clock), ['list 1', 'ADDED a', 'DELETED a']);
  deepEqual(calls, ['list', 'watch 10', 'watch 15', 'watch 16']);
});

test('a revision that is gone leads to a new list, from the stream or as an answer', async () => {
  const { clock } = hastyClock();
  const { source, calls } = script([
    [{ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } }],
    new WeftError('API_GONE', 'too old'),
    [{ type: 'ADDED', object: object('b', 31) }],
  ]);
  deepEqual(await collect(source, clock), ['list 1', 'list 2', 'list 3', 'ADDED b']);
  deepEqual(calls, ['list', 'watch 10', 'list', 'watch 20', 'list', 'watch 30', 'watch 31']);
});

test('a broken connection is tried again, later each time', async () => {
  const { clock, pauses } = hastyClock();
  const lost = new WeftError('CLIENT_UNREACHABLE', 'nothing listens');
  const { source } = script([lost, lost, lost, [{ type: 'ADDED', object: object('c', 11) }], lost]);
  deepEqual(await collect(source, clock), ['list 1', 'ADDED c']);
  deepEqual(pauses, [100, 200, 400, 100, 200]);
});

test('what can not pass by itself ends the watch', async () => {
  const { clock } = hastyClock();
  const { source } = script([[{ type: 'ERROR', object: { code: 403, message: 'the script is over' } }]]);
  deepEqual(await collect(source, clock), ['list 1']);
});

test('a first list that fails is not tried again', async () => {
  const failing: Followed<string> = {
    list: () => Promise.reject(new WeftError('CLIENT_UNREACHABLE', 'nothing listens')),
    watch: () => Promise.reject(new Error('not called')),
  };
  await rejects(followList(failing).next(), { code: 'CLIENT_UNREACHABLE' });
});

test('an event of a table resumes at the revision of its row', async () => {
  const { clock } = hastyClock();
  const table = { rows: [{ cells: ['a'], object: object('a', 77) }] };
  const { source, calls } = script([[{ type: 'ADDED', object: { ...table, metadata: { name: 'a' } } }]]);
  await collect(source, clock);
  equal(calls.at(-1), 'watch 77');
});
