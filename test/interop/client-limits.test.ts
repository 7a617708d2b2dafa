// Limits of clients, from a ClientTrafficPolicy to both engines: each ends the same things in the same way.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import {
  backend,
  ENGINES,
  freePorts,
  type GatewayEngine,
  LOOPBACK,
  snapshotOf,
  startSnapshot,
} from '../fakes/gateway-engines.ts';
import { type RawPeer, rawClient } from '../fakes/raw-peer.ts';

const SECTIONS = ['used', 'old', 'slow', 'stalled', 'idle', 'crowded', 'large'] as const;
type Section = (typeof SECTIONS)[number];

const SPECS: Readonly<Record<Exclude<Section, 'large'>, string>> = {
  used: 'connection: { connectionLimit: { maxRequestsPerConnection: 2 } }',
  old: 'connection: { connectionLimit: { maxConnectionDuration: 300ms } }',
  slow: 'timeout: { http: { requestReceivedTimeout: 300ms } }',
  stalled: 'timeout: { http: { streamIdleTimeout: 300ms } }',
  idle: 'timeout: { http: { idleTimeout: 300ms } }',
  crowded: 'connection: { connectionLimit: { value: 1 } }',
};

const policy = (section: string, spec: string): string => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: { name: ${section}, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: ${section} }]
  ${spec}
`;

const manifests = (ports: Readonly<Record<Section, number>>, program: number): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  listeners: [${SECTIONS.map((name) => `{ name: ${name}, port: ${ports[name]}, protocol: HTTP }`).join(', ')}]
`,
  `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: all, namespace: default }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: app, port: 80 }] }] }
`,
  backend('app', program),
  ...Object.entries(SPECS).map(([section, spec]) => policy(section, spec)),
];

/** What no policy says yet. */
const withMaxBytes = (snapshot: ReturnType<typeof snapshotOf>, port: number): typeof snapshot => ({
  ...snapshot,
  listeners: new Map(
    [...snapshot.listeners].map(([name, listener]) => [
      name,
      listener.port !== port
        ? listener
        : {
            ...listener,
            chains: listener.chains.map((chain) =>
              chain.handler.type === 'http'
                ? { ...chain, handler: { ...chain.handler, limits: { maxRequestBytes: 4 } } }
                : chain,
            ),
          },
    ]),
  ),
});

const GET = 'GET / HTTP/1.1\r\nhost: x.test\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nhost: x.test\r\n';

for (const name of ENGINES) {
  // Each case has a listener of its own.
  describe(`the engine ${name}`, { concurrency: true }, () => {
    let server: Server;
    let engine: GatewayEngine | undefined;
    let ports: Record<Section, number>;
    const clients: RawPeer[] = [];
    const client = async (section: Section): Promise<RawPeer> => {
      const peer = await rawClient(ports[section]);
      clients.push(peer);
      return peer;
    };

    before(async () => {
      // Answers a body when it was read.
      server = createServer((request, response) => {
        request.resume().on('end', () => response.end('done'));
      });
      await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
      const free = await freePorts(SECTIONS.length);
      ports = Object.fromEntries(SECTIONS.map((section, i) => [section, free[i]])) as Record<Section, number>;
      const { port } = server.address() as { port: number };
      engine = await startSnapshot(name, withMaxBytes(snapshotOf(manifests(ports, port)), ports.large));
    });
    after(async () => {
      for (const peer of clients) peer.destroy();
      await engine?.close();
      server.closeAllConnections();
      server.close();
    });

    it('ends a connection with the last request that it may carry', async () => {
      const peer = await client('used');
      peer.write(GET);
      assert.doesNotMatch(await peer.take('done'), /connection: close/i);
      peer.write(GET);
      assert.match(await peer.rest(), /^HTTP\/1\.1 200 .*connection: close.*done$/is);
    });

    it('closes a connection that is old and does nothing', async () => {
      assert.equal(await (await client('old')).rest(), '');
      const peer = await client('old');
      peer.write(GET);
      assert.match(await peer.rest(), /^HTTP\/1\.1 200 .*done$/s);
    });

    it('answers 408 to a request that takes too long, though its bytes keep coming', async () => {
      const peer = await client('slow');
      peer.write(`${POST}content-length: 1000000\r\n\r\n`);
      const drip = setInterval(() => peer.write('x'), 20);
      try {
        assert.match(await peer.take('\r\n\r\n'), /^HTTP\/1\.1 408 /);
      } finally {
        clearInterval(drip);
      }
    });

    it('answers 408 to a request that stands still', async () => {
      const peer = await client('stalled');
      peer.write(`${POST}content-length: 10\r\n\r\nabc`);
      assert.match(await peer.take('\r\n\r\n'), /^HTTP\/1\.1 408 /);
    });

    it('closes a connection that waits too long between requests', async () => {
      const peer = await client('idle');
      peer.write(GET);
      assert.match(await peer.rest(), /done$/);
    });

    it('closes what is one connection too many', async () => {
      const first = await client('crowded');
      first.write(GET);
      await first.take('done');
      assert.equal(await (await client('crowded')).rest(), '');
      first.write(GET);
      assert.match(await first.take('done'), /^HTTP\/1\.1 200 /);
    });

    it('answers 413 to a body that is too large, with a length or without', async () => {
      const told = await client('large');
      told.write(`${POST}content-length: 10\r\n\r\n0123456789`);
      assert.match(await told.take('\r\n\r\n'), /^HTTP\/1\.1 413 /);
      const chunked = await client('large');
      chunked.write(`${POST}transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n`);
      assert.match(await chunked.take('\r\n\r\n'), /^HTTP\/1\.1 413 /);
      const exact = await client('large');
      exact.write(`${POST}content-length: 4\r\n\r\n0123`);
      assert.match(await exact.take('done'), /^HTTP\/1\.1 200 /);
    });
  });
}
