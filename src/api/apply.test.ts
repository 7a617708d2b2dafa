// Tests of server-side apply and of who manages which field, over real sockets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openThingApi, THINGS, type ThingApi, thing } from '../../test/fakes/thing-api.ts';

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const MERGE = { 'content-type': 'application/merge-patch+json' };

let names = 0;
const newPath = (): { name: string; path: string } => {
  const name = `applied-${++names}`;
  return { name, path: `${THINGS}/${name}` };
};

const apply = (path: string, manager: string, spec: unknown, more: Record<string, unknown> = {}, query = '') =>
  t.ask(`${path}?fieldManager=${manager}${query}`, {
    method: 'PATCH',
    headers: APPLY,
    body: { ...thing(path.split('/').at(-1)!), spec, ...more },
  });

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly time: string;
  readonly fieldsV1: Record<string, unknown>;
}

const managers = async (path: string): Promise<Entry[]> => (await t.ask(path)).json.metadata.managedFields ?? [];
const fieldsOf = async (path: string, manager: string) =>
  (await managers(path)).find((entry) => entry.manager === manager)?.fieldsV1;

test('an apply creates; its manager has what it set, and nobody the defaults', async () => {
  const { path } = newPath();
  const { status, json } = await apply(path, 'one', { size: 1, parts: [{ name: 'a', n: 1 }] });
  assert.equal(status, 201);
  assert.equal(json.spec.color, 'grey');
  assert.deepEqual(json.metadata.managedFields, [
    {
      manager: 'one',
      operation: 'Apply',
      apiVersion: 'example.dev/v1',
      time: '2026-01-01T00:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': { 'f:parts': { 'k:{"name":"a"}': { '.': {}, 'f:n': {}, 'f:name': {} } }, 'f:size': {} },
      },
    },
  ]);
});

test('the same apply again changes nothing, not even the version', async () => {
  const { path } = newPath();
  const first = await apply(path, 'one', { size: 1 });
  const second = await apply(path, 'one', { size: 1 });
  assert.equal(second.status, 200);
  assert.deepEqual(second.json, first.json);
});

test('a create and an update have their managers too, by the name of the client', async () => {
  const { name, path } = newPath();
  const headers = { 'user-agent': 'tool/1.0 (linux)' };
  await t.ask(THINGS, { method: 'POST', body: thing(name, { size: 1 }, { labels: { a: 'b' } }), headers });
  assert.deepEqual(await fieldsOf(path, 'tool'), {
    'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
    'f:spec': { '.': {}, 'f:color': {}, 'f:size': {} },
  });
  await t.ask(path, { method: 'PATCH', headers: MERGE, body: { spec: { size: 2 } } });
  assert.deepEqual(await fieldsOf(path, 'unknown'), { 'f:spec': { 'f:size': {} } });
  assert.deepEqual(await fieldsOf(path, 'tool'), {
    'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
    'f:spec': { '.': {}, 'f:color': {} },
  });
});

test("another manager's value conflicts, with a cause for each field; force takes it over", async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1, color: 'red' });
  const refused = await apply(path, 'two', { size: 2, color: 'red' });
  assert.equal(refused.status, 409);
  assert.equal(refused.json.reason, 'Conflict');
  assert.equal(refused.json.message, 'Apply failed with 1 conflict: conflict with "one": .spec.size');
  assert.deepEqual(refused.json.details.causes, [
    { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.size' },
  ]);
  assert.equal((await t.ask(path)).json.spec.size, 1);
  const forced = await apply(path, 'two', { size: 2, color: 'red' }, {}, '&force=true');
  assert.equal(forced.json.spec.size, 2);
  assert.deepEqual(await fieldsOf(path, 'one'), { 'f:spec': { 'f:color': {} } });
  assert.deepEqual(await fieldsOf(path, 'two'), { 'f:spec': { 'f:color': {}, 'f:size': {} } });
});

test('a conflict with an update says with which version and when', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1, color: 'red' });
  await t.ask(`${path}?fieldManager=editor`, {
    method: 'PATCH',
    headers: MERGE,
    body: { spec: { size: 5, color: 'x' } },
  });
  const refused = await apply(path, 'one', { size: 1, color: 'red' });
  assert.equal(
    refused.json.message,
    'Apply failed with 2 conflicts: conflicts with "editor" using example.dev/v1 at 2026-01-01T00:00:00Z:\n' +
      '- .spec.color\n- .spec.size',
  );
});

