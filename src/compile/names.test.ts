import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mesh, MeshService } from '../model/mesh.ts';
import { FIRST_SLOT } from '../model/name-record.ts';
import type { Endpoint } from '../model/snapshot.ts';
import { openNames } from './names.ts';

const endpoint = (address: string, health: Endpoint['health'] = 'healthy'): Endpoint => ({
  address,
  port: 8080,
  mesh: false,
  workload: `default/pod-${address.replaceAll('.', '-')}`,
  weight: 1,
  health,
});

const service = (name: string, more: Partial<MeshService> = {}, endpoints: readonly Endpoint[] = []): MeshService => ({
  namespace: 'default',
  name,
  hosts: [name, `${name}.default`, `${name}.default.svc`, `${name}.default.svc.cluster.local`],
  origin: 'Service',
  ports: [{ name: 'http', port: 80, protocol: 'http', endpoints, routes: [] }],
  ...more,
});

const meshOf = (...services: readonly MeshService[]): Mesh =>
  ({ services: new Map(services.map((one) => [`${one.namespace}/${one.name}`, one])) }) as unknown as Mesh;

test('a service has its names, its ready instances and a slot; a headless one has no slot', () => {
  const names = openNames()(
    meshOf(
      service('web', {}, [endpoint('10.0.0.1'), endpoint('10.0.0.2', 'unhealthy'), endpoint('10.0.0.3', 'draining')]),
      service('each', { headless: true }),
    ),
  );
  const web = names.get('web.default.svc.cluster.local')!;
  assert.deepEqual(web.aliases, ['web.default', 'web.default.svc']);
  assert.deepEqual(web.near, { namespace: 'default', name: 'web' });
  assert.deepEqual(web.ports[0]?.instances, [{ address: '10.0.0.1', port: 8080, hostname: 'pod-10-0-0-1' }]);
  assert.ok(web.slot! >= FIRST_SLOT && web.slot! < 65_536);
  assert.equal(names.get('each.default.svc.cluster.local')?.slot, undefined);
});

test('a name that proxies resolve stands for another, unless it is the same', () => {
  const dns = (name: string, host: string): MeshService => ({
    namespace: 'default',
    name,
    hosts: [name],
    origin: 'ServiceEntry',
    ports: [{ name: 'http', port: 80, protocol: 'http', endpoints: [], routes: [], dns: { host, port: 80 } }],
  });
  const names = openNames()(meshOf(dns('a.test', 'real.test'), dns('b.test', 'b.test')));
  assert.equal(names.get('a.test')?.target, 'real.test');
  assert.equal(names.get('b.test')?.target, undefined);
});

test('slots are all different, the same after a restart, and stay while services come and go', () => {
  const many = Array.from({ length: 3000 }, (_, i) => service(`s${i}`));
  const namesOf = openNames();
  const names = namesOf(meshOf(...many));
  const slots = [...names.values()].map(({ slot }) => slot);
  assert.equal(new Set(slots).size, many.length);
  const restarted = openNames()(meshOf(...many.toReversed()));
  for (const [name, { slot }] of names) assert.equal(restarted.get(name)?.slot, slot);
  const later = namesOf(meshOf(service('added'), ...many.slice(1)));
  assert.equal(later.get('s1.default.svc.cluster.local'), names.get('s1.default.svc.cluster.local'));
});
