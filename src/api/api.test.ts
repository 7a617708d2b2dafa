// Tests of the API as a whole: objects, their checks and the answers to every kind of mistake, over real sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { openThingApi, THINGS, type ThingApi, thing } from '../../test/fakes/thing-api.ts';
import { isWeftError } from '../lib/errors.ts';
import { openMemoryStore } from '../store/memory.ts';

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

let names = 0;
const newName = () => `thing-${++names}`;

const create = async (spec?: Record<string, unknown>, metadata?: Record<string, unknown>) => {
  const name = newName();
  const answer = await t.ask(THINGS, { method: 'POST', body: thing(name, spec, metadata) });
  assert.equal(answer.status, 201, answer.text);
  return { name, path: `${THINGS}/${name}`, object: answer.json };
};

const MERGE = { 'content-type': 'application/merge-patch+json' };
const patch = (path: string, body: unknown) => t.ask(path, { method: 'PATCH', body, headers: MERGE });

test('create sets uid, time, generation, version and defaults, and drops a status', async () => {
  const name = newName();
  const answer = await t.ask(THINGS, { method: 'POST', body: { ...thing(name), status: { phase: 'mine' } } });
  assert.equal(answer.status, 201);
  const { metadata, spec, status } = answer.json;
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
  assert.equal(metadata.creationTimestamp, '2026-01-01T00:00:00Z');
  assert.equal(metadata.generation, 1);
  assert.equal(metadata.namespace, 'default');
  assert.equal(metadata.resourceVersion, String(t.store.revision()));
  assert.deepEqual(spec, { size: 1, color: 'grey' });
  assert.equal(status, undefined);
  assert.deepEqual((await t.ask(`${THINGS}/${name}`)).json, answer.json);
});

test('generateName makes a new name each time', async () => {
  const body = { ...thing('x'), metadata: { generateName: 'auto-' } };
  const [a, b] = await Promise.all([1, 2].map(() => t.ask(THINGS, { method: 'POST', body })));
  assert.match(a!.json.metadata.name, /^auto-[a-z0-9]{5}$/);
  assert.notEqual(a!.json.metadata.name, b!.json.metadata.name);
});

test('a body in YAML is taken', async () => {
  const name = newName();
  const body = `metadata:\n  name: ${name}\nspec:\n  size: 3\n`;
  const answer = await t.ask(THINGS, { method: 'POST', body, headers: { 'content-type': 'application/yaml' } });
  assert.equal(answer.json.spec.size, 3, answer.text);
});

test('the generation counts changes of the spec, not of metadata or status', async () => {
  const { path } = await create();
  const generation = async () => (await t.ask(path)).json.metadata.generation;
  await patch(path, { metadata: { labels: { a: 'b' } } });
  assert.equal(await generation(), 1);
  await patch(`${path}/status`, { status: { phase: 'up' } });
  assert.equal(await generation(), 1);
  await patch(path, { spec: { size: 2 } });
  assert.equal(await generation(), 2);
});

test('a write to the object leaves its status alone, and the other way round', async () => {
  const { path, object } = await create();
  await t.ask(`${path}/status`, { method: 'PUT', body: { ...object, spec: { size: 77 }, status: { phase: 'up' } } });
  const second = (await t.ask(path)).json;
  assert.deepEqual([second.spec.size, second.status.phase], [1, 'up']);
  await t.ask(path, { method: 'PUT', body: { ...second, spec: { size: 5 }, status: { phase: 'forged' } } });
  const third = (await t.ask(path)).json;
  assert.deepEqual([third.spec.size, third.status.phase], [5, 'up']);
  assert.deepEqual((await t.ask(`${path}/status`)).json, third);
});

