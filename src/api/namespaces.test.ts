// Tests of namespaces as containers: how they fill, how they end and what holds them back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openThingApi, type ThingApi, thing } from '../../test/fakes/thing-api.ts';

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

const NAMESPACES = '/api/v1/namespaces';
const MERGE = { 'content-type': 'application/merge-patch+json' };

let names = 0;
const create = async (metadata: Record<string, unknown> = {}) => {
  const name = `room-${++names}`;
  const answer = await t.ask(NAMESPACES, { method: 'POST', body: { metadata: { name, ...metadata } } });
  assert.equal(answer.status, 201, answer.text);
  const path = `${NAMESPACES}/${name}`;
  return { name, path, things: `/apis/example.dev/v1/namespaces/${name}/things`, object: answer.json };
};

const held = async () => {
  const room = await create();
  await t.ask(room.things, { method: 'POST', body: thing('a', { size: 1 }, { finalizers: ['example.dev/wait'] }) });
  await t.ask(room.things, { method: 'POST', body: thing('b') });
  const answer = await t.ask(room.path, { method: 'DELETE' });
  assert.equal(answer.json.status.phase, 'Terminating');
  return room;
};

test('a namespace carries its name as a label, and waits for its content', async () => {
  const { name, object, path } = await create();
  assert.equal(object.metadata.labels['kubernetes.io/metadata.name'], name);
  assert.deepEqual([object.spec.finalizers, object.status.phase], [['kubernetes'], 'Active']);
  const answer = await t.ask(path, { method: 'PATCH', headers: MERGE, body: { spec: { finalizers: [] } } });
  assert.deepEqual(answer.json.spec.finalizers, ['kubernetes']);
});

test('it goes with all that is in it, of every kind', async () => {
  const { path, things, name } = await create();
  await t.ask(things, { method: 'POST', body: thing('a') });
  await t.ask(`${NAMESPACES}/${name}/configmaps`, { method: 'POST', body: { metadata: { name: 'c' }, data: {} } });
  await t.ask(path, { method: 'DELETE' });
  assert.deepEqual(
    await Promise.all(
      [path, `${things}/a`, `${NAMESPACES}/${name}/configmaps/c`].map(async (at) => (await t.ask(at)).status),
    ),
    [404, 404, 404],
  );
});

test('while content waits for finalizers it says for which, and takes nothing new', async () => {
  const { path, things, name } = await held();
  const { conditions } = (await t.ask(path)).json.status;
  assert.deepEqual(
    conditions.map(({ type, status, reason }: Record<string, string>) => [type, status, reason]),
    [
      ['NamespaceContentRemaining', 'True', 'SomeResourcesRemain'],
      ['NamespaceFinalizersRemaining', 'True', 'SomeFinalizersRemain'],
    ],
  );
  assert.match(conditions[0].message, /things\.example\.dev has 1 resource instances/);
  assert.match(conditions[1].message, /example\.dev\/wait in 1 resource instances/);
  const refused = await t.ask(things, { method: 'POST', body: thing('new') });
  assert.equal(refused.status, 403);
  assert.match(
    refused.json.message,
    /unable to create new content in namespace room-\d+ because it is being terminated/,
  );
  assert.deepEqual(refused.json.details.causes, [
    { reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' },
  ]);
  const applied = await t.ask(`${things}/new?fieldManager=a`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/apply-patch+yaml' },
    body: thing('new'),
  });
  assert.equal(applied.status, 403);
  await t.ask(`${things}/a`, { method: 'PATCH', headers: MERGE, body: { metadata: { finalizers: null } } });
  assert.equal((await t.ask(path)).status, 404);
});

test('its own finalizers hold it back too', async () => {
  const { path } = await create({ finalizers: ['example.dev/room'] });
  await t.ask(path, { method: 'DELETE' });
  const { json } = await t.ask(path);
  assert.deepEqual([json.status.phase, json.spec.finalizers], ['Terminating', []]);
  await t.ask(path, { method: 'PATCH', headers: MERGE, body: { metadata: { finalizers: [] } } });
  assert.equal((await t.ask(path)).status, 404);
});

test('the finalize subresource lets it go at once', async () => {
  const { path, name } = await held();
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: { finalizers: [] } };
  assert.equal((await t.ask(`${path}/finalize`, { method: 'PUT', body })).status, 200);
  assert.equal((await t.ask(path)).status, 404);
});

test('the namespaces that a mesh begins with stay', async () => {
  const { status, json } = await t.ask(`${NAMESPACES}/default`, { method: 'DELETE' });
  assert.equal(status, 403);
  assert.match(json.message, /may not be deleted/);
});