test('what a manager no longer applies goes, unless someone else has it too', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1, parts: [{ name: 'a', n: 1 }, { name: 'b' }] }, {});
  await apply(path, 'two', { size: 1, parts: [{ name: 'b' }] });
  const { json } = await apply(path, 'one', { size: 1 });
  assert.deepEqual(json.spec, { size: 1, color: 'grey', parts: [{ name: 'b' }] });
  const last = await apply(path, 'two', { size: 1 });
  assert.deepEqual(last.json.spec, { size: 1, color: 'grey' });
});

test('a field of an item that two managers share goes with the one who set it', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1, parts: [{ name: 'a', n: 1 }] });
  await apply(path, 'two', { size: 1, parts: [{ name: 'a' }] });
  const { json } = await apply(path, 'one', { size: 1 });
  assert.deepEqual(json.spec.parts, [{ name: 'a' }]);
});

test('items keep the order of what is applied, others stay between them', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1, parts: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] });
  const { json } = await apply(path, 'two', { size: 1, parts: [{ name: 'c' }, { name: 'x' }, { name: 'a' }] });
  assert.deepEqual(
    json.spec.parts.map((part: { name: string }) => part.name),
    ['b', 'c', 'x', 'a'],
  );
});

test('labels, finalizers and free fields are managed one by one, lists without keys as a whole', async () => {
  const { path } = newPath();
  const meta = (labels: object, finalizers: string[]) => ({
    metadata: { name: path.split('/').at(-1), labels, finalizers },
  });
  await apply(path, 'one', { size: 1, free: { list: [1], a: { b: 1 } } }, meta({ a: '1' }, ['x.dev/a']));
  const { json, status } = await apply(path, 'two', { size: 1, free: { a: { c: 2 } } }, meta({ b: '2' }, ['x.dev/b']));
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual(json.metadata.labels, { a: '1', b: '2' });
  assert.deepEqual(json.metadata.finalizers, ['x.dev/a', 'x.dev/b']);
  assert.deepEqual(json.spec.free, { list: [1], a: { b: 1, c: 2 } });
  const refused = await apply(path, 'two', { size: 1, free: { list: [1, 2] } });
  assert.deepEqual(refused.json.details.causes[0].field, '.spec.free.list');
});

test('the status is applied apart, and belongs to its own entry', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1 }, { status: { phase: 'ignored' } });
  assert.equal((await t.ask(path)).json.status, undefined);
  const { json } = await apply(
    `${path}/status`,
    'one',
    { size: 9 },
    {
      ...thing(path.split('/').at(-1)!),
      spec: { size: 9 },
      status: { phase: 'up' },
    },
  );
  assert.deepEqual([json.spec?.size, json.status?.phase], [1, 'up'], JSON.stringify(json));
  const entries = await managers(path);
  assert.deepEqual(
    entries.map(({ subresource = '', fieldsV1 }) => [subresource, fieldsV1]),
    [
      ['', { 'f:spec': { 'f:size': {} } }],
      ['status', { 'f:status': { 'f:phase': {} } }],
    ],
  );
  assert.equal((await apply(`${newPath().path}/status`, 'one', {})).status, 404);
});

test('a dry run answers the result and writes nothing', async () => {
  const { path } = newPath();
  const created = await apply(path, 'one', { size: 1 }, {}, '&dryRun=All');
  assert.equal(created.status, 201);
  assert.equal((await t.ask(path)).status, 404);
  await apply(path, 'one', { size: 1 });
  const changed = await apply(path, 'one', { size: 3 }, {}, '&dryRun=All');
  assert.equal(changed.json.spec.size, 3);
  assert.equal((await t.ask(path)).json.spec.size, 1);
});

test('an apply may ask for a version and a uid', async () => {
  const { name, path } = newPath();
  const { json } = await apply(path, 'one', { size: 1 });
  const at = (metadata: object) => apply(path, 'one', { size: 2 }, { metadata: { name, ...metadata } });
  assert.equal((await at({ resourceVersion: '1' })).status, 409);
  assert.equal((await at({ uid: 'other' })).status, 409);
  assert.equal((await at({ resourceVersion: json.metadata.resourceVersion })).status, 200);
});

