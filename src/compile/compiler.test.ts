// What golden cases can't show: identity of equal parts over runs, times of conditions, certificates.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Condition, Resource } from '../model/resource.ts';
import { type CompileOptions, openCompiler } from './compiler.ts';

const node = (name: string, over: Partial<ProxyNode> = {}): ProxyNode => ({
  id: `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`,
  role: 'sidecar',
  engine: 'weft',
  name,
  namespace: 'default',
  serviceAccount: 'reviews',
  labels: { app: 'reviews' },
  inbound: { address: '127.0.0.1', port: 15006 },
  outbound: { address: '127.0.0.1', port: 15001 },
  localPorts: [],
  ports: { http: 9080 },
  appAddress: '127.0.0.1',
  ...over,
});

const gatewayNode = node('gw', { id: 'router~127.0.0.1~gw.default~default.svc.cluster.local', role: 'gateway' });

const service = (name: string): Resource => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
});

const workload = (app: string, index: number, inbound: string): Resource => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: {
    name: `${app}-${index}`,
    namespace: 'default',
    labels: { app },
    annotations: { 'weft.dev/inbound': inbound },
  },
  spec: { address: '127.0.0.1', ports: { http: 9080 }, serviceAccount: app },
});

const gatewayClass: Resource = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'weft' },
  spec: { controllerName: 'weft.dev/gateway-controller' },
};

const gateway = (spec: object, over: Partial<Resource> = {}): Resource => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'shop', namespace: 'default', generation: 1 },
  spec: { gatewayClassName: 'weft', ...spec },
  ...over,
});

const route = (backend: string, generation = 1): Resource => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'shop', namespace: 'default', generation },
  spec: { parentRefs: [{ name: 'shop' }], rules: [{ backendRefs: [{ name: backend, port: 80 }] }] },
});

/** A mesh of three services with three workloads each, whose resources can be changed between runs. */
const open = () => {
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const resources = new Map<string, Resource>();
  const put = (resource: Resource) => resources.set(`${resource.kind} ${resource.metadata.name}`, resource);
  let revision = 0;
  const compile = (options: Partial<CompileOptions> = {}) =>
    compiler.compile(resources.values(), { revision: ++revision, nowMs: Date.UTC(2026, 0, 1), ...options });
  for (const [i, app] of ['details', 'ratings', 'reviews'].entries()) {
    put(service(app));
    for (let j = 0; j < 3; j++) put(workload(app, j, `127.0.0.1:${15000 + i * 10 + j}`));
  }
  put(gatewayClass);
  put(gateway({ listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }] }));
  put(route('reviews'));
  return { compiler, resources, put, compile };
};

describe('identity over runs', () => {
  it('changes nothing but the revision when nothing changed', () => {
    const { compile, compiler } = open();
    const first = compile().mesh;
    const snapshot = compiler.snapshotFor(first, node('reviews-0'));
    const second = compile().mesh;
    assert.deepEqual([first.revision, second.revision], [1, 2]);
    for (const part of ['services', 'workloads', 'gateways', 'policies', 'peerModes'] as const) {
      assert.equal(second[part], first[part], part);
    }
    assert.equal(compiler.snapshotFor(second, node('reviews-0')), snapshot);
  });

  it('changes exactly one endpoint set for one changed endpoint', () => {
    const { compile, compiler, put } = open();
    const before = compile().mesh;
    const sidecar = compiler.snapshotFor(before, node('reviews-0'));
    const atGateway = compiler.snapshotFor(before, gatewayNode);
    put(workload('details', 1, '127.0.0.1:19999'));
    const after = compile().mesh;
    const next = compiler.snapshotFor(after, node('reviews-0'));
    const changed = [...next.endpoints].filter(([name, set]) => sidecar.endpoints.get(name) !== set);
    assert.deepEqual(
      changed.map(([name]) => name),
      ['outbound|80||details.default.svc.cluster.local'],
    );
    assert.equal(next.clusters, sidecar.clusters);
    assert.equal(next.routes, sidecar.routes);
    assert.equal(next.listeners, sidecar.listeners);
    const [kept] = before.services.get('default/details')?.ports[0]?.endpoints ?? [];
    assert.equal(after.services.get('default/details')?.ports[0]?.endpoints[0], kept);
    assert.equal(compiler.snapshotFor(after, gatewayNode), atGateway);
  });

  it('shares the outbound parts among sidecars of a namespace', () => {
    const { compile, compiler } = open();
    const { mesh } = compile();
    const a = compiler.snapshotFor(mesh, node('reviews-0'));
    const b = compiler.snapshotFor(mesh, node('details-0'));
    assert.equal(a.endpoints, b.endpoints);
    assert.equal(a.routes.get('outbound'), b.routes.get('outbound'));
    const name = 'outbound|80||ratings.default.svc.cluster.local';
    assert.equal(a.clusters.get(name), b.clusters.get(name));
  });

  it('keeps what a resource makes when only its status was written', () => {
    const { compile, resources, put } = open();
    const { mesh, statuses } = compile();
    for (const { resource, status } of statuses.values()) put({ ...resource, status });
    assert.equal(resources.size, 15);
    const again = compile();
    assert.equal(again.statuses.size, 0);
    assert.equal(again.mesh.gateways, mesh.gateways);
    assert.equal(again.mesh.services, mesh.services);
  });

  it('keeps the other routes when one changes', () => {
    const { compile, put } = open();
    put({ ...route('details'), metadata: { name: 'other', namespace: 'default' } });
    const routesOf = (mesh: ReturnType<typeof compile>['mesh']) =>
      mesh.gateways.get('default/shop')?.listeners[0]?.hosts[0]?.routes ?? [];
    const before = routesOf(compile().mesh);
    put(route('ratings', 2));
    const after = routesOf(compile().mesh);
    assert.deepEqual(
      after.map(({ name }) => before.find((one) => one.name === name) === after.find((one) => one.name === name)),
      [true, false],
    );
  });

  it('tells proxies of one node apart when the node changes', () => {
    const { compile, compiler } = open();
    const { mesh } = compile();
    const first = compiler.snapshotFor(mesh, node('reviews-0'));
    const second = compiler.snapshotFor(mesh, node('reviews-0', { inbound: { address: '127.0.0.1', port: 15007 } }));
    assert.equal(first.listeners.get('inbound')?.port, 15006);
    assert.equal(second.listeners.get('inbound')?.port, 15007);
  });
});