test('a stale write conflicts; one without a version wins', async () => {
  const { path, object } = await create();
  assert.equal((await t.ask(path, { method: 'PUT', body: { ...object, spec: { size: 2 } } })).status, 200);
  const stale = await t.ask(path, { method: 'PUT', body: { ...object, spec: { size: 3 } } });
  assert.deepEqual([stale.status, stale.json.reason], [409, 'Conflict']);
  const { resourceVersion: _, ...metadata } = object.metadata;
  const forced = await t.ask(path, { method: 'PUT', body: { ...object, metadata, spec: { size: 4 } } });
  assert.equal(forced.json.spec.size, 4);
});

test('many patches at once all count', async () => {
  const { path } = await create();
  await Promise.all(Array.from({ length: 8 }, (_, i) => patch(path, { metadata: { labels: { [`l${i}`]: 'x' } } })));
  assert.equal(Object.keys((await t.ask(path)).json.metadata.labels).length, 8);
});

test('a write that changes nothing writes nothing', async () => {
  const { path, object } = await create();
  const answer = await patch(path, { spec: { size: 1 } });
  assert.equal(answer.json.metadata.resourceVersion, object.metadata.resourceVersion);
});

test('dry runs answer as if, and change nothing', async () => {
  const { path, name } = await create();
  const revision = t.store.revision();
  const created = await t.ask(`${THINGS}?dryRun=All`, { method: 'POST', body: thing('never') });
  assert.equal(created.status, 201);
  assert.equal((await t.ask(`${THINGS}?dryRun=All`, { method: 'POST', body: thing(name) })).status, 409);
  const patched = await t.ask(`${path}?dryRun=All`, { method: 'PATCH', body: { spec: { size: 9 } }, headers: MERGE });
  assert.equal(patched.json.spec.size, 9);
  assert.equal((await t.ask(`${path}?dryRun=All`, { method: 'DELETE' })).status, 200);
  assert.equal(t.store.revision(), revision);
});

test('delete answers what it deleted, checks preconditions, and a second one finds nothing', async () => {
  const { path, object } = await create();
  const wrong = await t.ask(path, { method: 'DELETE', body: { preconditions: { uid: 'other' } } });
  assert.equal(wrong.status, 409);
  const gone = await t.ask(path, { method: 'DELETE' });
  assert.deepEqual([gone.json.status, gone.json.details.uid], ['Success', object.metadata.uid]);
  assert.equal((await t.ask(path, { method: 'DELETE' })).status, 404);
});

test('finalizers hold a deletion back until they are gone', async () => {
  const { path } = await create({ size: 1 }, { finalizers: ['example.dev/wait'] });
  const held = await t.ask(path, { method: 'DELETE' });
  assert.equal(held.json.metadata.deletionTimestamp, '2026-01-01T00:00:00Z');
  assert.equal((await patch(path, { metadata: { finalizers: ['example.dev/wait', 'example.dev/more'] } })).status, 422);
  assert.equal((await patch(path, { metadata: { finalizers: null } })).status, 200);
  assert.equal((await t.ask(path)).status, 404);
});

test('a further version shows the same object', async () => {
  const { name, object } = await create();
  const beta = (await t.ask(`/apis/example.dev/v1beta1/namespaces/default/things/${name}`)).json;
  assert.deepEqual({ ...beta, apiVersion: object.apiVersion }, object);
  assert.equal(beta.apiVersion, 'example.dev/v1beta1');
});

test('objects need a namespace that exists; deleting it deletes them', async () => {
  const missing = await t.ask('/apis/example.dev/v1/namespaces/shop/things', { method: 'POST', body: thing('a') });
  assert.equal(missing.status, 404);
  assert.match(missing.json.message, /namespaces "shop" not found; create it first/);
  await t.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'shop' } } });
  for (const name of ['a', 'b'])
    await t.ask('/apis/example.dev/v1/namespaces/shop/things', { method: 'POST', body: thing(name) });
  await t.ask('/api/v1/namespaces/shop/serviceaccounts', { method: 'POST', body: { metadata: { name: 'x' } } });
  const deleted = await t.ask('/api/v1/namespaces/shop', { method: 'DELETE' });
  assert.equal(deleted.json.status.phase, 'Terminating');
  assert.equal((await t.ask('/api/v1/namespaces/shop')).status, 404);
  const left = (await t.store.list('')).entries.filter((entry) => entry.key.includes('/shop/'));
  assert.deepEqual(left, []);
});

