import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { Resource } from '../model/resource.ts';
import { openMemoryStore } from '../store/memory.ts';
import { storeKey } from '../store/store.ts';
import { GatewayAccounts } from './gateway-accounts.ts';

const gateway = (name: string, infrastructure: unknown = {}): Resource => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace: 'shop', uid: `uid-${name}` },
  spec: { gatewayClassName: 'weft', infrastructure },
});

const KEY = storeKey('', 'serviceaccounts', 'shop', 'edge-weft');

/** With a view of the store that is as new as the last write. */
const open = () => {
  const store = openMemoryStore();
  const known = new Map<string, Resource>();
  store.watch('/', 0, (events) => {
    for (const { type, key, value } of events) type === 'put' ? known.set(key, value) : known.delete(key);
  });
  const seen = (key: string) => known.get(key);
  const update = async (...gateways: Resource[]) => {
    const accounts = new GatewayAccounts({ store, clock: systemClock, log: silentLog, seen });
    accounts.update(gateways);
    await accounts.close();
    const { entries } = await store.list('/');
    for (const { key, value } of entries) known.set(key, value);
  };
  return { store, update };
};

describe('the account of a Gateway', () => {
  it('belongs to it, and bears its name and what its infrastructure asks for', async () => {
    const { store, update } = open();
    await update(gateway('edge', { labels: { tier: 'front' }, annotations: { note: 'x' } }));
    const { value } = (await store.get(KEY))!;
    const { labels, annotations, ownerReferences } = value.metadata;
    assert.deepEqual(labels, { tier: 'front', 'gateway.networking.k8s.io/gateway-name': 'edge' });
    assert.equal(annotations?.note, 'x');
    assert.deepEqual(
      ownerReferences?.map(({ kind, name, uid, controller }) => [kind, name, uid, controller]),
      [['Gateway', 'edge', 'uid-edge', true]],
    );
  });

  it('follows the infrastructure, and keeps what others put there', async () => {
    const { store, update } = open();
    await update(gateway('edge', { labels: { tier: 'front', old: 'x' } }));
    const entry = (await store.get(KEY))!;
    const { metadata } = entry.value;
    const labelled = { ...entry.value, metadata: { ...metadata, labels: { ...metadata.labels, mine: 'y' } } };
    await store.put(KEY, labelled, { expected: entry.revision });
    await update();
    await update(gateway('edge', { labels: { tier: 'back' } }));
    assert.deepEqual((await store.get(KEY))!.value.metadata.labels, {
      tier: 'back',
      mine: 'y',
      'gateway.networking.k8s.io/gateway-name': 'edge',
    });
  });

  it('is written only when something changes', async () => {
    const { store, update } = open();
    await update(gateway('edge'));
    const before = (await store.get(KEY))!.revision;
    await update(gateway('edge'));
    assert.equal((await store.get(KEY))!.revision, before);
  });

  it('is left alone where somebody else has one of that name', async () => {
    const { store, update } = open();
    const own = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'edge-weft', namespace: 'shop' } };
    await store.put(KEY, own);
    await update();
    await update(gateway('edge', { labels: { tier: 'front' } }));
    assert.deepEqual((await store.get(KEY))!.value, own);
  });

  it('can not be made a gateway for all by who writes the Gateway', async () => {
    const { store, update } = open();
    await update(gateway('edge', { labels: { 'weft.dev/gateway': 'true' } }));
    assert.equal((await store.get(KEY))!.value.metadata.labels?.['weft.dev/gateway'], undefined);
  });

  it('has a name and a label that fit, however long the name of the Gateway is', async () => {
    const { store, update } = open();
    await update(gateway('g'.repeat(253)), gateway(`${'g'.repeat(252)}h`));
    const accounts = (await store.list('/')).entries.map(({ value }) => value.metadata);
    assert.equal(new Set(accounts.map(({ name }) => name)).size, 2);
    for (const { name, labels = {} } of accounts) {
      assert.ok(name.length <= 253);
      assert.ok(Object.values(labels).every((value) => value.length <= 63));
    }
  });
});
