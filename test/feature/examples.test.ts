// Every example file is valid, compiles without a problem, and means what it says: who may call whom, and what leads where.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCompiler } from '../../src/compile/compiler.ts';
import { formatManifestProblem, parseManifests } from '../../src/kinds/yaml.ts';
import { parseSpiffeId } from '../../src/model/identity.ts';
import { nodeId, type ProxyNode } from '../../src/model/node.ts';
import type { Condition, Resource } from '../../src/model/resource.ts';
import { prepareAuthorization } from '../../src/policy/authorization.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

const read = (...files: string[]): Resource[] =>
  files.flatMap((file) => {
    const { resources, problems } = parseManifests(readFileSync(join(EXAMPLES, file), 'utf8'), { file });
    assert.deepEqual(problems.map(formatManifestProblem), []);
    return resources.map(({ resource }) => resource);
  });

// What the control plane has from its first start.
const system: Resource[] = [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'weft' },
    spec: { controllerName: 'weft.dev/gateway-controller' },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: 'weft-system' },
    spec: { mtls: { mode: 'STRICT' } },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'default-deny', namespace: 'weft-system' },
    spec: {},
  },
];

/** What examples/protocols/https.yaml says belongs beside it. */
const certificates = (): Resource[] => {
  const { certPem, keyPem } = makeSelfSigned();
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const key = { 'tls.crt': base64(certPem), 'tls.key': base64(keyPem) };
  const manifests = [
    { kind: 'Secret', metadata: { name: 'edge', namespace: 'default' }, type: 'kubernetes.io/tls', data: key },
    { kind: 'ConfigMap', metadata: { name: 'members', namespace: 'default' }, data: { 'ca.crt': certPem } },
  ];
  return manifests.map((manifest) => ({ apiVersion: 'v1', ...manifest }));
};

const workload = (service: string, version: string, port: number): Resource => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: {
    name: `${service}-${version}`,
    namespace: 'default',
    labels: { app: service, version },
    annotations: { 'weft.dev/inbound': `127.0.0.1:${port}` },
  },
  spec: {
    address: '127.0.0.1',
    ports: { http: port + 1 },
    labels: { app: service, version },
    serviceAccount: service,
  },
});

const programs: readonly (readonly [service: string, version: string])[] = [
  ['front', 'v1'],
  ['catalogue', 'v1'],
  ['reviews', 'v1'],
  ['reviews', 'v2'],
  ['orders', 'v1'],
  ['payments', 'v1'],
];
const workloads = programs.map(([service, version], i) => workload(service, version, 20_000 + 2 * i));

const compile = (resources: Resource[]) => {
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const gatewayAddresses = [{ address: '127.0.0.1' }];
  const { mesh, statuses, problems } = compiler.compile(resources, { revision: 1, nowMs: 0, gatewayAddresses });
  return { compiler, mesh, statuses, problems };
};

const sidecar = (service: string, port: number): ProxyNode => ({
  id: nodeId('sidecar', '127.0.0.1', `${service}-v1`, 'default'),
  role: 'sidecar',
  engine: 'weft',
  name: `${service}-v1`,
  namespace: 'default',
  serviceAccount: service,
  labels: { app: service, version: 'v1' },
  inbound: { address: '127.0.0.1', port },
  outbound: { address: '127.0.0.1', port: port + 100 },
  localPorts: [],
  ports: { http: port + 1 },
  appAddress: '127.0.0.1',
});

/** Whether the shop's rules let a caller make a request to a service. */
const verdictOf = (resources: Resource[], caller: string, service: string, method: string, path: string): string => {
  const { compiler, mesh } = compile([...system, ...workloads, ...resources]);
  const index = programs.findIndex(([name]) => name === service);
  const snapshot = compiler.snapshotFor(mesh, sidecar(service, 20_000 + 2 * index));
  const handlers = [...snapshot.listeners.values()]
    .filter(({ direction }) => direction === 'inbound')
    .flatMap(({ chains }) => chains.map(({ handler }) => handler));
  assert.ok(handlers.length > 0);
  const verdicts = handlers.map((handler) => {
    assert.equal(handler.type, 'http');
    return prepareAuthorization(
      handler.authorization,
      'http',
    )({
      identity: parseSpiffeId(`spiffe://cluster.local/ns/${caller}`),
      peerAddress: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      localAddress: '127.0.0.1',
      localPort: 20_001 + 2 * index,
      sni: undefined,
      head: { method, path, query: '', host: `${service}:9080`, headers: [] },
    }).verdict;
  });
  assert.equal(new Set(verdicts).size, 1, `every chain says the same: ${verdicts}`);
  return verdicts[0]!;
};

const conditionsOf = (status: unknown): Condition[] => {
  if (typeof status !== 'object' || status === null) return [];
  return Object.entries(status).flatMap(([key, value]) => {
    if (key === 'conditions') return value as Condition[];
    return Array.isArray(value) ? value.flatMap(conditionsOf) : [];
  });
};

