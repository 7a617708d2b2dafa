// Client certificates at listeners, with certificates of a real authority: what the golden cases can't hold.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { OpensslAuthority } from '../../test/fakes/openssl-authority.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { openCompiler } from './compiler.ts';

const authority = new OpensslAuthority('test');
after(() => authority.close());
const listPem = authority.listPem();
const server = authority.issue({ names: 'DNS:a.test' });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const node: ProxyNode = {
  id: 'gateway~127.0.0.1~gw.default~default.svc.cluster.local',
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

const resource = (apiVersion: string, kind: string, name: string, rest: object, created = '2025-01-01T00:00:00Z') =>
  ({ apiVersion, kind, metadata: { name, namespace: 'default', creationTimestamp: created }, ...rest }) as Resource;

const API = 'gateway.networking.k8s.io/v1';

const shared: Resource[] = [
  {
    apiVersion: API,
    kind: 'GatewayClass',
    metadata: { name: 'weft' },
    spec: { controllerName: 'weft.dev/gateway-controller' },
  },
  resource('v1', 'Secret', 'server', {
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(server.chainPem), 'tls.key': base64(server.keyPem) },
  }),
  resource('v1', 'ConfigMap', 'authority', { data: { 'ca.crt': `# ours\n${authority.rootPem}` } }),
  resource('v1', 'Secret', 'list', { data: { 'ca.crl': base64(listPem) } }),
  resource('v1', 'ConfigMap', 'broken', { data: { 'ca.crt': 'nothing', 'ca.crl': 'nothing' } }),
];

const gateway = (name: string, rest: object = {}, created?: string): Resource =>
  resource(
    API,
    'Gateway',
    name,
    {
      spec: {
        gatewayClassName: 'weft',
        listeners: [
          {
            name: 'https',
            port: 8443,
            protocol: 'HTTPS',
            hostname: 'a.test',
            tls: { certificateRefs: [{ name: 'server' }] },
          },
        ],
        ...rest,
      },
    },
    created,
  );

const policy = (clientValidation: object): Resource =>
  resource('gateway.envoyproxy.io/v1alpha1', 'ClientTrafficPolicy', 'members', {
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }],
      tls: { ciphers: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'], ecdhCurves: ['P-256'], clientValidation },
    },
  });

const frontend = (mode: string) => ({
  tls: {
    frontend: {
      default: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'authority' }], mode } },
      perPort: [{ port: 9443, tls: {} }],
    },
  },
});

const ref = (kind: string, name: string) => ({ kind, name });

const compiled = (...resources: Resource[]) => {
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const { mesh, problems } = compiler.compile([...shared, ...resources], { revision: 1, nowMs: 0 });
  const { listeners, secrets } = compiler.snapshotFor(mesh, node);
  const chains = listeners.get('gateway/8443')?.chains ?? [];
  return { tls: chains.map((chain) => chain.tls), secrets, problems: problems.map(({ message }) => message) };
};

test('authorities and lists come together in one secret, and names of suites become OpenSSL ones', () => {
  const crl = { refs: [ref('Secret', 'list')] };
  const given = policy({ optional: true, caCertificateRefs: [ref('ConfigMap', 'authority')], crl });
  const { tls, secrets, problems } = compiled(gateway('edge'), given);
  const name = 'ConfigMap/default/authority+Secret/default/list';
  assert.deepEqual(problems, []);
  assert.deepEqual(tls, [
    {
      mode: 'terminate',
      secrets: ['default/server'],
      ciphers: ['ECDHE-RSA-AES128-GCM-SHA256'],
      curves: ['P-256'],
      clientValidation: { secret: name, optional: true },
    },
  ]);
  assert.deepEqual(secrets.get(name), { name, caPem: authority.rootPem, crlPem: listPem });
});

const bundle = (name: string, spec: object): Resource => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'ClusterTrustBundle',
  metadata: { name },
  spec: { trustBundle: authority.rootPem, ...spec },
});

const byBundle = (name: string) => {
  const caCertificateRefs = [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name }];
  return gateway('edge', { tls: { frontend: { default: { validation: { caCertificateRefs } } } } });
};

test('authorities come from a bundle of the cluster too, for clients and for backends', () => {
  const name = 'example.com:ca:v1';
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const ports = [{ name: 'https', port: 443 }];
  const validation = {
    hostname: 'backend.test',
    caCertificateRefs: [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name }],
  };
  const backendPolicy = resource(API, 'BackendTLSPolicy', 'backend', {
    spec: { targetRefs: [{ group: '', kind: 'Service', name: 'backend' }], validation },
  });
  const resources = [
    ...shared,
    bundle(name, { signerName: 'example.com/ca' }),
    byBundle(name),
    resource('v1', 'Service', 'backend', { spec: { ports } }),
    backendPolicy,
  ];
  const { mesh, problems } = compiler.compile(resources, { revision: 1, nowMs: 0 });
  assert.deepEqual(
    problems.map(({ message }) => message),
    [],
  );
  const wanted = { name: `ClusterTrustBundle/${name}`, caPem: authority.rootPem };
  const [listener] = mesh.gateways.get('default/edge')?.listeners ?? [];
  assert.deepEqual(listener?.client?.validation?.secret, wanted);
  const [tls] = mesh.backendTls.values();
  assert.deepEqual(tls && !tls.refused && tls.ca, wanted);
});

test('a bundle that does not exist lets nobody in', () => {
  const { problems } = compiled(byBundle('nowhere'));
  assert.match(problems.join(), /ClusterTrustBundle nowhere does not exist/);
});

test("the Gateway's own check holds where no policy has one", () => {
  const { tls } = compiled(gateway('edge', frontend('AllowInsecureFallback')));
  const [terminate] = tls;
  assert.deepEqual(terminate?.mode === 'terminate' && terminate.clientValidation, {
    secret: 'ConfigMap/default/authority',
    optional: true,
    acceptInvalid: true,
  });
});

const unusable: Record<string, [clientValidation: object, why: RegExp]> = {
  'no authority': [{}, /no caCertificateRefs/],
  'an authority that is none': [{ caCertificateRefs: [ref('ConfigMap', 'broken')] }, /not in PEM form/],
  'a list that is none': [
    { caCertificateRefs: [ref('ConfigMap', 'authority')], crl: { refs: [ref('ConfigMap', 'broken')] } },
    /ca\.crl of ConfigMap default\/broken/,
  ],
  'a key that is not there': [{ caCertificateRefs: [ref('Secret', 'list')] }, /has no ca\.crt/],
  'another kind': [{ caCertificateRefs: [ref('Service', 'x')] }, /Service is not supported/],
  'another namespace': [
    { caCertificateRefs: [{ ...ref('ConfigMap', 'authority'), namespace: 'other' }] },
    /no ReferenceGrant in namespace other/,
  ],
};

for (const [title, [validation, why]] of Object.entries(unusable)) {
  test(`a listener is not served with ${title}`, () => {
    const { tls, problems } = compiled(gateway('edge'), policy(validation));
    assert.deepEqual(tls, []);
    assert.ok(
      problems.some((message) => why.test(message)),
      problems.join('\n'),
    );
  });
}

test('Gateways that share a port and a name can not let different clients in', () => {
  const later = gateway('later', frontend('AllowValidOnly'), '2025-01-02T00:00:00Z');
  const { tls, problems } = compiled(gateway('edge'), later);
  assert.equal(tls.length, 1);
  assert.ok(
    problems.some((message) => /lets other clients in/.test(message)),
    problems.join('\n'),
  );
});
