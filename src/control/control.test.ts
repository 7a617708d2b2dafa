// The control loop over a real store: bootstrap, coalescing, statuses, last good, problems.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { openMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { keyOf } from './bootstrap.ts';
import { type Control, HOLD_OFF_MS, MIN_HOLD_OFF_MS, openControl } from './control.ts';
import { GRACE_MS } from './workloads.ts';

const opened: Control[] = [];
afterEach(async () => {
  for (const control of opened.splice(0)) await control.close();
});

const open = async (store: Store = openMemoryStore(), clock = new FakeClock()) => {
  const control = await openControl({ store, trustDomain: 'cluster.local', clock, log: silentLog });
  opened.push(control);
  return { store, clock, control };
};

const put = (store: Store, resource: Resource) => store.put(keyOf(resource)!, resource);

/** Moves time on until the condition holds; each step lets pending writes finish. */
const until = async (clock: FakeClock, condition: () => boolean | Promise<boolean>) => {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
  }
  assert.fail('the condition never held');
};

const service = (name: string, port = 9080): Resource => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', generation: 1, uid: name },
  spec: { selector: { app: name }, ports: [{ name: 'http', port, targetPort: 'http' }] },
});

const node = (name: string, over: Partial<ProxyNode> = {}): ProxyNode => ({
  id: `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`,
  role: 'sidecar',
  engine: 'weft',
  name,
  namespace: 'default',
  serviceAccount: 'reviews',
  labels: { app: 'reviews', version: 'v1' },
  inbound: { address: '127.0.0.1', port: 15006 },
  outbound: { address: '127.0.0.1', port: 15001 },
  localPorts: [],
  ports: { http: 9080 },
  appAddress: '127.0.0.1',
  ...over,
});

const ENTRY = '/networking.istio.io/workloadentries/default/reviews-1';
const endpointsOf = (control: Control) => control.mesh().services.get('default/reviews')?.ports[0]?.endpoints ?? [];

describe('bootstrap', () => {
  it('makes a closed mesh on the first start', async () => {
    const { control, store, clock } = await open();
    const { entries } = await store.list('/');
    const names = entries.map(({ key }) => key);
    for (const key of [
      '/core/namespaces//default',
      '/core/namespaces//weft-system',
      '/gateway.networking.k8s.io/gatewayclasses//weft',
      '/security.istio.io/peerauthentications/weft-system/default',
      '/security.istio.io/authorizationpolicies/weft-system/default-deny',
    ]) {
      assert.ok(names.includes(key), key);
    }
    assert.deepEqual(
      control.mesh().policies.map(({ scope, policy }) => [scope, policy]),
      [[{}, { name: 'weft-system/default-deny', action: 'ALLOW', rules: [] }]],
    );
    assert.deepEqual(control.mesh().peerModes, [{ scope: {}, mode: 'STRICT', portModes: {} }]);
    await until(clock, async () => (await store.get('/core/serviceaccounts/default/default')) !== undefined);
    await until(clock, async () => (await store.get('/core/serviceaccounts/weft-system/default')) !== undefined);
  });

  it('leaves alone what a user changed or deleted', async () => {
    const { store, control } = await open();
    await store.delete('/security.istio.io/authorizationpolicies/weft-system/default-deny');
    await control.close();
    await open(store);
    assert.equal(await store.get('/security.istio.io/authorizationpolicies/weft-system/default-deny'), undefined);
  });

  it('gives a new namespace its default service account', async () => {
    const { store, clock } = await open();
    await put(store, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    await until(clock, async () => (await store.get('/core/serviceaccounts/shop/default')) !== undefined);
  });
});

describe('the loop', () => {
  it('compiles what changes within the hold-off as one', async () => {
    const { store, clock, control } = await open();
    await until(clock, () => store.revision() === control.mesh().revision);
    let published = 0;
    control.feed.watch(() => published++);
    await put(store, service('a'));
    await put(store, service('b'));
    assert.equal(published, 0);
    clock.advance(MIN_HOLD_OFF_MS);
    assert.equal(published, 1);
    assert.deepEqual([...control.mesh().services.keys()], ['default/a', 'default/b']);
    assert.equal(control.mesh().revision, store.revision());
  });

  it('holds off for as long as the last run took, within bounds', async () => {
    const { store, clock, control } = await open();
    await until(clock, () => store.revision() === control.mesh().revision);
    let [published, tookMs] = [0, 0];
    control.feed.watch(() => {
      published++;
      clock.advance(tookMs);
    });
    const delays: number[] = [];
    for (const [i, next] of [3, 100, 0, 0].entries()) {
      tookMs = next;
      await put(store, service(`s${i}`));
      const before = published;
      let delay = 0;
      for (; published === before; delay++) clock.advance(1);
      delays.push(delay);
    }
    assert.deepEqual(delays, [MIN_HOLD_OFF_MS, 3, HOLD_OFF_MS, MIN_HOLD_OFF_MS]);
  });

  it('writes a status once, without touching the generation', async () => {
    const { store, clock } = await open();
    const gateway: Resource = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop', namespace: 'default', generation: 3, uid: 'g' },
      spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }] },
    };
    const key = keyOf(gateway)!;
    await put(store, gateway);
    await until(clock, async () => (await store.get(key))?.value.status !== undefined);
    const written = (await store.get(key))!;
    assert.equal(written.value.metadata.generation, 3);
    const { conditions } = written.value.status as { conditions: { type: string; observedGeneration: number }[] };
    assert.deepEqual(
      conditions.map(({ type, observedGeneration }) => [type, observedGeneration]),
      [
        ['Accepted', 3],
        ['Programmed', 3],
        ['ResolvedRefs', 3],
      ],
    );
    for (let i = 0; i < 20; i++) {
      clock.advance(HOLD_OFF_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await store.get(key))?.revision, written.revision);
  });

  it('compiles nothing soon because of a status that it wrote itself, but because of one that another wrote', async () => {
    const { store, clock, control } = await open();
    await until(clock, () => store.revision() === control.mesh().revision);
    const key = '/gateway.networking.k8s.io/gatewayclasses//weft';
    const present = (await store.get(key))!;
    const { status: _, ...bare } = present.value;
    await store.put(key, bare);
    await until(clock, async () => (await store.get(key))?.value.status !== undefined);
    let published = 0;
    control.feed.watch(() => published++);
    clock.advance(2 * HOLD_OFF_MS);
    assert.equal(published, 0);
    await store.put(key, { ...bare, status: { conditions: [] } });
    clock.advance(HOLD_OFF_MS);
    assert.equal(published, 1);
    await until(clock, async () => JSON.stringify((await store.get(key))?.value.status).includes('Accepted'));
  });

  it('takes a resource of an unknown kind as a problem, and goes on', async () => {
    const { store, clock, control } = await open();
    await store.put('/example.dev/things/default/x', {
      apiVersion: 'example.dev/v1',
      kind: 'Thing',
      metadata: { name: 'x' },
    });
    await store.put('/core/services/default/broken', { kind: 'Service' } as unknown as Resource);
    await put(store, service('a'));
    await until(clock, () => control.mesh().services.has('default/a'));
    assert.deepEqual(
      control.problems().map(({ code }) => code),
      ['UNKNOWN_KIND', 'UNKNOWN_KIND'],
    );
  });
});

