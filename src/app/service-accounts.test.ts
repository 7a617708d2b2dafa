import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openTokens } from '../api/tokens.ts';
import { audiences } from '../api/user.ts';
import { systemClock } from '../lib/clock.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import { openMemoryStore } from '../store/memory.ts';
import { storeKey } from '../store/store.ts';
import { gatewayCheck, joinVerifier } from './service-accounts.ts';

const KEY = storeKey('', 'serviceaccounts', 'shop', 'front');
const NAME = { namespace: 'shop', serviceAccount: 'front' };

const setup = async (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-tokens-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const tokens = await openTokens({ dir, clock: systemClock });
  const store = openMemoryStore();
  const make = (uid: string, labels: Record<string, string> = {}) =>
    store.put(KEY, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'front', namespace: 'shop', uid, labels },
    });
  const token = async (audience: string = audiences.ca, subject = 'system:serviceaccount:shop:front') =>
    (await tokens.issue({ subject, uid: 'one', audience, ttlMs: 60_000 })).token;
  return { store, make, token, verifier: joinVerifier(store, tokens) };
};

test('a join token is for its service account', async (t) => {
  const { make, token, verifier } = await setup(t);
  await make('one');
  assert.deepEqual(await verifier.verifyJoin(await token()), NAME);
});

test('a join token ends with its service account, and is not good for a later one of that name', async (t) => {
  const { store, make, token, verifier } = await setup(t);
  await make('one');
  await store.delete(KEY);
  await assert.rejects(verifier.verifyJoin(await token()), { code: 'ACCOUNT_UNKNOWN' });
  await make('two');
  await assert.rejects(verifier.verifyJoin(await token()), { code: 'TOKEN_UNKNOWN', message: /earlier/ });
});

test('tokens for other uses, or of people, are no join tokens', async (t) => {
  const { make, token, verifier } = await setup(t);
  await make('one');
  await assert.rejects(verifier.verifyJoin(await token(audiences.api)), { code: 'TOKEN_AUDIENCE' });
  await assert.rejects(verifier.verifyJoin(await token(audiences.ca, 'admin')), { code: 'TOKEN_NOT_JOIN' });
});

test('a certificate is renewed while its service account is there', async (t) => {
  const { store, make, verifier } = await setup(t);
  const identity = { trustDomain: 'cluster.local', ...NAME };
  await make('one');
  await verifier.verifyRenewal(identity);
  await store.delete(KEY);
  await assert.rejects(verifier.verifyRenewal(identity), { code: 'ACCOUNT_UNKNOWN' });
});

const node = (role: ProxyNode['role'], namespace: string): ProxyNode => ({
  id: nodeId(role, '127.0.0.1', 'front-1', namespace),
  role,
  engine: 'weft',
  name: 'front-1',
  namespace,
  serviceAccount: 'front',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
});

test('only labelled service accounts, and those of the root namespace, may be gateways', async (t) => {
  const { store, make } = await setup(t);
  const check = gatewayCheck(store, 'weft-system');
  await make('one');
  await check(node('sidecar', 'shop'));
  await check(node('gateway', 'weft-system'));
  await assert.rejects(check(node('gateway', 'shop')), {
    code: 'XDS_GATEWAY_REFUSED',
    hint: /weft\.dev\/gateway=true/,
  });
  await make('one', { 'weft.dev/gateway': 'true' });
  await check(node('gateway', 'shop'));
});

test("a Gateway's own service account may serve that Gateway alone", async (t) => {
  const { store, make } = await setup(t);
  const check = gatewayCheck(store, 'weft-system');
  const reference = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: 'edge', controller: true };
  const owned = (uid: string) =>
    store.put(KEY, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'front', namespace: 'shop', ownerReferences: [{ ...reference, uid }] },
    });
  const serving = (gateway?: string) => check({ ...node('gateway', 'shop'), ...(gateway && { gateway }) });
  const refused = { code: 'XDS_GATEWAY_REFUSED' };
  await make('one');
  await assert.rejects(serving('shop/edge'), refused);
  await store.put(storeKey('gateway.networking.k8s.io', 'gateways', 'shop', 'edge'), {
    apiVersion: reference.apiVersion,
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: 'shop', uid: 'of-edge' },
  });
  await owned('of-edge');
  await serving('shop/edge');
  for (const other of [undefined, 'shop/other', 'other/edge']) await assert.rejects(serving(other), refused);
  await owned('of-an-earlier-edge');
  await assert.rejects(serving('shop/edge'), refused);
});