test('a namespace whose content has finalizers waits, refuses new content, then goes', async () => {
  await t.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'held' } } });
  const things = '/apis/example.dev/v1/namespaces/held/things';
  await t.ask(things, { method: 'POST', body: thing('a', { size: 1 }, { finalizers: ['example.dev/wait'] }) });
  await t.ask('/api/v1/namespaces/held', { method: 'DELETE' });
  const refused = await t.ask(things, { method: 'POST', body: thing('b') });
  assert.equal(refused.status, 403);
  await patch(`${things}/a`, { metadata: { finalizers: [] } });
  assert.equal((await t.ask('/api/v1/namespaces/held')).status, 404);
});

test('creations that race with the deletion of their namespace leave nothing behind', async () => {
  await t.ask('/api/v1/namespaces', { method: 'POST', body: { metadata: { name: 'race' } } });
  const things = '/apis/example.dev/v1/namespaces/race/things';
  await Promise.all([
    ...Array.from({ length: 20 }, (_, i) => t.ask(things, { method: 'POST', body: thing(`r${i}`) })),
    t.ask('/api/v1/namespaces/race', { method: 'DELETE' }),
  ]);
  assert.deepEqual((await t.store.list('/example.dev/things/race/')).entries, []);
});

test('a deletion of a namespace that an earlier process began is finished at the next start', async () => {
  const store = openMemoryStore();
  const metadata = { name: 'old', deletionTimestamp: '2026-01-01T00:00:00Z' };
  await store.put('/core/namespaces//old', { apiVersion: 'v1', kind: 'Namespace', metadata });
  await store.put('/example.dev/things/old/a', thing('a', { size: 1 }, { namespace: 'old' }));
  const other = await openThingApi({ store });
  assert.deepEqual(
    (await store.list('')).entries.map((entry) => entry.key),
    ['/core/namespaces//default', '/core/namespaces//other'],
  );
  await other.close();
});

test('default and weft-system can not be deleted', async () => {
  assert.equal((await t.ask('/api/v1/namespaces/default', { method: 'DELETE' })).status, 403);
});

test('unknown fields: a warning, an error or nothing, as the caller asked', async () => {
  const body = (name: string) => thing(name, { size: 1, colour: 'red' });
  const warned = await t.ask(THINGS, { method: 'POST', body: body(newName()) });
  assert.equal(warned.status, 201);
  assert.equal(warned.headers.warning, '299 - "unknown field \\"spec.colour\\" (did you mean \\"color\\"?)"');
  assert.equal(warned.json.spec.colour, undefined);
  const strict = await t.ask(`${THINGS}?fieldValidation=Strict`, { method: 'POST', body: body(newName()) });
  assert.equal(strict.status, 400);
  assert.match(strict.json.message, /strict decoding error: unknown field "spec.colour" \(did you mean "color"\?\)/);
  const ignored = await t.ask(`${THINGS}?fieldValidation=Ignore`, { method: 'POST', body: body(newName()) });
  assert.deepEqual([ignored.status, ignored.headers.warning], [201, undefined]);
});

test('a Secret in a table never shows its data, whatever was asked for', async () => {
  const secrets = '/api/v1/namespaces/default/secrets';
  await t.ask(secrets, { method: 'POST', body: { metadata: { name: 's' }, stringData: { password: 'hunter2' } } });
  for (const includeObject of ['Object', 'Metadata', 'None']) {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const table = await t.ask(`${secrets}?includeObject=${includeObject}`, { headers: { accept } });
    assert.equal(table.json.kind, 'Table');
    assert.doesNotMatch(table.text, /aHVudGVyMg|hunter2/);
  }
});

interface Mistake {
  path?: string;
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  want: [status: number, reason: string, message: RegExp];
}