describe('conditions', () => {
  const accepted = (resource: Resource | undefined): Condition | undefined =>
    (resource?.status as { parents?: { conditions: Condition[] }[] } | undefined)?.parents?.[0]?.conditions.find(
      ({ type }) => type === 'ResolvedRefs',
    );

  it('move their time only when their status changes', () => {
    const { compile, resources, put } = open();
    const write = (hour: number) => {
      for (const { resource, status } of compile({ nowMs: Date.UTC(2026, 0, 1, hour) }).statuses.values())
        put({ ...resource, status });
      return accepted(resources.get('HTTPRoute shop'));
    };
    assert.deepEqual(write(1)?.lastTransitionTime, '2026-01-01T01:00:00Z');
    put({ ...route('details', 2), status: resources.get('HTTPRoute shop')?.status });
    const same = write(2);
    assert.deepEqual([same?.lastTransitionTime, same?.observedGeneration], ['2026-01-01T01:00:00Z', 2]);
    put({ ...route('gone', 3), status: resources.get('HTTPRoute shop')?.status });
    const changed = write(3);
    assert.deepEqual([changed?.status, changed?.lastTransitionTime], ['False', '2026-01-01T03:00:00Z']);
  });

  it('leave what other controllers wrote', () => {
    const { compile, put } = open();
    const foreign = {
      parentRef: { name: 'elsewhere' },
      controllerName: 'example.com/other',
      conditions: [
        { type: 'Accepted', status: 'True', reason: 'A', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    };
    put({ ...route('reviews'), status: { parents: [foreign] } });
    const { status } = compile().statuses.get('gateway.networking.k8s.io/HTTPRoute/default/shop') ?? {};
    const { parents } = status as { parents: { controllerName: string }[] };
    assert.deepEqual(
      parents.map(({ controllerName }) => controllerName),
      ['example.com/other', 'weft.dev/gateway-controller'],
    );
  });

  it('survive a status of any shape', () => {
    const { compile, put } = open();
    for (const status of [7, 'x', null, { parents: 7 }, { parents: [null, {}] }]) {
      put({ ...route('reviews'), status } as Resource);
      put(gateway({ listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }] }, { status: status as object }));
      assert.doesNotThrow(() => compile());
    }
  });
});

