// What external authorization does beside its verdicts, in both engines: events, clients that leave, bodies that are waited for.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ExternalAuth } from '../../src/filters/external-auth/schema.ts';
import { type AuthServers, authParts, openAuthServers } from '../fakes/auth-servers.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { forward, route } from '../fakes/envoy-mesh.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { type RawPeer, rawClient, until } from '../fakes/raw-peer.ts';

const auth = (protocol: ExternalAuth['protocol'], maxBodyBytes = 0): ExternalAuth => ({
  type: 'external-auth',
  cluster: `auth-${protocol}`,
  protocol,
  pathPrefix: '',
  requestHeaders: ['x-verdict'],
  responseHeaders: [],
  maxBodyBytes,
  timeoutMs: 20_000,
});

const HOSTS = { http: [auth('http')], grpc: [auth('grpc')], body: [auth('http', 1000)] } as const;

for (const name of ENGINES) {
  describe(`external authorization in ${name}`, () => {
    let engine: Engine;
    let program: FakeServer;
    let servers: AuthServers;

    before(async () => {
      program = await openServer((request, response) => {
        request.resume().on('end', () => response.end('ok'));
      });
      servers = await openAuthServers();
      const { clusters, endpoints } = authParts(program.port, servers);
      const hosts = Object.entries(HOSTS).map(([host, filters]) => ({
        name: host,
        domains: [`${host}.test`],
        routes: [route({ filters, action: forward(['program', 1]) })],
      }));
      engine = await openEngine(name, ['gateway'], (port) => ({
        ...gatewaySnapshot(port('gateway'), hosts, clusters),
        endpoints,
      }));
    });
    after(async () => {
      await engine?.close();
      await program?.close();
      await servers?.close();
    });

    const ask = (text: string): Promise<RawPeer> => rawClient(engine.port('gateway')).then((peer) => peer.write(text));

    it('a denial has the flag UAEX in its event', async () => {
      const peer = await ask('GET /denied HTTP/1.1\r\nhost: http.test\r\nx-verdict: {"status":403}\r\n\r\n');
      await peer.take('HTTP/1.1 403 ');
      const event = await engine.event(({ http }) => http?.path === '/denied');
      assert.deepEqual([event.flags, event.http?.status], [['UAEX'], 403]);
      peer.destroy();
    });

    for (const protocol of ['http', 'grpc'] as const) {
      it(`about a client that leaves nothing is asked any more (${protocol})`, async () => {
        servers.asked = undefined;
        const before = servers.cancelled;
        const peer = await ask(`GET / HTTP/1.1\r\nhost: ${protocol}.test\r\nx-verdict: {"fails":"silent"}\r\n\r\n`);
        await until(() => servers.asked !== undefined, 'the server is asked');
        peer.destroy();
        await until(() => servers.cancelled > before, 'the question is given up');
      });
    }

    it('a client that waits for 100 (Continue) is told to send the body that is asked about', async () => {
      const peer = await ask('POST / HTTP/1.1\r\nhost: body.test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n');
      await peer.take('HTTP/1.1 100 Continue\r\n');
      peer.write('hello');
      await peer.take('HTTP/1.1 200 OK');
      assert.equal(servers.asked?.body, 'hello');
      peer.destroy();
    });

    it('a body of unknown length is refused as soon as it is too large', async () => {
      servers.asked = undefined;
      const peer = await ask('POST / HTTP/1.1\r\nhost: body.test\r\ntransfer-encoding: chunked\r\n\r\n');
      peer.write(`3e9\r\n${'x'.repeat(1001)}\r\n`);
      await peer.take('HTTP/1.1 413 ');
      assert.equal(servers.asked, undefined);
      peer.destroy();
    });
  });
}
