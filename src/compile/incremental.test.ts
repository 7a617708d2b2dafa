// A compiler that has followed many changes says what one says that sees their outcome for the first time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProxyNode } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { type Compiled, openCompiler } from './compiler.ts';

const API = 'gateway.networking.k8s.io/v1';
const STEPS = 60;

/** The same numbers on every run, by the linear congruential generator of Numerical Recipes. */
const openNumbers = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const HOSTNAMES = ['a.test', 'b.test', '*.test', 'x.a.test', '*.a.test', 'c.example'];

const service = (i: number): Resource => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${i}`, namespace: 'default' },
  spec: { ports: [{ name: 'http', port: 80 }] },
});

const gateway = (i: number, pick: (below: number) => number): Resource => ({
  apiVersion: API,
  kind: 'Gateway',
  metadata: { name: `g${i}`, namespace: 'default' },
  spec: {
    gatewayClassName: 'weft',
    listeners: [
      { name: 'http', port: 8000 + pick(3), protocol: 'HTTP' },
      { name: 'named', port: 8100, protocol: 'HTTP', hostname: HOSTNAMES[pick(HOSTNAMES.length)] },
      { name: 'tcp', port: 9000 + pick(2), protocol: 'TCP' },
    ],
  },
});

const parentRefs = (pick: (below: number) => number): object[] => {
  const one = { name: `g${pick(3)}` };
  const kinds = [
    [one],
    [one],
    [
      { ...one, sectionName: 'http' },
      { ...one, sectionName: 'named' },
    ],
    [{ name: 'g0' }, { name: 'g1' }],
    [{ group: '', kind: 'Service', name: `s${pick(3)}` }],
  ];
  return kinds[pick(kinds.length)]!;
};

const KINDS = ['HTTPRoute', 'HTTPRoute', 'HTTPRoute', 'HTTPRoute', 'GRPCRoute', 'TCPRoute'];

const route = (i: number, pick: (below: number) => number): Resource => {
  const kind = KINDS[i % KINDS.length]!;
  const hostnames = [HOSTNAMES[pick(HOSTNAMES.length)], HOSTNAMES[pick(HOSTNAMES.length)]].slice(0, pick(3));
  const matches = [{ path: { type: 'PathPrefix', value: `/${pick(4)}` } }];
  const rule = { backendRefs: [{ name: `s${pick(4)}`, port: 80 }], ...(kind === 'HTTPRoute' && { matches }) };
  return {
    apiVersion: kind === 'TCPRoute' ? 'gateway.networking.k8s.io/v1alpha2' : API,
    kind,
    metadata: { name: `r${i}`, namespace: 'default' },
    spec: {
      parentRefs: parentRefs(pick),
      rules: [rule],
      ...(kind !== 'TCPRoute' && hostnames.length > 0 && { hostnames: [...new Set(hostnames)] }),
    },
  };
};

const policy = (i: number, pick: (below: number) => number): Resource => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1',
  kind: 'BackendTrafficPolicy',
  metadata: { name: `p${i}`, namespace: 'default' },
  spec: {
    targetRefs: [
      pick(2)
        ? { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: `g${pick(3)}` }
        : { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: `r${pick(24)}` },
    ],
    loadBalancer: { type: pick(2) ? 'RoundRobin' : 'Random' },
  },
});

const NODE: ProxyNode = {
  id: 'router~127.0.0.1~gw.default~default.svc.cluster.local',
  role: 'gateway',
  engine: 'weft',
  name: 'gw',
  namespace: 'default',
  serviceAccount: 'gw',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
};

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part) => (part instanceof Map ? [...part] : part)));

const sorted = (values: Iterable<unknown>): unknown => [...values].map((value) => JSON.stringify(plain(value))).sort();

/** Without the order of what has none. */
const tell = ({ mesh, statuses, problems }: Compiled) => ({
  gateways: plain(mesh.gateways),
  backendTraffic: plain(mesh.backendTraffic),
  services: plain(mesh.services),
  statuses: sorted(statuses.values()),
  problems: sorted(problems),
});

const options = { revision: 1, nowMs: Date.UTC(2026, 0, 1), gatewayAddresses: [{ address: '127.0.0.1' }] };

describe('compiling what changed', () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`says the same as compiling all of it (${seed})`, () => {
      const pick = openNumbers(seed);
      const resources = new Map<string, Resource>();
      let age = 0;
      const put = (id: string, resource: Resource) => {
        const created = resources.get(id)?.metadata.creationTimestamp ?? new Date(1e12 + 1000 * age++).toISOString();
        const metadata = { ...resource.metadata, generation: 1, uid: id, creationTimestamp: created };
        resources.set(id, { ...resource, metadata });
      };
      put('class', {
        apiVersion: API,
        kind: 'GatewayClass',
        metadata: { name: 'weft' },
        spec: { controllerName: 'weft.dev/gateway-controller' },
      });
      const compiler = openCompiler({ trustDomain: 'cluster.local' });
      for (let step = 0; step < STEPS; step++) {
        for (let change = 0; change <= pick(3); change++) {
          const what = pick(100);
          const i = pick(24);
          if (what < 60) put(`r${i}`, route(i, pick));
          else if (what < 80) resources.delete(`r${i}`);
          else if (what < 90) put(`g${i % 3}`, gateway(i % 3, pick));
          else if (what < 93) resources.delete(`g${i % 3}`);
          else if (what < 96) put(`s${i % 4}`, service(i % 4));
          else if (what < 98) resources.delete(`s${i % 4}`);
          // Every other seed without, as routes with policies are made anew.
          else if (seed % 2 === 0 && pick(2)) put(`p${i % 3}`, policy(i % 3, pick));
          else resources.delete(`p${i % 3}`);
        }
        const compiled = compiler.compile(resources.values(), options);
        const fresh = openCompiler({ trustDomain: 'cluster.local' });
        const wanted = fresh.compile(resources.values(), options);
        assert.deepEqual(tell(compiled), tell(wanted), `step ${step}`);
        const { routes } = compiler.snapshotFor(compiled.mesh, NODE);
        assert.deepEqual(routes, fresh.snapshotFor(wanted.mesh, NODE).routes, `step ${step}`);
        for (const [id, resource] of resources) {
          const patch = [...compiled.statuses.values()].find((one) => one.resource === resource);
          if (patch && pick(2)) resources.set(id, { ...resource, status: patch.status });
        }
      }
    });
  }
});