describe('workloads', () => {
  it('is an endpoint from healthy to gone', async () => {
    const { store, clock, control } = await open();
    await put(store, service('reviews'));
    const session = control.workloads.connect(node('reviews-1'));
    session.setHealth(false, 'the program has not answered yet');
    await until(clock, () => control.mesh().workloads.has('default/reviews-1'));
    assert.deepEqual(endpointsOf(control), []);
    session.setHealth(true);
    await until(clock, () => endpointsOf(control).length === 1);
    assert.deepEqual(endpointsOf(control), [
      {
        address: '127.0.0.1',
        port: 15006,
        mesh: true,
        identity: 'spiffe://cluster.local/ns/default/sa/reviews',
        workload: 'default/reviews-1',
        weight: 1,
        health: 'healthy',
      },
    ]);
    session.setHealth(false, 'connection refused');
    await until(clock, () => endpointsOf(control)[0]?.health === 'unhealthy');
    session.close();
    await until(clock, async () => (await store.get(ENTRY)) === undefined);
    await until(clock, () => endpointsOf(control).length === 0);
  });

  it('says in the entry where the admin interface is, while there is one', async () => {
    const { store, clock, control } = await open();
    const told = async () => (await store.get(ENTRY))?.value.metadata.annotations;
    control.workloads.connect(node('reviews-1', { admin: { address: '127.0.0.1', port: 15000 } }));
    await until(clock, async () => (await told())?.['weft.dev/admin'] === '127.0.0.1:15000');
    control.workloads.connect(node('reviews-1'));
    await until(clock, async () => !('weft.dev/admin' in ((await told()) ?? { 'weft.dev/admin': '' })));
  });

  it('keeps the entry of the newer session when the older one closes', async () => {
    const { store, clock, control } = await open();
    const older = control.workloads.connect(node('reviews-1'));
    const newer = control.workloads.connect(node('reviews-1', { inbound: { address: '127.0.0.1', port: 15007 } }));
    older.close();
    older.setHealth(true);
    await until(clock, async () => {
      const entry = await store.get(ENTRY);
      return entry?.value.metadata.annotations?.['weft.dev/inbound'] === '127.0.0.1:15007';
    });
    newer.close();
    await until(clock, async () => (await store.get(ENTRY)) === undefined);
  });

  it("lets nobody take a name from another account's workload, and anybody once it is gone", async () => {
    const { store, clock, control } = await open();
    const other = node('reviews-1', { serviceAccount: 'orders' });
    const session = control.workloads.connect(node('reviews-1'));
    assert.throws(() => control.workloads.connect(other), { code: 'WORKLOAD_NAME_TAKEN', message: /account reviews/ });
    await until(clock, () => control.mesh().workloads.has('default/reviews-1'));
    session.close();
    await until(clock, async () => !(await store.get(ENTRY)) && !control.mesh().workloads.has('default/reviews-1'));
    control.workloads.connect(other);
    await until(clock, async () => (await store.get(ENTRY))?.value.metadata.name === 'reviews-1');
  });

  it('never touches an entry that a user wrote', async () => {
    const { store, clock, control } = await open();
    const entry: Resource = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { name: 'reviews-1', namespace: 'default' },
      spec: { address: '10.0.0.1' },
    };
    await put(store, entry);
    await until(clock, () => control.mesh().workloads.has('default/reviews-1'));
    assert.throws(() => control.workloads.connect(node('reviews-1')), { code: 'WORKLOAD_NAME_TAKEN' });
    clock.advance(GRACE_MS);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual((await store.get(ENTRY))?.value.spec, entry.spec);
  });

  it('waits after a restart for proxies to come back, with their health as it was, then removes the others', async () => {
    const first = await open();
    for (const name of ['reviews-1', 'reviews-2']) first.control.workloads.connect(node(name)).setHealth(true);
    await until(first.clock, () => first.control.mesh().workloads.size === 2);
    await until(first.clock, () =>
      [...first.control.mesh().workloads.values()].every(({ health }) => health === 'healthy'),
    );
    await first.control.close();
    const { clock, control, store } = await open(first.store);
    assert.equal(control.mesh().workloads.size, 2);
    control.workloads.connect(node('reviews-1'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(control.mesh().workloads.get('default/reviews-1')?.health, 'healthy');
    clock.advance(GRACE_MS);
    await until(clock, () => control.mesh().workloads.size === 1);
    assert.ok(await store.get(ENTRY));
  });

  it('keeps entries when it is detached before the sessions close', async () => {
    const { store, clock, control } = await open();
    const session = control.workloads.connect(node('reviews-1'));
    await until(clock, async () => (await store.get(ENTRY)) !== undefined);
    control.workloads.detach();
    session.close();
    await control.close();
    assert.ok(await store.get(ENTRY));
  });

  it('loses nothing while many come and go', async () => {
    const { store, clock, control } = await open();
    const names = Array.from({ length: 50 }, (_, i) => `w-${i}`);
    for (let round = 0; round < 4; round++) {
      const sessions = names.map((name) => control.workloads.connect(node(name)));
      for (const [i, session] of sessions.entries()) if (i % 2 === 0 || round < 3) session.close();
    }
    const prefix = '/networking.istio.io/workloadentries/';
    await until(clock, async () => (await store.list(prefix)).entries.length === 25);
    await until(clock, () => control.mesh().workloads.size === 25);
  });

  it('tells the status of Gateways where the connected gateways are', async () => {
    const { store, clock, control } = await open();
    const gateway: Resource = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop', namespace: 'default', generation: 1 },
      spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }] },
    };
    await put(store, gateway);
    const programmed = async () => {
      const { addresses, conditions } = ((await store.get(keyOf(gateway)!))?.value.status ?? {}) as {
        addresses?: { value: string }[];
        conditions?: { type: string; reason: string }[];
      };
      return `${conditions?.find(({ type }) => type === 'Programmed')?.reason} ${addresses?.map(({ value }) => value)}`;
    };
    await until(clock, async () => (await programmed()) === 'AddressNotAssigned ');
    const session = control.workloads.connect(node('gw', { role: 'gateway', bindAddress: '127.0.0.2' }));
    await until(clock, async () => (await programmed()) === 'Programmed 127.0.0.2');
    clock.advance(GRACE_MS);
    session.close();
    await until(clock, async () => (await programmed()) === 'AddressNotAssigned ');
  });
});

describe('denialPolicies', () => {
  it('names the ALLOW policies in force at the workload', async () => {
    const { store, clock, control } = await open();
    await put(store, {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'other', namespace: 'shop' },
      spec: { rules: [{}] },
    });
    await until(clock, () => control.mesh().policies.length === 2);
    const event = { direction: 'inbound', destination: { namespace: 'default', workload: 'reviews-1' } };
    assert.deepEqual(control.denialPolicies(event as never), ['weft-system/default-deny']);
    const atGateway = { direction: 'gateway', destination: {} };
    assert.deepEqual(control.denialPolicies(atGateway as never), ['weft-system/default-deny']);
    assert.deepEqual(control.denialPolicies({ direction: 'outbound', destination: {} } as never), []);
  });
});
