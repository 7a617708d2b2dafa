// Listeners of Gateways and ListenerSets from their manifests to both engines: which listener a request belongs to by its
// host name and server name, and which certificate a Gateway shows to backends.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { createServer as createTlsServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { backend, ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { OpensslAuthority } from '../fakes/openssl-authority.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const secret = (name: string, { chainPem, keyPem }: { chainPem: string; keyPem: string }): string => `
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
type: kubernetes.io/tls
data: { tls.crt: ${base64(chainPem)}, tls.key: ${base64(keyPem)} }
`;

const route = (parent: string, path: string, { to = 'program', hostname = '' } = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${path}, namespace: default }
spec:
  parentRefs: [{ ${parent} }]
  ${hostname && `hostnames: ["${hostname}"]`}
  rules: [{ matches: [{ path: { value: /${path} } }], backendRefs: [{ name: ${to}, port: 80 }] }]
`;

interface Ports {
  readonly plain: number;
  readonly secure: number;
  /** Without a listener for all names. */
  readonly strict: number;
  readonly known: number;
  readonly unknown: number;
}

const TLS = 'tls: { certificateRefs: [{ name: server }] }';

const gateways = ({ plain, secure, strict, known, unknown }: Ports): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  allowedListeners: { namespaces: { from: Same } }
  listeners:
    - { name: any, port: ${plain}, protocol: HTTP }
    - { name: wide, port: ${plain}, protocol: HTTP, hostname: "*.example.test" }
    - { name: exact, port: ${plain}, protocol: HTTP, hostname: one.example.test }
    - { name: secure-any, port: ${secure}, protocol: HTTPS, ${TLS} }
    - { name: secure-wide, port: ${secure}, protocol: HTTPS, hostname: "*.example.test", ${TLS} }
    - { name: secure-exact, port: ${secure}, protocol: HTTPS, hostname: one.example.test, ${TLS} }
    - { name: strict-one, port: ${strict}, protocol: HTTPS, hostname: one.strict.test, ${TLS} }
    - { name: strict-two, port: ${strict}, protocol: HTTPS, hostname: "*.two.test", ${TLS} }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: team, namespace: default }
spec:
  parentRef: { name: edge }
  listeners: [{ name: any, port: ${plain}, protocol: HTTP, hostname: team.test }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: known, namespace: default }
spec:
  gatewayClassName: weft
  tls: { backend: { clientCertificateRef: { name: client } } }
  listeners: [{ name: http, port: ${known}, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: unknown, namespace: default }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: ${unknown}, protocol: HTTP }]
`;

const get = (port: number, host: string, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { host: LOOPBACK, port, path, headers: { host }, agent: false };
    request(options, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      .on('error', reject)
      .end();
  });

const body = (port: number, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    request({ host: LOOPBACK, port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });

/** The status of each request, all by one connection. */
const statuses = async (port: number, servername: string, asked: readonly (readonly [string, string])[]) => {
  const session = connect(`https://${LOOPBACK}:${port}`, { servername, rejectUnauthorized: false });
  session.on('error', () => {});
  try {
    return await Promise.all(
      asked.map(
        ([host, path]) =>
          new Promise<number>((resolve, reject) => {
            const stream = session.request({ ':authority': host, ':path': path });
            stream.on('response', (headers) => resolve(Number(headers[':status'])));
            stream.on('error', reject);
            stream.resume();
          }),
      ),
    );
  } finally {
    session.close();
  }
};