test('an object that nobody was tracked on gets a manager for what it had', async () => {
  const { name, path } = newPath();
  await t.ask(THINGS, { method: 'POST', body: thing(name, { size: 1 }) });
  await t.ask(path, { method: 'PATCH', headers: MERGE, body: { metadata: { managedFields: [{}] } } });
  assert.deepEqual(await managers(path), []);
  const refused = await apply(path, 'one', { size: 2 });
  assert.match(refused.json.message, /conflict with "before-first-apply" using example\.dev\/v1.*: \.spec\.size$/);
  assert.equal((await apply(path, 'one', { size: 1 })).status, 200);
});

test('at most ten updates are kept apart', async () => {
  const { name, path } = newPath();
  await t.ask(THINGS, { method: 'POST', body: thing(name) });
  for (let i = 0; i < 14; i++) {
    const body = { metadata: { labels: { [`l${i}`]: 'x' } } };
    await t.ask(`${path}?fieldManager=m${i}`, { method: 'PATCH', headers: MERGE, body });
  }
  const entries = await managers(path);
  assert.equal(entries.length, 10);
  assert.ok(entries.some(({ manager }) => manager === 'ancient-changes'));
});

const REFUSALS: Record<string, { ask: () => ReturnType<typeof apply>; want: [code: number, message: RegExp] }> = {
  'without a manager': {
    ask: () => t.ask(newPath().path, { method: 'PATCH', headers: APPLY, body: thing('x') }),
    want: [400, /fieldManager: is required/],
  },
  'as CBOR': {
    ask: () =>
      t.ask(`${newPath().path}?fieldManager=a`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/apply-patch+cbor' },
        body: {},
      }),
    want: [415, /send application\/apply-patch\+yaml/],
  },
  'with managedFields': {
    ask: () => apply(newPath().path, 'a', {}, { metadata: { managedFields: [] } }),
    want: [400, /metadata\.managedFields must be nil/],
  },
  'without a kind': {
    ask: () => apply(newPath().path, 'a', {}, { kind: undefined }),
    want: [400, /needs apiVersion and kind/],
  },
  'of another version': {
    ask: () => apply(newPath().path, 'a', { size: 1 }, { apiVersion: 'example.dev/v9' }),
    want: [400, /example\.dev\/v9/],
  },
  'of another name': {
    ask: () => apply(newPath().path, 'a', { size: 1 }, { metadata: { name: 'other' } }),
    want: [400, /does not match the name on the URL/],
  },
  'of a wrong type': {
    ask: () => apply(newPath().path, 'a', { size: 'big', parts: {} }),
    want: [422, /spec\.size: must be a whole number/],
  },
  'of an unknown field, when strict': {
    ask: () => apply(newPath().path, 'a', { size: 1, colour: 'red' }, {}, '&fieldValidation=Strict'),
    want: [400, /unknown field "spec\.colour" \(did you mean "color"\?\)/],
  },
  'into a namespace that is not there': {
    ask: () => apply('/apis/example.dev/v1/namespaces/nowhere/things/x', 'a', { size: 1 }, { metadata: { name: 'x' } }),
    want: [404, /namespaces "nowhere" not found/],
  },
  'with a manager of strange characters': {
    ask: () => apply(newPath().path, 'a%00b', { size: 1 }),
    want: [400, /printable/],
  },
  'of a body that is no object': {
    ask: () => t.ask(`${newPath().path}?fieldManager=a`, { method: 'PATCH', headers: APPLY, body: '- a' }),
    want: [400, /must be an object/],
  },
};

for (const [what, { ask, want }] of Object.entries(REFUSALS)) {
  test(`an apply ${what} is refused`, async () => {
    const { status, json } = await ask();
    assert.equal(status, want[0], JSON.stringify(json));
    assert.match(json.message, want[1]);
  });
}

test('force is for applies alone', async () => {
  const { path } = newPath();
  await apply(path, 'one', { size: 1 });
  const { status } = await t.ask(`${path}?force=true`, { method: 'PATCH', headers: MERGE, body: {} });
  assert.equal(status, 400);
});
