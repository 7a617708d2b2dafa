// What every store driver must do. Called by the tests of each driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import type { Store, StoreEvent } from './store.ts';

export const resource = (name: string, n = 0): Resource => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name, namespace: 'default' },
  spec: { n },
});

const rejectsWith = (promise: Promise<unknown>, code: string) =>
  assert.rejects(promise, (error) => isWeftError(error, code));

const numberOf = (value: Resource | undefined) => (value?.spec as { n: number } | undefined)?.n;

/** Collects events and lets a test wait until there are as many as it wants. */
const collector = () => {
  const events: StoreEvent[] = [];
  let wanted = Number.POSITIVE_INFINITY;
  let done = () => {};
  return {
    events,
    listener: (batch: readonly StoreEvent[]) => {
      events.push(...batch);
      if (events.length >= wanted) done();
    },
    reach: (count: number) =>
      new Promise<void>((resolve) => {
        [wanted, done] = [count, resolve];
        if (events.length >= count) resolve();
      }),
  };
};

const summary = (events: readonly StoreEvent[]) =>
  events.map((event) => `${event.revision} ${event.type} ${event.key} ${numberOf(event.previous) ?? '-'}`);

type Case = (store: Store) => Promise<void>;

const reading: Record<string, Case> = {
  'starts empty at revision 0': async (store) => {
    assert.equal(store.revision(), 0);
    assert.equal(store.compacted(), 0);
    assert.deepEqual(await store.list(''), { entries: [], revision: 0 });
    assert.equal(await store.get('/a'), undefined);
  },
  'reads back what was put, with the revision of its write': async (store) => {
    const first = await store.put('/a', resource('a', 1));
    const second = await store.put('/a', resource('a', 2));
    assert.deepEqual([first.revision, second.revision, store.revision()], [1, 2, 2]);
    assert.deepEqual(await store.get('/a'), { key: '/a', value: resource('a', 2), revision: 2 });
  },
  'a caller that changes its object later does not change what is stored': async (store) => {
    const mine = { ...resource('a', 1), spec: { n: 1 } };
    await store.put('/a', mine);
    mine.spec.n = 99;
    assert.equal(numberOf((await store.get('/a'))?.value), 1);
  },
  'lists under a prefix in key order': async (store) => {
    for (const key of ['/x/b', '/x/a', '/y/a', '/x0', '/x/c']) await store.put(key, resource(key));
    assert.deepEqual(
      (await store.list('/x/')).entries.map((entry) => entry.key),
      ['/x/a', '/x/b', '/x/c'],
    );
    assert.equal((await store.list('')).entries.length, 5);
  },
  'lists as it was at a revision': async (store) => {
    await store.put('/a', resource('a', 1));
    await store.put('/b', resource('b', 1));
    await store.put('/a', resource('a', 2));
    await store.delete('/b');
    const at = async (revision: number) =>
      (await store.list('', { revision })).entries.map((entry) => `${entry.key}=${numberOf(entry.value)}`);
    assert.deepEqual(await at(1), ['/a=1']);
    assert.deepEqual(await at(2), ['/a=1', '/b=1']);
    assert.deepEqual(await at(3), ['/a=2', '/b=1']);
    assert.deepEqual(await at(4), ['/a=2']);
  },
  'pages at one revision while writes go on': async (store) => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await store.put(`/${name}`, resource(name));
    const first = await store.list('/', { limit: 2 });
    assert.deepEqual([first.next, first.remaining, first.revision], ['/b', 3, 5]);
    await store.delete('/d');
    await store.put('/bb', resource('bb'));
    const second = await store.list('/', { limit: 2, after: first.next!, revision: first.revision });
    assert.deepEqual(
      second.entries.map((entry) => entry.key),
      ['/c', '/d'],
    );
    const third = await store.list('/', { limit: 2, after: second.next!, revision: first.revision });
    assert.deepEqual(
      third.entries.map((entry) => entry.key),
      ['/e'],
    );
    assert.equal(third.next, undefined);
  },
};