const sets: Record<string, { resources: Resource[]; routes: number }> = {
  'the shop': { resources: [...system, ...workloads, ...read('shop/mesh.yaml')], routes: 1 },
  'the shop with all of the tour': {
    resources: [...system, ...workloads, ...read('shop/mesh.yaml', 'tour/split.yaml', 'tour/allow.yaml')],
    routes: 2,
  },
  'gateways of every protocol': {
    resources: [
      ...system,
      ...certificates(),
      ...read('protocols/https.yaml', 'protocols/grpc.yaml', 'protocols/streams.yaml', 'protocols/backends.yaml'),
      ...read('protocols/listener-set.yaml'),
    ],
    routes: 6,
  },
  'the gateway that runs alone': {
    resources: read('gateway/gateway.yaml', 'gateway/backends.yaml', 'gateway/traffic.yaml'),
    routes: 1,
  },
};

for (const [name, { resources, routes }] of Object.entries(sets)) {
  test(`${name} compiles without a problem, and every condition is true`, () => {
    const { problems, statuses } = compile(resources);
    assert.deepEqual(problems, []);
    const conditions = [...statuses.values()].flatMap(({ status }) => conditionsOf(status));
    // A listener that is in order has a condition that says it has no conflict.
    const bad = conditions.filter(({ type, status }) => status !== (type === 'Conflicted' ? 'False' : 'True'));
    assert.deepEqual(bad, []);
    assert.ok(conditions.filter(({ type }) => type === 'ResolvedRefs').length >= routes);
  });
}

test('no example file is left out of these tests', () => {
  const files = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
  assert.deepEqual(files.sort(), [
    'gateway/backends.yaml',
    'gateway/gateway.yaml',
    'gateway/traffic.yaml',
    'protocols/backends.yaml',
    'protocols/grpc.yaml',
    'protocols/https.yaml',
    'protocols/listener-set.yaml',
    'protocols/streams.yaml',
    'shop/mesh.yaml',
    'tour/allow.yaml',
    'tour/split.yaml',
  ]);
});

const GATEWAY = 'weft-system/sa/gateway';
const calls: Record<string, [caller: string, service: string, method: string, path: string, want: string]> = {
  'the gateway may open the front page': [GATEWAY, 'front', 'GET', '/', 'allow'],
  'the gateway may send an order': [GATEWAY, 'front', 'POST', '/buy', 'allow'],
  'the gateway may not open other paths': [GATEWAY, 'front', 'GET', '/admin', 'deny'],
  'the gateway may not call payments': [GATEWAY, 'payments', 'GET', '/payments', 'deny'],
  'front may read the catalogue': ['default/sa/front', 'catalogue', 'GET', '/products', 'allow'],
  'front may not change the catalogue': ['default/sa/front', 'catalogue', 'POST', '/products', 'deny'],
  'front may read reviews': ['default/sa/front', 'reviews', 'GET', '/reviews/loom', 'allow'],
  'front may list and place orders': ['default/sa/front', 'orders', 'POST', '/orders', 'allow'],
  'front may not call payments itself': ['default/sa/front', 'payments', 'GET', '/payments', 'deny'],
  'orders may charge': ['default/sa/orders', 'payments', 'POST', '/payments', 'allow'],
  'orders may not call reviews': ['default/sa/orders', 'reviews', 'GET', '/reviews/loom', 'deny'],
  'the same account of another namespace may not': ['other/sa/front', 'catalogue', 'GET', '/products', 'deny'],
  'a visitor may not read the catalogue': ['default/sa/visitor', 'catalogue', 'GET', '/products', 'deny'],
};

for (const [name, [caller, service, method, path, want]] of Object.entries(calls)) {
  test(name, () => assert.equal(verdictOf(read('shop/mesh.yaml'), caller, service, method, path), want));
}

test("the tour's policy lets a visitor read the catalogue, and nothing else", () => {
  const resources = read('shop/mesh.yaml', 'tour/allow.yaml');
  const verdict = (service: string, method: string, path: string) =>
    verdictOf(resources, 'default/sa/visitor', service, method, path);
  assert.equal(verdict('catalogue', 'GET', '/products'), 'allow');
  assert.equal(verdict('catalogue', 'DELETE', '/products'), 'deny');
  assert.equal(verdict('reviews', 'GET', '/reviews/loom'), 'deny');
});

test("the tour's route gives nine tenths of reviews to v1", () => {
  const { mesh } = compile([...system, ...workloads, ...read('shop/mesh.yaml', 'tour/split.yaml')]);
  const [port] = mesh.services.get('default/reviews')!.ports;
  assert.equal(port!.routes.length, 1);
  const { action } = port!.routes[0]!;
  assert.ok(action.type === 'forward');
  assert.deepEqual(
    action.targets.map(({ cluster, weight }) => [/\|([^.|]+)\./.exec(cluster)?.[1], weight]),
    [
      ['reviews-v1', 90],
      ['reviews-v2', 10],
    ],
  );
});
