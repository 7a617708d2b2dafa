// Tests of deletion with owners, dependents and finalizers, over real sockets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openThingApi, THINGS, type ThingApi, thing } from '../../test/fakes/thing-api.ts';
import { openMemoryStore } from '../store/memory.ts';

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

const MERGE = { 'content-type': 'application/merge-patch+json' };

interface Made {
  readonly name: string;
  readonly path: string;
  readonly uid: string;
}

let names = 0;
const create = async (metadata: Record<string, unknown> = {}, api = t): Promise<Made> => {
  const name = `owned-${++names}`;
  const { status, text, json } = await api.ask(THINGS, { method: 'POST', body: thing(name, { size: 1 }, metadata) });
  assert.equal(status, 201, text);
  return { name, path: `${THINGS}/${name}`, uid: json.metadata.uid };
};

const ownedBy = (owner: Made, more: Record<string, unknown> = {}) => ({
  apiVersion: 'example.dev/v1',
  kind: 'Thing',
  name: owner.name,
  uid: owner.uid,
  ...more,
});
const blocking = (owner: Made) => ownedBy(owner, { blockOwnerDeletion: true });

/** Looks again after each write to the store until it holds. */
const until = async (holds: () => Promise<boolean>, api = t): Promise<void> => {
  for (;;) {
    const changed = Promise.withResolvers<void>();
    const stop = api.store.watch('/', api.store.revision(), () => changed.resolve());
    if (await holds()) return stop();
    await changed.promise;
    stop();
  }
};

const isThere = async ({ path }: Made, api = t) => (await api.ask(path)).status === 200;
const untilGone = (made: Made, api = t) => until(async () => !(await isThere(made, api)), api);
const remove = (made: Made, options: Record<string, unknown> = {}) =>
  t.ask(made.path, { method: 'DELETE', body: options });
const metadataOf = async ({ path }: Made) => (await t.ask(path)).json.metadata;

test('in the background dependents go after their owner, and theirs after them', async () => {
  const owner = await create();
  const dependent = await create({ ownerReferences: [ownedBy(owner)] });
  const theirs = await create({ ownerReferences: [ownedBy(dependent)] });
  assert.equal((await remove(owner)).json.status, 'Success');
  await untilGone(dependent);
  await untilGone(theirs);
});

test('a dependent with another owner stays, without the reference to the one that is gone', async () => {
  const [one, two] = [await create(), await create()];
  const dependent = await create({ ownerReferences: [ownedBy(one), ownedBy(two)] });
  await remove(one);
  await until(async () => (await metadataOf(dependent)).ownerReferences.length === 1);
  assert.equal((await metadataOf(dependent)).ownerReferences[0].uid, two.uid);
  await remove(two);
  await untilGone(dependent);
});

test('a new owner of the same name is another one: by its uid the old one is gone', async () => {
  const owner = await create();
  const dependent = await create({ ownerReferences: [ownedBy({ ...owner, uid: 'of-the-one-before' })] });
  await untilGone(dependent);
  assert.ok(await isThere(owner));
});

test('an owner of a kind that is not known here keeps its dependents', async () => {
  const kept = await create({ ownerReferences: [{ apiVersion: 'other.dev/v1', kind: 'Ghost', name: 'g', uid: 'u' }] });
  const gone = await create({ ownerReferences: [ownedBy({ name: 'nobody', path: '', uid: 'u' })] });
  await untilGone(gone);
  assert.ok(await isThere(kept));
});

test('in the foreground the owner waits for dependents that block it, and goes last', async () => {
  const owner = await create();
  const held = await create({ ownerReferences: [blocking(owner)], finalizers: ['example.dev/wait'] });
  const free = await create({ ownerReferences: [ownedBy(owner)] });
  const answer = await remove(owner, { propagationPolicy: 'Foreground' });
  assert.deepEqual(answer.json.metadata.finalizers, ['foregroundDeletion']);
  assert.ok(answer.json.metadata.deletionTimestamp);
  await untilGone(free);
  await until(async () => (await metadataOf(held)).deletionTimestamp !== undefined);
  assert.ok(await isThere(owner));
  await t.ask(held.path, { method: 'PATCH', headers: MERGE, body: { metadata: { finalizers: null } } });
  await untilGone(owner);
  assert.ok(!(await isThere(held)));
});

test('in the foreground dependents wait for theirs in turn', async () => {
  const owner = await create();
  const middle = await create({ ownerReferences: [blocking(owner)] });
  const last = await create({ ownerReferences: [blocking(middle)], finalizers: ['example.dev/wait'] });
  await remove(owner, { propagationPolicy: 'Foreground' });
  await until(async () => (await metadataOf(last)).deletionTimestamp !== undefined);
  assert.deepEqual((await metadataOf(middle)).finalizers, ['foregroundDeletion']);
  await t.ask(last.path, { method: 'PATCH', headers: MERGE, body: { metadata: { finalizers: null } } });
  await untilGone(owner);
});

test('without anything to wait for a foreground deletion is over at once', async () => {
  const owner = await create();
  await remove(owner, { propagationPolicy: 'Foreground' });
  await untilGone(owner);
});