describe('certificates of gateways', () => {
  const { certPem, keyPem } = makeSelfSigned();
  const secret = (name: string, namespace: string, crt: string, key: string): Resource =>
    ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': Buffer.from(crt).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
    }) as Resource;
  const https = (ref: object) =>
    gateway({
      listeners: [
        { name: 'https', port: 8443, protocol: 'HTTPS', hostname: 'shop.example.com', tls: { certificateRefs: [ref] } },
      ],
    });
  const resolved = (compiled: ReturnType<ReturnType<typeof open>['compile']>) => {
    const { status } = compiled.statuses.get('gateway.networking.k8s.io/Gateway/default/shop') ?? {};
    const { listeners } = status as { listeners: { conditions: Condition[] }[] };
    const { reason, message } = listeners[0]?.conditions.find(({ type }) => type === 'ResolvedRefs') ?? {};
    return `${reason} ${message}`.trim();
  };

  it('reach the gateway, one chain for each host name', () => {
    const { compile, compiler, put } = open();
    put(https({ name: 'cert' }));
    put(secret('cert', 'default', certPem, keyPem));
    const compiled = compile();
    assert.equal(resolved(compiled), 'ResolvedRefs everything it refers to exists and may be used');
    const snapshot = compiler.snapshotFor(compiled.mesh, gatewayNode);
    assert.deepEqual([...snapshot.secrets.values()], [{ name: 'default/cert', chainPem: certPem, keyPem }]);
    const [chain] = snapshot.listeners.get('gateway/8443')?.chains ?? [];
    assert.deepEqual(chain?.match, { transport: 'tls', serverNames: ['shop.example.com'] });
    assert.deepEqual(chain?.tls, { mode: 'terminate', secrets: ['default/cert'] });
    assert.deepEqual([...snapshot.routes.keys()], ['gateway/8443/shop.example.com']);
  });

  it('go on as they were while what their Secret holds is bad, not when it is gone', () => {
    const { compile, compiler, put, resources } = open();
    put(https({ name: 'cert' }));
    put(secret('cert', 'default', certPem, keyPem));
    compile();
    put(secret('cert', 'default', 'hello', keyPem));
    const bad = compile();
    assert.match(resolved(bad), /^InvalidCertificateRef .* the certificate that it had before goes on$/);
    const { listeners, secrets } = compiler.snapshotFor(bad.mesh, gatewayNode);
    assert.deepEqual([...listeners.keys()], ['gateway/8443']);
    assert.equal(secrets.get('default/cert')?.name, 'default/cert');
    resources.delete('Secret cert');
    const gone = compile();
    assert.match(resolved(gone), /^InvalidCertificateRef Secret default\/cert does not exist/);
    assert.equal(compiler.snapshotFor(gone.mesh, gatewayNode).listeners.size, 0);
  });

  const refused: Record<string, { ref: object; secret?: Resource; want: RegExp }> = {
    'are refused where there is no Secret': {
      ref: { name: 'cert' },
      want: /^InvalidCertificateRef Secret default\/cert does not exist/,
    },
    'are refused without a certificate in them': {
      ref: { name: 'cert' },
      secret: secret('cert', 'default', 'hello', keyPem),
      want: /^InvalidCertificateRef tls\.crt of Secret default\/cert is not a certificate/,
    },
    'are refused with the key of another': {
      ref: { name: 'cert' },
      secret: secret('cert', 'default', certPem, makeSelfSigned().keyPem),
      want: /^InvalidCertificateRef tls\.key of Secret default\/cert is not the key of its certificate/,
    },
    'are refused from another namespace without a grant': {
      ref: { name: 'cert', namespace: 'certs' },
      secret: secret('cert', 'certs', certPem, keyPem),
      want: /^RefNotPermitted no ReferenceGrant in namespace certs/,
    },
  };
  for (const [sentence, { ref, secret: given, want }] of Object.entries(refused)) {
    it(sentence, () => {
      const { compile, compiler, put } = open();
      put(https(ref));
      if (given) put(given);
      const compiled = compile();
      assert.match(resolved(compiled), want);
      assert.equal(compiler.snapshotFor(compiled.mesh, gatewayNode).listeners.size, 0);
    });
  }

  it('are taken from another namespace with a grant', () => {
    const { compile, put } = open();
    put(https({ name: 'cert', namespace: 'certs' }));
    put(secret('cert', 'certs', certPem, keyPem));
    put({
      apiVersion: 'gateway.networking.k8s.io/v1beta1',
      kind: 'ReferenceGrant',
      metadata: { name: 'g', namespace: 'certs' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'default' }],
        to: [{ group: '', kind: 'Secret' }],
      },
    });
    assert.equal(resolved(compile()), 'ResolvedRefs everything it refers to exists and may be used');
  });
});

describe('policies at a gateway', () => {
  const policy = (name: string, namespace: string, spec: object): Resource => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace },
    spec,
  });

  it('are those for any workload where it runs, and those that name it', () => {
    const { compile, compiler, put } = open();
    const target = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'shop' };
    put(policy('default-deny', 'weft-system', {}));
    put(policy('all-of-the-namespace', 'default', {}));
    put(policy('elsewhere', 'other', {}));
    put(policy('by-target', 'default', { targetRefs: [target] }));
    put(policy('by-other-target', 'default', { targetRefs: [{ ...target, name: 'other' }] }));
    put(policy('by-labels', 'default', { selector: { matchLabels: { app: 'reviews' } } }));
    put(policy('by-other-labels', 'default', { selector: { matchLabels: { app: 'other' } } }));
    const snapshot = compiler.snapshotFor(compile().mesh, gatewayNode);
    const handler = snapshot.listeners.get('gateway/8080')?.chains[0]?.handler;
    assert.ok(handler?.type === 'http');
    assert.deepEqual(
      handler.authorization.map(({ name }) => name),
      ['weft-system/default-deny', 'default/all-of-the-namespace', 'default/by-labels', 'default/by-target'],
    );
  });
});