const mistakes: Record<string, Mistake> = {
  'an object that is not there': {
    path: `${THINGS}/nope`,
    want: [404, 'NotFound', /things\.example\.dev "nope" not found/],
  },
  'a resource that is not there names the nearest': {
    path: '/apis/example.dev/v1/namespaces/default/thongs',
    want: [404, 'NotFound', /thongs in example\.dev\/v1; did you mean things\?/],
  },
  'a resource that is nothing like any lists what is supported': {
    path: '/api/v1/namespaces/default/daemonsets',
    want: [404, 'NotFound', /supported are .*services.*httproutes\.gateway\.networking\.k8s\.io/],
  },
  'a group that is not there': {
    path: '/apis/example.com/v1',
    want: [404, 'NotFound', /served are v1, .*example\.dev\/v1/],
  },
  'broken JSON': { method: 'POST', body: '{"metadata":', want: [400, 'BadRequest', /not JSON/] },
  'broken YAML says where': {
    method: 'POST',
    body: 'metadata: {name: x',
    headers: { 'content-type': 'application/yaml' },
    want: [400, 'BadRequest', /not YAML: .*line 1/s],
  },
  'a list where an object belongs': { method: 'POST', body: [], want: [400, 'BadRequest', /must be an object/] },
  'a body nested too deep': {
    method: 'POST',
    body: `{"spec":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    want: [400, 'BadRequest', /levels deep/],
  },
  'a body of a strange type': {
    method: 'POST',
    body: 'x',
    headers: { 'content-type': 'text/csv' },
    want: [415, 'UnsupportedMediaType', /text\/csv/],
  },
  'protobuf of a kind that only comes as JSON': {
    method: 'POST',
    body: Buffer.from('k8s\0\x0a\x09\x0a\x00\x12\x05Thing', 'latin1'),
    headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
    want: [415, 'UnsupportedMediaType', /a Thing in protobuf is not supported/],
  },
  'a huge body': {
    method: 'POST',
    body: JSON.stringify(thing('big', { size: 1, free: { text: 'x'.repeat(1_600_000) } })),
    want: [413, 'RequestEntityTooLarge', /larger than 1.5 MiB/],
  },
  'a wrong kind': {
    method: 'POST',
    body: { ...thing('x'), kind: 'Think' },
    want: [400, 'BadRequest', /kind in the data \(Think\)/],
  },
  'a wrong version': {
    method: 'POST',
    body: { ...thing('x'), apiVersion: 'example.dev/v2' },
    want: [400, 'BadRequest', /API version in the data \(example\.dev\/v2\)/],
  },
  'another namespace than on the URL': {
    method: 'POST',
    body: thing('x', { size: 1 }, { namespace: 'other' }),
    want: [400, 'BadRequest', /does not match the namespace on the URL/],
  },
  'no name': { method: 'POST', body: { spec: { size: 1 } }, want: [422, 'Invalid', /metadata\.name/] },
  'a bad name': { method: 'POST', body: thing('Not_A_Name'), want: [422, 'Invalid', /metadata\.name/] },
  'a missing field': { method: 'POST', body: thing('x', {}), want: [422, 'Invalid', /spec\.size: is required/] },
  'a field of a wrong type': {
    method: 'POST',
    body: thing('x', { size: 'large' }),
    want: [422, 'Invalid', /spec\.size: must be a whole number/],
  },
  'a new object with a version': {
    method: 'POST',
    body: thing('x', { size: 1 }, { resourceVersion: '5' }),
    want: [400, 'BadRequest', /resourceVersion should not be set/],
  },
  'a method that does not fit': { method: 'PUT', body: {}, want: [405, 'MethodNotAllowed', /PUT/] },
  'a dry run of a kind that does not exist': {
    path: `${THINGS}?dryRun=Some`,
    want: [400, 'BadRequest', /dryRun must be All/],
  },
  'a page with a version of its own': {
    path: `${THINGS}?continue=x&resourceVersion=3`,
    want: [400, 'BadRequest', /not allowed with continue/],
  },
  'a list that asks for initial events': {
    path: `${THINGS}?sendInitialEvents=true`,
    want: [400, 'BadRequest', /is for watches/],
  },
  'a watch that asks how to match': {
    path: `${THINGS}?watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan`,
    want: [400, 'BadRequest', /forbidden for a watch unless sendInitialEvents/],
  },
  'a strange limit': { path: `${THINGS}?limit=many`, want: [400, 'BadRequest', /limit must be a whole number/] },
  'a broken label selector': {
    path: `${THINGS}?labelSelector=a%3D%3D%3Db`,
    want: [400, 'BadRequest', /unable to parse/],
  },
  'a field selector that is not supported': {
    path: `${THINGS}?fieldSelector=spec.size%3D1`,
    want: [400, 'BadRequest', /field label not supported: spec\.size/],
  },
  'a strange continue token': { path: `${THINGS}?continue=abc`, want: [400, 'BadRequest', /continue token/] },
  'a version of the future': {
    path: `${THINGS}?resourceVersion=99999999`,
    want: [504, 'Timeout', /Too large resource version/],
  },
  'a broken path': { path: `${THINGS}/%zz`, want: [400, 'BadRequest', /percent-encoding/] },
  'a path of nothing': { path: '/nope', want: [404, 'NotFound', /\/nope/] },
  'an answer in protobuf alone': {
    path: THINGS,
    headers: { accept: 'application/vnd.kubernetes.protobuf' },
    want: [406, 'NotAcceptable', /only application\/json/],
  },
};

for (const [name, { path = THINGS, method, body, headers, want }] of Object.entries(mistakes)) {
  test(`a mistake gets a Status that says what is wrong: ${name}`, async () => {
    const revision = t.store.revision();
    const answer = await t.ask(path, { ...(method ? { method } : {}), ...(headers ? { headers } : {}), body });
    const [status, reason, message] = want;
    assert.deepEqual(
      [answer.status, answer.json.kind, answer.json.code, answer.json.reason],
      [status, 'Status', status, reason],
    );
    assert.match(answer.json.message, message);
    assert.doesNotMatch(answer.text, /at .*\.ts:\d+/);
    assert.equal(t.store.revision(), revision, 'nothing was written');
  });
}

test('many fields that are wrong are all named', async () => {
  const answer = await t.ask(THINGS, { method: 'POST', body: thing('x', { size: -1, color: 5 }) });
  assert.deepEqual(answer.json.details.causes.map((cause: { field: string }) => cause.field).sort(), [
    'spec.color',
    'spec.size',
  ]);
});

test('patches of a type that is not supported are refused clearly', async () => {
  const { path } = await create();
  const answer = await t.ask(path, {
    method: 'PATCH',
    body: '{}',
    headers: { 'content-type': 'application/strange-patch+json' },
  });
  assert.equal(answer.status, 415);
  assert.match(answer.json.message, /send a merge, JSON or apply patch/);
});

test('an object that patches made too large is refused', async () => {
  const { path } = await create({ size: 1, free: { a: 'x'.repeat(1_000_000) } });
  const answer = await patch(path, { spec: { free: { b: 'x'.repeat(1_000_000) } } });
  assert.equal(answer.status, 413);
});

test('a body that is sent without end is cut off at the limit', async () => {
  const socket = connect(t.port, '127.0.0.1');
  socket.write(
    `POST ${THINGS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${t.adminToken}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const pump = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', pump).on('error', () => {});
  pump();
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    if (text.includes('RequestEntityTooLarge')) socket.destroy();
  });
  await once(socket, 'close');
  assert.match(text, /^HTTP\/1\.1 413 /);
});