const writing: Record<string, Case> = {
  'put expecting 0 creates once': async (store) => {
    await store.put('/a', resource('a'), { expected: 0 });
    await rejectsWith(store.put('/a', resource('a'), { expected: 0 }), 'STORE_CONFLICT');
    assert.equal(store.revision(), 1);
  },
  'put and delete at a stale revision conflict and write nothing': async (store) => {
    await store.put('/a', resource('a', 1));
    await store.put('/a', resource('a', 2), { expected: 1 });
    await rejectsWith(store.put('/a', resource('a', 3), { expected: 1 }), 'STORE_CONFLICT');
    await rejectsWith(store.delete('/a', { expected: 1 }), 'STORE_CONFLICT');
    await rejectsWith(store.put('/b', resource('b'), { expected: 5 }), 'STORE_CONFLICT');
    assert.equal(numberOf((await store.get('/a'))?.value), 2);
    assert.equal(store.revision(), 2);
  },
  'of many writers that expect the same revision one wins': async (store) => {
    await store.put('/a', resource('a', 0));
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => store.put('/a', resource('a', n), { expected: 1 })),
    );
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    assert.equal(store.revision(), 2);
  },
  'deletes with a revision of its own; a missing key answers undefined': async (store) => {
    await store.put('/a', resource('a', 7));
    const deleted = await store.delete('/a');
    assert.deepEqual([deleted?.revision, numberOf(deleted?.value)], [2, 7]);
    assert.equal(await store.delete('/a'), undefined);
    assert.equal(await store.get('/a'), undefined);
    assert.equal(store.revision(), 2);
  },
  'refuses everything once it is closed': async (store) => {
    await store.close();
    await rejectsWith(store.put('/a', resource('a')), 'STORE_CLOSED');
    await rejectsWith(store.get('/a'), 'STORE_CLOSED');
    await rejectsWith(store.list(''), 'STORE_CLOSED');
  },
};

const watching: Record<string, Case> = {
  'watch brings what comes, with the value before': async (store) => {
    const seen = collector();
    store.watch('/x/', 0, seen.listener);
    await store.put('/x/a', resource('a', 1));
    await store.put('/y/a', resource('a', 1));
    await store.put('/x/a', resource('a', 2));
    await store.delete('/x/a');
    await store.put('/x/a', resource('a', 3));
    await seen.reach(4);
    assert.deepEqual(summary(seen.events), ['1 put /x/a -', '3 put /x/a 1', '4 delete /x/a 2', '5 put /x/a -']);
    assert.equal(numberOf(seen.events[2]?.value), 2);
  },
  'watch from a past revision replays history, then goes on live, in order, none twice': async (store) => {
    for (let n = 1; n <= 1200; n++) void store.put(`/a${n % 7}`, resource('a', n));
    await store.put('/a', resource('a'));
    const seen = collector();
    store.watch('', 100, seen.listener);
    for (let n = 0; n < 50; n++) await store.put('/live', resource('live', n));
    await seen.reach(1151);
    assert.deepEqual(
      seen.events.map((event) => event.revision),
      Array.from({ length: 1151 }, (_, i) => i + 101),
    );
    assert.equal(numberOf(seen.events[0]?.previous), 94);
  },
  'a watcher is told once that it has all that came before it': async (store) => {
    for (let n = 1; n <= 600; n++) void store.put('/a', resource('a', n));
    await store.put('/b', resource('b'));
    const seen = collector();
    const had: number[] = [];
    await new Promise<void>((resolve) => {
      store.watch('/a', 0, seen.listener, () => {
        had.push(seen.events.length);
        resolve();
      });
    });
    store.watch('', store.revision(), seen.listener, () => had.push(-1));
    await store.put('/a', resource('a', 601));
    assert.deepEqual(had, [600, -1]);
  },
  'a stopped watcher hears nothing more': async (store) => {
    const [stopped, other] = [collector(), collector()];
    const stop = store.watch('', 0, stopped.listener);
    store.watch('', 0, other.listener);
    await store.put('/a', resource('a'));
    await other.reach(1);
    stop();
    await store.put('/b', resource('b'));
    await other.reach(2);
    assert.equal(stopped.events.length, 1);
  },
  'a watcher that throws does not disturb the others or the write': async (store) => {
    const seen = collector();
    store.watch('', 0, () => {
      throw new Error('no');
    });
    store.watch('', 0, seen.listener);
    await store.put('/a', resource('a'));
    await seen.reach(1);
  },
  'a watcher that writes keeps the order for everyone': async (store) => {
    const seen = collector();
    store.watch('/a', 0, () => void store.put('/b', resource('b')));
    store.watch('', 0, seen.listener);
    await store.put('/a', resource('a'));
    await seen.reach(2);
    assert.deepEqual(summary(seen.events), ['1 put /a -', '2 put /b -']);
  },
};