test('orphaned dependents stay and forget their owner', async () => {
  const owner = await create();
  const dependent = await create({ ownerReferences: [ownedBy(owner)] });
  const answer = await t.ask(`${owner.path}?propagationPolicy=Orphan`, { method: 'DELETE' });
  assert.deepEqual(answer.json.metadata.finalizers, ['orphan']);
  await untilGone(owner);
  assert.equal((await metadataOf(dependent)).ownerReferences, undefined);
});

test('what was left to do at a restart is done after it', async () => {
  const store = openMemoryStore();
  // One API for each life of the process, over what the first one left behind.
  const first = await openThingApi({ store: { ...storeParts(store), close: async () => {} } });
  const owner = await create({}, first);
  const dependent = await create({ ownerReferences: [ownedBy(owner)] }, first);
  await first.close();
  await store.delete(`/example.dev/things/default/${owner.name}`);
  const second = await openThingApi({ store });
  await untilGone(dependent, second);
  await second.close();
});

test('what is strange in the store stops nobody', async () => {
  const store = openMemoryStore();
  const odd = (value: unknown) => value as Parameters<typeof store.put>[1];
  await store.put('/core/configmaps/default/none', odd({ kind: 'ConfigMap' }));
  const metadata = { name: 'odd', uid: 'u', managedFields: '{', ownerReferences: [null, { uid: 1 }], finalizers: 'x' };
  await store.put('/core/configmaps/default/odd', odd({ apiVersion: 'v1', kind: 'ConfigMap', metadata }));
  const api = await openThingApi({ store });
  assert.deepEqual((await api.ask('/api/v1/namespaces/default/configmaps/odd')).json.metadata.managedFields, []);
  const owner = await create({}, api);
  const dependent = await create({ ownerReferences: [ownedBy({ ...owner, uid: 'gone' })] }, api);
  await untilGone(dependent, api);
  await api.close();
});

const storeParts = (store: ReturnType<typeof openMemoryStore>) => ({
  revision: () => store.revision(),
  compacted: () => store.compacted(),
  get: store.get.bind(store),
  list: store.list.bind(store),
  put: store.put.bind(store),
  delete: store.delete.bind(store),
  watch: store.watch.bind(store),
  compact: store.compact.bind(store),
});

test('a deletion with finalizers says when, counts as a change, and a second one changes nothing', async () => {
  const made = await create({ finalizers: ['example.dev/wait'] });
  const { metadata } = (await remove(made)).json;
  assert.deepEqual(
    [metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds, metadata.generation],
    ['2026-01-01T00:00:00Z', 0, 2],
  );
  assert.deepEqual((await remove(made)).json.metadata, metadata);
  const patched = await t.ask(made.path, {
    method: 'PATCH',
    headers: MERGE,
    body: { metadata: { deletionTimestamp: null } },
  });
  assert.ok(patched.json.metadata.deletionTimestamp);
});

const REFUSALS: Record<string, { options: Record<string, unknown>; want: [code: number, message: RegExp] }> = {
  'of an unknown policy': {
    options: { propagationPolicy: 'Sideways' },
    want: [422, /"Sideways" is not one of Background/],
  },
  'with both ways to say it': {
    options: { propagationPolicy: 'Orphan', orphanDependents: true },
    want: [422, /cannot be both set/],
  },
  'of another uid': { options: { preconditions: { uid: 'x' } }, want: [409, /UID in precondition: x/] },
  'at another version': { options: { preconditions: { resourceVersion: '1' } }, want: [409, /resourceVersion/] },
  'with a negative grace period': { options: { gracePeriodSeconds: -1 }, want: [422, /must not be negative/] },
};

for (const [what, { options, want }] of Object.entries(REFUSALS)) {
  test(`a deletion ${what} is refused`, async () => {
    const { status, json } = await remove(await create(), options);
    assert.equal(status, want[0]);
    assert.match(json.message, want[1]);
  });
}

const BAD_METADATA: Record<string, { metadata: Record<string, unknown>; want: RegExp }> = {
  'two controllers': {
    metadata: {
      ownerReferences: ['a', 'b'].map((uid) => ownedBy({ name: uid, path: '', uid }, { controller: true })),
    },
    want: /ownerReferences: only one reference can have controller set/,
  },
  'an owner without a name': {
    metadata: { ownerReferences: [ownedBy({ name: '', path: '', uid: 'u' })] },
    want: /ownerReferences\[0\]\.name: must not be empty/,
  },
  'both ways to treat its dependents': {
    metadata: { finalizers: ['orphan', 'foregroundDeletion'] },
    want: /finalizers: orphan and foregroundDeletion cannot be both set/,
  },
  'a finalizer that is no name': { metadata: { finalizers: ['-'] }, want: /"-" is not the name of a finalizer/ },
};

for (const [what, { metadata, want }] of Object.entries(BAD_METADATA)) {
  test(`an object with ${what} is refused`, async () => {
    const { status, json } = await t.ask(THINGS, { method: 'POST', body: thing('bad', { size: 1 }, metadata) });
    assert.equal(status, 422);
    assert.match(json.message, want);
  });
}
