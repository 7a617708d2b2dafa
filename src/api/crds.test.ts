// Tests of the definitions of kinds as clients read them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openThingApi, type ThingApi } from '../../test/fakes/thing-api.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

test('every kind that is no built-in has a definition, the built-ins have none', async () => {
  const { json } = await t.ask(CRDS);
  assert.equal(json.kind, 'CustomResourceDefinitionList');
  const names: string[] = json.items.map((item: { metadata: { name: string } }) => item.metadata.name);
  assert.ok(names.includes('httproutes.gateway.networking.k8s.io'));
  assert.ok(names.includes('things.example.dev'));
  assert.ok(!names.some((name) => /^(services|endpointslices|customresourcedefinitions)\./.test(name)), String(names));
});

test("the Gateway API's tell its version and channel, others do not", async () => {
  const { items } = (await t.ask(CRDS)).json;
  for (const { metadata, spec } of items) {
    const { annotations } = metadata;
    const isGatewayApi = spec.group.startsWith('gateway.networking.');
    assert.equal(annotations?.['gateway.networking.k8s.io/bundle-version'], isGatewayApi ? 'v1.7.0' : undefined);
    assert.equal(annotations?.['gateway.networking.k8s.io/channel'], isGatewayApi ? 'experimental' : undefined);
  }
});

test('a definition has names, served versions with one that is stored, and a schema', async () => {
  const { json } = await t.ask(`${CRDS}/things.example.dev`);
  assert.deepEqual(json.spec.names, {
    plural: 'things',
    singular: 'thing',
    kind: 'Thing',
    listKind: 'ThingList',
    shortNames: ['tg'],
  });
  assert.deepEqual(
    json.spec.versions.map(({ name, served, storage }: Record<string, unknown>) => [name, served, storage]),
    [
      ['v1', true, true],
      ['v1beta1', true, false],
    ],
  );
  assert.equal(json.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.type, 'integer');
  assert.equal(json.status.conditions.at(-1).type, 'Established');
});

test('a watch begins with them, an unknown name is not found, and a write is refused', async () => {
  const written = await t.ask(CRDS, { method: 'POST', body: {} });
  assert.equal(written.status, 405);
  assert.match(written.json.message, /can only be read/);
  assert.equal((await t.ask(`${CRDS}/nothings.example.dev`)).status, 404);
  const stream = await t.open(`${CRDS}?watch=true&fieldSelector=metadata.name=things.example.dev`);
  const [first] = await stream.take(1).toArray();
  assert.match(String(first), /^{"type":"ADDED".*"things\.example\.dev"/);
});