const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

test('a caller who is refused before its body has come can not keep the connection', { timeout: 10_000 }, async () => {
  const socket = connect({ port: t.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(`POST ${THINGS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n`);
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 401 /);
  const during = openSockets();
  socket.write('x');
  // Its own end stays open.
  while (openSockets() >= during) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.destroyed, false);
  socket.destroy();
});

test('a full store refuses writes with 507 and goes on serving reads', async () => {
  const full = openMemoryStore();
  const other = await openThingApi({ store: full });
  await other.ask(THINGS, { method: 'POST', body: thing('a') });
  const { WeftError } = await import('../lib/errors.ts');
  full.put = () => Promise.reject(new WeftError('STORE_FULL', 'the disk is full', { hint: 'free space' }));
  const refused = await other.ask(THINGS, { method: 'POST', body: thing('b') });
  assert.deepEqual([refused.status, refused.json.message], [507, 'the disk is full; free space']);
  assert.equal((await other.ask(THINGS)).json.items.length, 1);
  await other.close();
});

test('a fault of the API itself is a 500 without its inside', async () => {
  const broken = openMemoryStore();
  const other = await openThingApi({ store: broken });
  broken.list = () => Promise.reject(new Error('secret inside'));
  const answer = await other.ask(THINGS);
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /secret inside/);
  await other.close();
});

