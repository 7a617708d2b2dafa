// What can be called: Services, endpoints written by hand, names outside the mesh. Used by features.test.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { makeSelfSigned } from '../../fakes/self-signed.ts';
import { until } from '../until.ts';
import { openTunnel } from './http-call.ts';
import { type Features, service } from './setup.ts';

/** Runs `use` with a plain server that is in no mesh and answers its name and the host that it was asked for. */
const withServer = async (
  name: string,
  use: (port: number) => Promise<void>,
  tls?: { certPem: string; keyPem: string },
) => {
  const answer: Parameters<typeof createServer>[1] = (call, response) =>
    void response.end(`${name} ${call.headers.host}`);
  const server: Server = tls
    ? createSecureServer({ cert: tls.certPem, key: tls.keyPem }, answer)
    : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    (server as ReturnType<typeof createServer>).closeAllConnections();
    server.close();
  }
};

const entry = (name: string, host: string, spec: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { hosts: [${host}], location: MESH_EXTERNAL, ${spec} }
`;

const textAt = async (f: Features, url: string): Promise<string> => {
  const { status, body } = await f.caller.call(url);
  return status === 200 ? body : `status ${status}`;
};

const nameAt = async (caller: Features['caller'], url: string): Promise<string> => {
  const { status, body } = await caller.call(url);
  return status === 200 ? (JSON.parse(body) as { name: string }).name : `status ${status}`;
};

export const registryCases: Record<string, (f: Features) => Promise<void>> = {
  'a ServiceEntry with fixed endpoints, and one by DNS, are called by plain HTTP': (f) =>
    withServer('outside', async (port) => {
      const ports = `ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]`;
      await f.apply(
        entry('fixed', 'fixed.example', `resolution: STATIC, ${ports}, endpoints: [{ address: 127.0.0.1 }]`),
        entry('by-name', 'named.example', `resolution: DNS, ${ports}, endpoints: [{ address: localhost }]`),
        entry('itself', 'localhost', `resolution: DNS, ports: [{ number: ${port}, name: http, protocol: HTTP }]`),
      );
      await until('the fixed one', async () => (await textAt(f, 'http://fixed.example/')) === 'outside fixed.example');
      await until('the one by DNS', async () => (await textAt(f, 'http://named.example/')) === 'outside named.example');
      await until(
        'its own name',
        async () => (await textAt(f, `http://localhost:${port}/`)) === `outside localhost:${port}`,
      );
    }),

  'HTTPS outside goes through by CONNECT, end to end': (f) => {
    const tls = makeSelfSigned();
    const use = async (port: number) => {
      const ports = `ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${port} }]`;
      await f.apply(
        entry('secure', 'secure.example', `resolution: STATIC, ${ports}, endpoints: [{ address: 127.0.0.1 }]`),
      );
      const tunnel = await until('the tunnel', async () => {
        const opened = await openTunnel(f.caller.port, 'secure.example:443');
        return opened.status === 200 && opened;
      });
      const socket = connectTls({
        socket: tunnel.socket,
        ca: tls.certPem,
        servername: '',
        checkServerIdentity: () => undefined,
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.write('GET / HTTP/1.1\r\nhost: secure.example\r\nconnection: close\r\n\r\n');
      await new Promise((resolve) => socket.once('close', resolve));
      assert.match(text, /outside secure\.example/);
      await f.flow(
        'the tunnel',
        ({ protocol, destination }) => protocol === 'tcp' && destination.service === 'secure.example',
      );
    };
    return withServer('outside', use, tls);
  },

  'an unknown host, and a port that is not listed, are refused in clear words': async (f) => {
    const unknown = await f.caller.call('http://unknown.example/');
    assert.equal(unknown.status, 404);
    assert.match(unknown.body, /no service "unknown\.example(:80)?" in the mesh/);
    const port = await f.caller.call('http://web:81/');
    assert.equal(port.status, 404);
    assert.match(port.body, /no service "web:81" in the mesh/);
    const tunnel = await openTunnel(f.caller.port, 'unknown.example:443');
    assert.equal(tunnel.status, 404);
    await f.flow(
      'the unknown host',
      ({ http, flags }) => http?.host === 'unknown.example' && flags.includes('NR') && http.status === 404,
    );
  },

  'a WorkloadEntry by hand, and an EndpointSlice, lead to plain programs': (f) =>
    withServer('plain', async (port) => {
      await f.apply(
        service('by-entry', '{ app: by-entry }', 'default', '[{ name: http, port: 80, targetPort: web }]'),
        `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: by-hand }
spec: { address: 127.0.0.1, ports: { web: ${port} }, labels: { app: by-entry } }
---
apiVersion: v1
kind: Service
metadata: { name: by-slice }
spec: { ports: [{ name: http, port: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: by-slice-1, labels: { kubernetes.io/service-name: by-slice } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`,
      );
      await until('the entry', async () => (await textAt(f, 'http://by-entry/')) === 'plain by-entry');
      await until('the slice', async () => (await textAt(f, 'http://by-slice:8080/')) === 'plain by-slice:8080');
      const event = await f.flow(
        'the plain call',
        // Not one of those before the slice was known.
        ({ destination, http }) => destination.service === 'by-slice' && http?.status === 200,
      );
      assert.deepEqual(
        [event.direction, event.destination.address, event.tls, event.flags],
        ['outbound', `127.0.0.1:${port}`, 'none', []],
      );
    }),

  'a short name means the service of the own namespace; full names reach the others': async (f) => {
    const open = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web-of-other, namespace: other }
spec: { selector: { matchLabels: { app: web } }, rules: [{}] }
`;
    await f.apply(open);
    await until('the policy', async () => (await nameAt(f.stranger, 'http://web/')) === 'other-web');
    for (let i = 0; i < 6; i++) assert.match(await nameAt(f.caller, 'http://web/'), /^web-[12]$/);
    for (const name of ['web.other', 'web.other.svc', 'web.other.svc.cluster.local', 'WEB.Other']) {
      assert.equal(await nameAt(f.caller, `http://${name}/`), 'other-web', name);
    }
    assert.equal(await nameAt(f.stranger, 'http://web.default/'), 'status 403');
  },

  'a headless Service, and edits of selectors and labels, move calls': async (f) => {
    const moving = (selector: string) =>
      service('moving', selector, 'default', '[{ name: http, port: 80, targetPort: http }]');
    await f.apply(
      moving('{ app: web, version: v1 }'),
      `
apiVersion: v1
kind: Service
metadata: { name: headless }
spec: { clusterIP: None, selector: { app: web, version: v2 }, ports: [{ name: http, port: 80, targetPort: http }] }
`,
    );
    await until('the headless one', async () => (await nameAt(f.caller, 'http://headless/')) === 'web-2');
    await until('the first', async () => (await nameAt(f.caller, 'http://moving/')) === 'web-1');
    await f.apply(moving('{ app: web, version: v2 }'));
    await until('the second', async () => (await nameAt(f.caller, 'http://moving/')) === 'web-2');
    await f.apply(moving('{ app: nobody }'));
    await until('none', async () => (await nameAt(f.caller, 'http://moving/')) === 'status 503');
    await f.flow(
      'no endpoint',
      ({ flags, destination, http }) =>
        flags.includes('UH') && destination.service === 'moving' && http?.status === 503,
    );
  },

  'two ports of one service lead to two ports of the program': async (f) => {
    assert.match(await nameAt(f.caller, 'http://web/'), /^web-/);
    const tunnel = await openTunnel(f.caller.port, 'web:7000');
    assert.equal(tunnel.status, 200);
    tunnel.socket.write('ping by the second port');
    const [answer] = (await once(tunnel.socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), 'pong');
    tunnel.socket.destroy();
  },
};