const fill = async (store: Store) => {
  await store.put('/kept', resource('kept', 1));
  await store.put('/gone', resource('gone', 1));
  await store.put('/changed', resource('changed', 1));
  await store.put('/changed', resource('changed', 2));
  await store.delete('/gone');
  await store.put('/changed', resource('changed', 3));
};

const compacting: Record<string, Case> = {
  'compaction keeps current values and forgets what is older': async (store) => {
    await fill(store);
    await store.compact(5);
    assert.equal(store.compacted(), 5);
    const at5 = await store.list('', { revision: 5 });
    assert.deepEqual(
      at5.entries.map((entry) => `${entry.key}=${numberOf(entry.value)}`),
      ['/changed=2', '/kept=1'],
    );
    await rejectsWith(store.list('', { revision: 4 }), 'STORE_GONE');
    assert.throws(
      () => store.watch('', 4, () => {}),
      (error) => isWeftError(error, 'STORE_GONE'),
    );
  },
  'a watch from the compacted revision still has the value before': async (store) => {
    await fill(store);
    await store.compact(5);
    const seen = collector();
    store.watch('', 5, seen.listener);
    await seen.reach(1);
    assert.deepEqual(summary(seen.events), ['6 put /changed 2']);
  },
  'compaction does not cut off a watcher that is behind': async (store) => {
    for (let n = 1; n <= 800; n++) void store.put('/a', resource('a', n));
    await store.put('/a', resource('a', 801));
    const seen = collector();
    store.watch('', 0, seen.listener);
    await store.compact(801);
    await seen.reach(801);
    assert.deepEqual(
      seen.events.map((event) => event.revision),
      Array.from({ length: 801 }, (_, i) => i + 1),
    );
  },
  'compaction past the end or back in time changes nothing it must not': async (store) => {
    await fill(store);
    await store.compact(1000);
    assert.equal(store.compacted(), 6);
    await store.compact(2);
    assert.equal(store.compacted(), 6);
    assert.deepEqual(
      (await store.list('')).entries.map((entry) => entry.key),
      ['/changed', '/kept'],
    );
    await store.put('/gone', resource('gone', 9), { expected: 0 });
    assert.equal(store.revision(), 7);
  },
};

/** Registers the suite's tests; `open` gives a new empty store that keeps `keepRevisions` of history. */
export const storeSuite = (open: (keepRevisions?: number) => Promise<Store>): void => {
  for (const [name, run] of Object.entries({ ...reading, ...writing, ...watching, ...compacting })) {
    test(name, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  }
  test('old history is compacted by itself', async () => {
    const store = await open(100);
    try {
      for (let n = 0; n < 500; n++) void store.put('/a', resource('a', n));
      await store.put('/b', resource('b'));
      assert.ok(store.compacted() >= 501 - 110, `compacted only up to ${store.compacted()}`);
      await store.list('', { revision: store.revision() - 90 });
    } finally {
      await store.close();
    }
  });
};
