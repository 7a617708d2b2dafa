// Kinds of the Gateway API over real sockets: what kubectl is told of bad ones, what is filled in, and their served versions.
// Whether each rule is right is for test/interop/gateway-api-kinds.test.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openThingApi, type ThingApi } from '../../test/fakes/thing-api.ts';

const GROUP = '/apis/gateway.networking.k8s.io';
const MERGE = { 'content-type': 'application/merge-patch+json' };

let t: ThingApi;
before(async () => {
  t = await openThingApi();
});
after(() => t.close());

const post = (path: string, body: object) => t.ask(`${GROUP}/${path}`, { method: 'POST', body });

const route = (name: string, spec: object) => ({ metadata: { name }, spec });

test('everything that is wrong is told at once, each with its field', async () => {
  const rules = [
    { name: 'a', backendRefs: [{ name: 's' }], filters: [{ type: 'URLRewrite' }] },
    { name: 'a', timeouts: { request: '1s', backendRequest: '2s' }, matches: [{ path: { value: 'x' } }] },
  ];
  const { status, json } = await post('v1/namespaces/default/httproutes', route('bad', { rules, hostnames: ['a_b'] }));
  assert.deepEqual([status, json.reason, json.details.kind], [422, 'Invalid', 'HTTPRoute']);
  assert.deepEqual(json.details.causes.map(({ field }: { field: string }) => field).sort(), [
    'spec.hostnames[0]',
    'spec.rules[0].backendRefs[0].port',
    'spec.rules[0].filters[0].urlRewrite',
    'spec.rules[1].matches[0].path.value',
    'spec.rules[1].name',
    'spec.rules[1].timeouts.backendRequest',
  ]);
  assert.match(json.message, /^HTTPRoute\.gateway\.networking\.k8s\.io "bad" is invalid: /);
});

test('what is wrong with a field has one of the words of Kubernetes', async () => {
  const wrong: Record<string, object> = {
    FieldValueNotSupported: { rules: [{ matches: [{ method: 'GOT' }] }] },
    FieldValueTypeInvalid: { hostnames: 'a.b' },
    FieldValueTooMany: { rules: Array(17).fill({}) },
    FieldValueTooLong: { rules: [{ name: 'a'.repeat(254) }] },
    FieldValueDuplicate: { rules: [{ retry: { codes: [500, 500] } }] },
    FieldValueRequired: { parentRefs: [{}] },
  };
  for (const [reason, spec] of Object.entries(wrong)) {
    const { json } = await post('v1/namespaces/default/httproutes', route('bad', spec));
    assert.deepEqual([json.details.causes[0].reason, json.details.causes.length], [reason, 1]);
  }
});

test('an unknown field is refused, told of or left out, as the client wants', async () => {
  const body = { metadata: { name: 'odd' }, spec: { from: [], to: [], form: 1 } };
  const path = (how: string) => `v1/namespaces/default/referencegrants?dryRun=All&fieldValidation=${how}`;
  const refs = { from: [{ group: '', kind: 'A', namespace: 'b' }], to: [{ group: '', kind: 'A' }] };
  const odd = { ...body, spec: { ...body.spec, ...refs } };
  const strict = await post(path('Strict'), odd);
  assert.equal(strict.status, 400);
  assert.match(strict.json.message, /unknown field "spec\.form" \(did you mean "from"\?\)/);
  const warned = await post(path('Warn'), odd);
  assert.match(String(warned.headers.warning), /unknown field/);
  const ignored = await post(path('Ignore'), odd);
  for (const answer of [warned, ignored]) assert.deepEqual([answer.status, answer.json.spec], [201, refs]);
});

test('a Gateway begins with conditions that wait for its controller', async () => {
  const spec = { gatewayClassName: 'weft', listeners: [{ name: 'a', port: 80, protocol: 'HTTP' }] };
  const made = await post('v1/namespaces/default/gateways', { ...route('edge', spec), status: { addresses: [] } });
  const brief = made.json.status.conditions.map(({ type, status, reason }: Record<string, string>) => [
    type,
    status,
    reason,
  ]);
  assert.deepEqual(brief, [
    ['Accepted', 'Unknown', 'Pending'],
    ['Programmed', 'Unknown', 'Pending'],
  ]);
  assert.equal(made.json.spec.listeners[0].allowedRoutes.namespaces.from, 'Same');
});

test('what was written in one served version is read in the others', async () => {
  const rules = [{ backendRefs: [{ name: 's', port: 443 }] }];
  const made = await post('v1alpha2/namespaces/default/tlsroutes', route('early', { rules }));
  assert.deepEqual([made.status, made.json.apiVersion], [201, 'gateway.networking.k8s.io/v1alpha2'], made.text);
  for (const version of ['v1', 'v1alpha3', 'v1alpha2']) {
    const { json } = await t.ask(`${GROUP}/${version}/namespaces/default/tlsroutes/early`);
    assert.equal(json.apiVersion, `gateway.networking.k8s.io/${version}`);
    assert.equal(json.spec.rules[0].backendRefs[0].weight, 1);
  }
  const late = await post('v1/namespaces/default/tlsroutes', route('late', { rules }));
  assert.deepEqual([late.status, late.json.details.causes[0].field], [422, 'spec.hostnames']);
});

test('the controller of a class stays', async () => {
  await post('v1/gatewayclasses', route('weft', { controllerName: 'a.b/c' }));
  const change = (spec: object) =>
    t.ask(`${GROUP}/v1/gatewayclasses/weft`, { method: 'PATCH', body: { spec }, headers: MERGE });
  assert.equal((await change({ description: 'words' })).status, 200);
  const { status, json } = await change({ controllerName: 'a.b/d' });
  assert.deepEqual([status, json.details.causes[0].field], [422, 'spec.controllerName']);
});
