// Tests of lists and watches over real sockets: revisions, pages, selectors, no gap, no duplicate, no unbounded buffer.
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import { openThingApi, THINGS, type ThingApi, thing } from '../../test/fakes/thing-api.ts';

let t: ThingApi;
beforeEach(async () => {
  t = await openThingApi();
});
afterEach(() => t.close());

const put = (name: string, size: number, labels: Record<string, string> = {}) =>
  t.store.put(`/example.dev/things/default/${name}`, thing(name, { size }, { namespace: 'default', labels }));

interface Event {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON of many shapes
  readonly object: any;
}

/** A watch that a test reads event by event. */
const watch = async (query: string, headers: Record<string, string> = {}) => {
  const response: IncomingMessage = await t.open(`${THINGS}?watch=true&${query}`, { headers });
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  const next = async (): Promise<Event | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  const take = async (count: number): Promise<string[]> => {
    const found: string[] = [];
    while (found.length < count) {
      const event = await next();
      if (!event) break;
      found.push(`${event.type} ${event.object.metadata.name} ${event.object.metadata.resourceVersion}`);
    }
    return found;
  };
  return { response, next, take, stop: () => response.destroy() };
};

const names = (json: { items: { metadata: { name: string } }[] }) => json.items.map((item) => item.metadata.name);

test('a list goes page by page at one revision while writes go on', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await put(name, 1);
  const first = (await t.ask(`${THINGS}?limit=2`)).json;
  assert.deepEqual([names(first), first.metadata.remainingItemCount], [['a', 'b'], 3]);
  await t.ask(`${THINGS}/d`, { method: 'DELETE' });
  await put('bb', 1);
  const second = (await t.ask(`${THINGS}?limit=2&continue=${first.metadata.continue}`)).json;
  assert.deepEqual([names(second), second.metadata.resourceVersion], [['c', 'd'], first.metadata.resourceVersion]);
  const third = (await t.ask(`${THINGS}?limit=2&continue=${second.metadata.continue}`)).json;
  assert.deepEqual([names(third), third.metadata.continue], [['e'], undefined]);
});

test('a page with a selector is full when there is enough that matches', async () => {
  for (let i = 10; i < 30; i++) await put(`n${i}`, 1, { odd: String(i % 2) });
  const first = (await t.ask(`${THINGS}?limit=3&labelSelector=odd%3D1`)).json;
  assert.deepEqual(names(first), ['n11', 'n13', 'n15']);
  const second = (await t.ask(`${THINGS}?limit=3&labelSelector=odd%3D1&continue=${first.metadata.continue}`)).json;
  assert.deepEqual(names(second), ['n17', 'n19', 'n21']);
});

test('a list at an exact revision shows that state; one that is compacted away is gone', async () => {
  const before = await put('a', 1);
  await put('b', 1);
  const exact = `${THINGS}?resourceVersionMatch=Exact&resourceVersion=${before.revision}`;
  assert.deepEqual(names((await t.ask(exact)).json), ['a']);
  const paged = (await t.ask(`${THINGS}?limit=1`)).json;
  await put('c', 1);
  await t.store.compact(t.store.revision());
  for (const path of [exact, `${THINGS}?limit=1&continue=${paged.metadata.continue}`]) {
    const gone = await t.ask(path);
    assert.deepEqual([gone.status, gone.json.reason], [410, 'Expired']);
  }
  const events = await watch(`resourceVersion=${before.revision}`);
  const event = await events.next();
  assert.deepEqual([event?.type, event?.object.code, event?.object.reason], ['ERROR', 410, 'Expired']);
  assert.equal(await events.next(), undefined);
});

test('lists by field, by namespace and over all namespaces', async () => {
  await put('a', 1);
  await put('b', 1);
  await t.store.put('/example.dev/things/other/c', thing('c', { size: 1 }, { namespace: 'other' }));
  const all = '/apis/example.dev/v1/things';
  assert.deepEqual(names((await t.ask(all)).json), ['a', 'b', 'c']);
  assert.deepEqual(names((await t.ask(`${THINGS}?fieldSelector=metadata.name%3Db`)).json), ['b']);
  assert.deepEqual(names((await t.ask(`${all}?fieldSelector=metadata.namespace%3Dother`)).json), ['c']);
  assert.deepEqual(names((await t.ask(`${all}?fieldSelector=metadata.name!%3Da`)).json), ['b', 'c']);
  assert.deepEqual(names((await t.ask(`${THINGS}?fieldSelector=metadata.name%3Dnope`)).json), []);
});

test('delete of a collection takes what the selector takes', async () => {
  for (const [name, kept] of [
    ['a', 'no'],
    ['b', 'yes'],
    ['c', 'no'],
  ] as const)
    await put(name, 1, { kept });
  const deleted = await t.ask(`${THINGS}?labelSelector=kept%3Dno`, { method: 'DELETE' });
  assert.deepEqual(names(deleted.json), ['a', 'c']);
  assert.deepEqual(names((await t.ask(THINGS)).json), ['b']);
});

