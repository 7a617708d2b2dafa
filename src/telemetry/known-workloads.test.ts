import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mesh, Workload } from '../model/mesh.ts';
import { knownWorkloads } from './known-workloads.ts';

const workload = (name: string, version: string, port: number, identity: string): [string, Workload] => [
  `default/${name}`,
  {
    namespace: 'default',
    name,
    address: '127.0.0.1',
    ports: { http: port },
    labels: { version },
    serviceAccount: identity,
    identity,
    health: 'healthy',
    services: [],
  },
];

const meshOf = (...workloads: [string, Workload][]): Mesh => ({
  revision: 1,
  trustDomain: 'cluster.local',
  services: new Map([
    [
      'default/reviews',
      {
        namespace: 'default',
        name: 'reviews',
        hosts: [],
        origin: 'Service',
        ports: [
          {
            name: 'http',
            port: 9080,
            protocol: 'http',
            routes: [],
            endpoints: [
              { address: '10.0.0.9', port: 15006, mesh: true, weight: 1, health: 'healthy', workload: 'default/r1' },
            ],
          },
        ],
      },
    ],
  ]),
  workloads: new Map(workloads),
  gateways: new Map(),
  backendTls: new Map(),
  backendTraffic: new Map(),
  policies: [],
  peerModes: [],
});

const mesh = meshOf(
  workload('r1', 'v1', 1, 'reviews'),
  workload('r2', 'v2', 2, 'reviews'),
  workload('f1', 'v9', 3, 'front'),
);

const cases: Record<string, [peer: Parameters<ReturnType<typeof knownWorkloads>>[0], name?: string, version?: string]> =
  {
    'by name and namespace': [{ workload: 'r2', namespace: 'default' }, 'default/r2', 'v2'],
    'by qualified name': [{ workload: 'default/r1' }, 'default/r1', 'v1'],
    'by the address of its program': [{ address: '127.0.0.1:2' }, 'default/r2', 'v2'],
    'by the address of its proxy': [{ address: '10.0.0.9:15006' }, 'default/r1', 'v1'],
    'by an identity that one workload has': [{ identity: 'front' }, 'default/f1', 'v9'],
    'not by an identity that several share': [{ identity: 'reviews' }],
    'not by another namespace': [{ workload: 'r1', namespace: 'other' }],
    'not by nothing': [{}],
  };

for (const [name, [peer, wanted, version]] of Object.entries(cases)) {
  test(`finds a workload ${name}`, () => {
    const known = knownWorkloads(() => mesh)(peer);
    assert.deepEqual([known?.workload, known?.version], [wanted, version]);
  });
}

test('follows the mesh', () => {
  let now = mesh;
  const find = knownWorkloads(() => now);
  assert.equal(find({ workload: 'default/r1' })?.version, 'v1');
  now = meshOf(workload('r1', 'v3', 1, 'reviews'));
  assert.equal(find({ workload: 'default/r1' })?.version, 'v3');
});
