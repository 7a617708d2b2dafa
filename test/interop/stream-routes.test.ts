// TCPRoute and TLSRoute from their manifests to both engines: weights, precedence, server names, TLS passed through, ended
// and begun again, listeners of ListenerSets.
import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { backend, ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

const certificate = makeSelfSigned();
const atBackend = makeSelfSigned({ dnsNames: ['backend.test'] });

/** Says its name, then echoes; half-close is answered with a last word. */
const serve = (name: string) => (socket: Socket) => {
  socket.on('error', () => {});
  socket.write(`${name} `);
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end(' bye'));
};

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, LOOPBACK, () => resolve((server.address() as { port: number }).port));
  });

/** All that a peer says to `hello` and the end of the stream; empty when it closes without a word. */
const talk = (socket: Socket, first = 'hello'): Promise<string> =>
  new Promise((resolve) => {
    let said = '';
    socket.on('data', (chunk) => {
      if (said === '') socket.end(first);
      said += chunk;
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(said));
  });

const tcp = (port: number): Promise<string> => talk(connectTcp({ host: LOOPBACK, port, allowHalfOpen: true }));

interface TlsAnswer {
  readonly said: string;
  readonly certificate: string;
}

const tls = async (port: number, servername: string): Promise<TlsAnswer> => {
  const socket = connectTls({ host: LOOPBACK, port, servername, rejectUnauthorized: false });
  let shown = '';
  socket.on('secureConnect', () => {
    shown = socket.getPeerX509Certificate()?.toString() ?? '';
  });
  const said = await talk(socket);
  return { said, certificate: shown };
};

interface RouteDetails {
  readonly hostnames?: string;
  readonly created?: string;
  readonly parent?: string;
}

const route = (kind: string, name: string, section: string, backends: string, details: RouteDetails = {}): string => {
  const { hostnames, created = '2025-01-01', parent = 'name: edge' } = details;
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default, creationTimestamp: "${created}T00:00:00Z" }
spec:
  parentRefs: [{ ${parent}, sectionName: ${section} }]
  ${hostnames ? `hostnames: [${hostnames}]` : ''}
  rules: [{ backendRefs: [${backends}] }]
`;
};

const manifests = (listeners: readonly number[], programs: Readonly<Record<string, number>>): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  allowedListeners: { namespaces: { from: Same } }
  listeners:
    - { name: both, port: ${listeners[0]}, protocol: TCP }
    - { name: one, port: ${listeners[1]}, protocol: TCP }
    - { name: empty, port: ${listeners[2]}, protocol: TCP }
    - { name: wanted, port: ${listeners[4]}, protocol: TCP }
    - { name: passed, port: ${listeners[3]}, protocol: TLS, hostname: "*.passed.test", tls: { mode: Passthrough } }
    - { name: ended, port: ${listeners[3]}, protocol: TLS, hostname: "*.ended.test", tls: { certificateRefs: [{ name: cert }] } }
    - { name: web, port: ${listeners[3]}, protocol: HTTPS, hostname: web.test, tls: { certificateRefs: [{ name: cert }] } }
`,
  `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: team, namespace: default }
spec:
  parentRef: { name: edge }
  listeners: [{ name: own, port: ${listeners[5]}, protocol: TCP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: checked, namespace: default }
spec:
  targetRefs: [{ group: "", kind: Service, name: checked }]
  validation: { hostname: backend.test, caCertificateRefs: [{ group: "", kind: ConfigMap, name: authority }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: authority, namespace: default }
data: { ca.crt: ${JSON.stringify(atBackend.certPem)} }
`,
  `
apiVersion: v1
kind: Secret
metadata: { name: cert, namespace: default }
type: kubernetes.io/tls
data:
  tls.crt: ${Buffer.from(certificate.certPem).toString('base64')}
  tls.key: ${Buffer.from(certificate.keyPem).toString('base64')}
`,
  ...Object.entries(programs).map(([name, port]) => backend(name, port)),
  route('TCPRoute', 'both', 'both', '{ name: a, port: 80, weight: 1 }, { name: b, port: 80, weight: 1 }'),
  route('TCPRoute', 'one', 'one', '{ name: a, port: 80 }, { name: b, port: 80, weight: 0 }'),
  route('TCPRoute', 'younger', 'wanted', '{ name: b, port: 80 }', { created: '2025-01-02' }),
  route('TCPRoute', 'older', 'wanted', '{ name: a, port: 80 }'),
  route('TCPRoute', 'team', 'own', '{ name: b, port: 80 }', { parent: 'kind: ListenerSet, name: team' }),
  route('TLSRoute', 'exact', 'passed', '{ name: secure, port: 80 }', {
    hostnames: 'exact.passed.test, "*.wide.passed.test"',
  }),
  route('TLSRoute', 'other', 'passed', '{ name: secure-other, port: 80 }', { hostnames: '"*.passed.test"' }),
  route('TLSRoute', 'checked', 'passed', '{ name: checked, port: 80 }', { hostnames: 'checked.passed.test' }),
  route('TLSRoute', 'ended', 'ended', '{ name: a, port: 80 }', { hostnames: 'tls.ended.test' }),
  route('TLSRoute', 'again', 'ended', '{ name: checked, port: 80 }', { hostnames: 'again.ended.test' }),
  route('TCPRoute', 'rest', 'ended', '{ name: b, port: 80 }'),
];

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    const servers: Server[] = [];
    let listeners: number[] = [];
    let engine: GatewayEngine | undefined;

    before(async () => {
      const secure = { key: atBackend.keyPem, cert: atBackend.certPem };
      servers.push(
        ...['a', 'b'].map((program) => createServer({ allowHalfOpen: true }, serve(program))),
        ...['secure', 'secure-other', 'checked'].map((program) =>
          createTlsServer({ ...secure, allowHalfOpen: true }, serve(program)),
        ),
      );
      const [a, b, passed, other, checked] = await Promise.all(servers.map(listen));
      listeners = await freePorts(6);
      const programs = { a: a!, b: b!, secure: passed!, 'secure-other': other!, checked: checked! };
      engine = await startGateway(name, manifests(listeners, programs));
    });
    after(async () => {
      await engine?.close();
      for (const server of servers) server.close();
    });

    it('shares connections by weight', async () => {
      const said = await Promise.all(Array.from({ length: 40 }, () => tcp(listeners[0]!)));
      assert.deepEqual([...new Set(said)].sort(), ['a hello bye', 'b hello bye']);
    });

    it('gives none to a backend of weight 0', async () => {
      const said = await Promise.all(Array.from({ length: 20 }, () => tcp(listeners[1]!)));
      assert.deepEqual([...new Set(said)], ['a hello bye']);
    });

    it('closes connections to a listener without a route', async () => {
      assert.equal(await tcp(listeners[2]!), '');
    });

    it('gives all to the oldest of the routes that want a listener', async () => {
      const said = await Promise.all(Array.from({ length: 20 }, () => tcp(listeners[4]!)));
      assert.deepEqual([...new Set(said)], ['a hello bye']);
    });

    it('serves the listeners of a ListenerSet', async () => {
      assert.equal(await tcp(listeners[5]!), 'b hello bye');
    });

    const names: Record<string, [certificate: string, said: string]> = {
      'exact.passed.test': [atBackend.certPem, 'secure hello bye'],
      'a.b.wide.passed.test': [atBackend.certPem, 'secure hello bye'],
      'another.passed.test': [atBackend.certPem, 'secure-other hello bye'],
      'checked.passed.test': [atBackend.certPem, 'checked hello bye'],
      'again.ended.test': [certificate.certPem, 'checked hello bye'],
      'tls.ended.test': [certificate.certPem, 'a hello bye'],
      'tcp.ended.test': [certificate.certPem, 'b hello bye'],
      'unknown.test': ['', ''],
    };
    for (const [servername, [shown, said]] of Object.entries(names)) {
      it(`leads ${servername} to ${said || 'nowhere'}`, async () => {
        const answer = await tls(listeners[3]!, servername);
        assert.equal(answer.said, said);
        assert.equal(answer.certificate.replace(/\s/g, ''), shown.replace(/\s/g, ''));
      });
    }

    it('serves HTTPS on the same port', async () => {
      const socket = connectTls({
        host: LOOPBACK,
        port: listeners[3]!,
        servername: 'web.test',
        rejectUnauthorized: false,
      });
      socket.write('GET / HTTP/1.1\r\nhost: web.test\r\nconnection: close\r\n\r\n');
      assert.match(await talk(socket), /^HTTP\/1\.1 404 /);
    });
  });
}