test('a watch from a list brings every later change once', async () => {
  await put('a', 1);
  const { resourceVersion } = (await t.ask(THINGS)).json.metadata;
  await put('a', 2);
  const events = await watch(`resourceVersion=${resourceVersion}`);
  await put('b', 1);
  await t.store.delete('/example.dev/things/default/a');
  const from = Number(resourceVersion);
  assert.deepEqual(await events.take(3), [`MODIFIED a ${from + 1}`, `ADDED b ${from + 2}`, `DELETED a ${from + 3}`]);
  events.stop();
});

test('a watch without a version begins with what is there', async () => {
  const a = await put('a', 1);
  const events = await watch('');
  const b = await put('b', 1);
  assert.deepEqual(await events.take(2), [`ADDED a ${a.revision}`, `ADDED b ${b.revision}`]);
  events.stop();
});

test('a watch with initial events marks their end by a bookmark', async () => {
  const a = await put('a', 1);
  const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const events = await watch(query);
  assert.deepEqual(await events.take(1), [`ADDED a ${a.revision}`]);
  const bookmark = await events.next();
  assert.equal(bookmark?.type, 'BOOKMARK');
  assert.equal(bookmark?.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
  events.stop();
});

test('bookmarks tell where a quiet watch stands', async () => {
  const events = await watch(`resourceVersion=${t.store.revision()}&allowWatchBookmarks=true`);
  const elsewhere = await t.store.put('/example.dev/things/other/x', thing('x'));
  t.clock.advance(60_000);
  const bookmark = await events.next();
  assert.deepEqual(
    [bookmark?.type, bookmark?.object.metadata.resourceVersion],
    ['BOOKMARK', String(elsewhere.revision)],
  );
  events.stop();
});

test('an object that leaves the selector is deleted for its watcher, one that enters is added', async () => {
  const start = await put('a', 1, { app: 'x' });
  const events = await watch(`resourceVersion=${start.revision}&labelSelector=app%3Dx`);
  await put('a', 1, { app: 'y' });
  await put('a', 2, { app: 'y' });
  await put('a', 3, { app: 'x' });
  const from = start.revision;
  assert.deepEqual(await events.take(2), [`DELETED a ${from + 1}`, `ADDED a ${from + 3}`]);
  events.stop();
});

test('a watch for a table sends the columns once', async () => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  await put('a', 7);
  const events = await watch('', { accept });
  await put('b', 8);
  const [first, second] = [await events.next(), await events.next()];
  assert.deepEqual(
    first?.object.columnDefinitions.map((column: { name: string }) => column.name),
    ['Name', 'Size', 'Color', 'Age'],
  );
  assert.equal(second?.object.columnDefinitions, null);
  assert.deepEqual(second?.object.rows[0].cells.slice(0, 2), ['b', 8]);
  events.stop();
});

test('a watch ends by its timeout', async () => {
  const events = await watch(`resourceVersion=${t.store.revision()}&timeoutSeconds=5`);
  t.clock.advance(5_000);
  assert.equal(await events.next(), undefined);
});

test('a watch of a version that another store counted is told to list again', async () => {
  const events = await watch('resourceVersion=123456');
  assert.equal((await events.next())?.object.code, 410);
});

test('a watcher that does not read is cut off, and the others go on', async () => {
  await t.close();
  t = await openThingApi({ watchBufferBytes: 1024 * 1024 });
  const slow = await t.open(`${THINGS}?watch=true&resourceVersion=${t.store.revision()}`);
  const other = await watch(`resourceVersion=${t.store.revision()}`);
  const text = 'x'.repeat(200_000);
  const cut = new Promise<void>((resolve) => {
    slow.on('error', () => {}).on('close', () => resolve());
  });
  // The kernel's own buffers take some megabytes first.
  for (let i = 0; i < 400 && other.response.readable; i++) {
    await t.store.put('/example.dev/things/default/big', thing('big', { size: i, free: { text } }));
    if ((await other.take(1)).length === 0) break;
    if (i % 20 === 19 && (await connections()) === 1) break;
  }
  assert.equal(await connections(), 1, 'only the reader is left');
  slow.resume();
  await cut;
  other.stop();
});

/** How many watches the API still has: each holds one lifetime timer. */
const connections = async (): Promise<number> => {
  await t.ask('/healthz');
  return t.clock.timers;
};

test('watches end when the API closes', async () => {
  const events = await watch(`resourceVersion=${t.store.revision()}`);
  const [ended] = await Promise.all([events.next(), t.api.close()]);
  assert.equal(ended, undefined);
});

test('events are an empty list, for describe', async () => {
  const answer = await t.ask('/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Da');
  assert.deepEqual([answer.json.kind, answer.json.items], ['EventList', []]);
});