for (const name of ENGINES) {
  describe(`listeners on the engine ${name}`, () => {
    const authority = new OpensslAuthority('listeners');
    let program: FakeServer;
    let checking: Server;
    let ports: Ports;
    let engine: GatewayEngine | undefined;

    before(async () => {
      program = await openServer((_, response) => response.end('program'));
      const { keyPem, chainPem } = authority.issue({ names: 'DNS:backend.test' });
      checking = createTlsServer(
        { key: keyPem, cert: chainPem, ca: authority.rootPem, requestCert: true, rejectUnauthorized: false },
        ({ socket }, response) => response.end((socket as TLSSocket).getPeerX509Certificate()?.subject ?? 'nobody'),
      );
      await new Promise<void>((resolve) => checking.listen(0, LOOPBACK, resolve));
      const [plain, secure, strict, known, unknown] = await freePorts(5);
      ports = { plain: plain!, secure: secure!, strict: strict!, known: known!, unknown: unknown! };
      engine = await startGateway(name, [
        gateways(ports),
        secret('server', authority.issue({ names: 'DNS:*.example.test' })),
        secret('client', authority.issue({ subject: '/CN=gateway' })),
        backend('program', program.port),
        backend('checking', (checking.address() as AddressInfo).port),
        route('name: edge, sectionName: any', 'any'),
        route('name: edge, sectionName: wide', 'wide'),
        route('name: edge, sectionName: exact', 'exact'),
        route('kind: ListenerSet, name: team, sectionName: any', 'team'),
        route('name: edge, sectionName: secure-any', 'secure-any', { hostname: 'plain.test' }),
        route('name: edge, sectionName: secure-wide', 'secure-wide'),
        route('name: edge, sectionName: secure-exact', 'secure-exact'),
        route('name: known', 'known', { to: 'checking' }),
        route('name: unknown', 'unknown', { to: 'checking' }),
        `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: checking, namespace: default }
spec:
  targetRefs: [{ group: "", kind: Service, name: checking }]
  validation: { hostname: backend.test, caCertificateRefs: [{ group: "", kind: ConfigMap, name: authority }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: authority, namespace: default }
data: { ca.crt: ${JSON.stringify(authority.rootPem)} }
`,
      ]);
    });
    after(async () => {
      await engine?.close();
      checking?.close();
      checking?.closeAllConnections();
      await program?.close();
      authority.close();
    });

    const isolated: Record<string, string> = {
      'one.example.test': '/exact',
      'two.example.test': '/wide',
      'x.two.example.test': '/wide',
      'example.test': '/any',
      'team.test': '/team',
    };
    for (const [host, own] of Object.entries(isolated)) {
      it(`gives ${host} to one listener alone`, async () => {
        const paths = ['/any', '/wide', '/exact', '/team'];
        const answered = await Promise.all(paths.map((path) => get(ports.plain, host, path)));
        assert.deepEqual(
          answered,
          paths.map((path) => (path === own ? 200 : 404)),
        );
      });
    }

    const misdirected: Record<string, readonly (readonly [host: string, path: string, status: number])[]> = {
      'one.example.test': [
        ['one.example.test', '/secure-exact', 200],
        ['one.example.test', '/secure-wide', 404],
        ['two.example.test', '/secure-wide', 421],
        ['plain.test', '/secure-any', 421],
        ['unknown.test', '/secure-any', 421],
      ],
      'two.example.test': [
        ['two.example.test', '/secure-wide', 200],
        ['three.example.test', '/secure-wide', 200],
        ['one.example.test', '/secure-exact', 421],
        ['unknown.test', '/', 421],
      ],
      'plain.test': [
        ['plain.test', '/secure-any', 200],
        ['unknown.test', '/secure-any', 404],
        ['one.example.test', '/secure-exact', 421],
        ['two.example.test', '/secure-wide', 421],
      ],
    };
    for (const [servername, cases] of Object.entries(misdirected)) {
      it(`sends away what doesn't belong on a connection to ${servername}`, async () => {
        const answered = await statuses(
          ports.secure,
          servername,
          cases.map(([host, path]) => [host, path]),
        );
        assert.deepEqual(
          answered,
          cases.map(([, , status]) => status),
        );
      });
    }

    it('says of a name that no listener has that there is nothing', async () => {
      const asked = [
        ['one.strict.test', '/'],
        ['a.two.test', '/'],
        ['unknown.test', '/'],
      ] as const;
      assert.deepEqual(await statuses(ports.strict, 'one.strict.test', asked), [404, 421, 404]);
      assert.deepEqual(await statuses(ports.strict, 'b.two.test', asked), [421, 404, 404]);
    });

    it('shows a backend the certificate of the one Gateway that has one', async () => {
      assert.deepEqual(
        [await body(ports.known, '/known'), await body(ports.unknown, '/unknown')],
        ['CN=gateway', 'nobody'],
      );
    });
  });
}