test('closing waits for the writes under way, and cuts streams of others', async () => {
  const slow = openMemoryStore();
  const other = await openThingApi({
    store: slow,
    extra: new Map([['/weft/v1/flows', (_, res) => res.writeHead(200).flushHeaders()]]),
  });
  const stream = await other.open('/weft/v1/flows');
  const cut = once(stream, 'error');
  const write = slow.put.bind(slow);
  let closing: Promise<void> | undefined;
  slow.put = async (key, value, options) => {
    closing = other.api.close();
    await new Promise((resolve) => setImmediate(resolve));
    return write(key, value, options);
  };
  assert.equal((await other.ask(THINGS, { method: 'POST', body: thing('late') })).status, 201);
  await Promise.all([closing, cut]);
  await other.close();
});

test('a port that is taken is said so', async () => {
  await assert.rejects(
    openThingApi({ browser: { address: '127.0.0.1', port: t.port } }),
    (error) => isWeftError(error, 'PORT_TAKEN') && error.message.includes(String(t.port)),
  );
});

test('health, version and discovery answer', async () => {
  for (const path of ['/healthz', '/livez', '/readyz']) assert.equal((await t.ask(path, { token: '' })).text, 'ok');
  assert.equal((await t.ask('/version', { token: '' })).json.minor, '32');
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const aggregated = await t.ask('/apis', { headers: { accept } });
  assert.equal(
    aggregated.headers['content-type'],
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  );
  const group = aggregated.json.items.find(
    (item: { metadata: { name: string } }) => item.metadata.name === 'example.dev',
  );
  assert.deepEqual(
    group.versions.map((one: { version: string }) => one.version),
    ['v1', 'v1beta1'],
  );
  assert.equal(group.versions[0].resources[0].subresources[0].subresource, 'status');
  const classic = (await t.ask('/apis')).json.groups.find((one: { name: string }) => one.name === 'example.dev');
  assert.equal(classic.preferredVersion.groupVersion, 'example.dev/v1');
  const list = (await t.ask('/apis/example.dev/v1')).json.resources.map((one: { name: string }) => one.name);
  assert.deepEqual(list, ['things', 'things/status']);
  assert.deepEqual((await t.ask('/api')).json.versions, ['v1']);
});

test('the OpenAPI documents describe the kinds', async () => {
  const { paths } = (await t.ask('/openapi/v3')).json;
  const document = (await t.ask(paths['apis/example.dev/v1'].serverRelativeURL)).json;
  const schema = document.components.schemas['dev.example.v1.Thing'];
  assert.deepEqual(schema['x-kubernetes-group-version-kind'], [{ group: 'example.dev', version: 'v1', kind: 'Thing' }]);
  assert.equal(schema.properties.spec.properties.size.description, 'How large it is.');
  const item = document.paths['/apis/example.dev/v1/namespaces/{namespace}/things/{name}'];
  assert.ok(item.patch.parameters.some((parameter: { name: string }) => parameter.name === 'fieldValidation'));
  assert.ok((await t.ask('/openapi/v2')).json.definitions['io.k8s.api.core.v1.Service']);
});
