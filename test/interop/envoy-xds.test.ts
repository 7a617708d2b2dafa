// The Envoy form, as a real Envoy understands it: it accepts everything, and traffic does what the model says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { holdFreePort } from '../../src/app/ports.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Svid } from '../../src/model/identity.ts';
import { formatLogName } from '../../src/model/log-name.ts';
import { AccessLogs } from '../fakes/access-logs.ts';
import { cluster, DATABASE, forward, type MeshPorts, meshSnapshot, route } from '../fakes/envoy-mesh.ts';
import { type RunningEnvoy, startEnvoy } from '../fakes/envoy-process.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { openXdsPlane, proxyNode, type XdsPlane } from '../fakes/xds-plane.ts';

const LOOPBACK = '127.0.0.1';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What the program behind everything got. */
interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
}

const ask = (options: RequestOptions, send: typeof httpRequest = httpRequest): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = send({ ...(!options.createConnection && { agent: false }), ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end();
  });

const echoOf = ({ body }: Answer): Echo => JSON.parse(body);

/** The socket inside a CONNECT tunnel, or the status that refused it. */
const tunnel = (port: number, authority: string): Promise<{ status: number; socket: Socket; head: Buffer }> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ host: LOOPBACK, port, method: 'CONNECT', path: authority, agent: false });
    request.on('connect', (response, socket, head) => resolve({ status: response.statusCode!, socket, head }));
    request.on('error', reject);
    request.end();
  });

const firstLine = async (socket: Socket): Promise<string> => {
  socket.setEncoding('utf8');
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0]!.trim();
};

for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
  describe(`a real Envoy over ${protocol}`, () => {
    const logs = new AccessLogs();
    let plane: XdsPlane;
    let envoy: RunningEnvoy;
    let program: FakeServer;
    let ports: MeshPorts;
    let flaky = 0;
    const database = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => socket.end(`you said ${data}`));
    });
    const node = proxyNode({ engine: 'envoy' });
    const typesOfEnvoy = () => plane.xds.status().find((client) => client.node.engine === 'envoy')?.types ?? [];

    before(async () => {
      plane = await openXdsPlane({ services: [logs.service] });
      program = await openServer((request, response) => {
        const { method, url, headers } = request;
        if (url?.startsWith('/flaky') && flaky-- > 0) response.statusCode = 503;
        response.setHeader('server', 'program');
        response.end(JSON.stringify({ method, url, headers }));
      });
      database.listen(0, LOOPBACK);
      await once(database, 'listening');
      const { port } = database.address() as { port: number };
      const held = await Promise.all(Array.from({ length: 5 }, () => holdFreePort(LOOPBACK)));
      const [gateway, secureGateway, outbound, inbound, inboundTcp] = held.map((one) => one.port) as [
        number,
        number,
        number,
        number,
        number,
      ];
      ports = { gateway, secureGateway, outbound, inbound, inboundTcp, http: program.port, tcp: port };
      const server = plane.authority.serverCertificate({ dnsNames: ['shop.test'], ipAddresses: [] });
      plane.feed.publish(meshSnapshot(ports, { name: 'shop/cert', chainPem: server.chainPem, keyPem: server.keyPem }));
      await Promise.all(held.map((one) => one.release()));
      envoy = await startEnvoy({ node, xds: plane.mutual, svid: plane.svid('shop', 'reviews'), protocol });
      await envoy.until('five accepted types', () => {
        const types = typesOfEnvoy();
        return (
          types.length === 5 &&
          types.every((type) => type.ackedVersion !== '' && type.ackedVersion === type.sentVersion)
        );
      });
    });
    after(async () => {
      await envoy?.close();
      await plane?.close();
      await program?.close();
      database.close();
    });

    const viaGateway = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
      ask({ host: LOOPBACK, port: ports.gateway, path, method, headers: { host: 'shop.test', ...headers } });
    const viaProxy = (host: string, path: string, headers: Record<string, string> = {}) =>
      ask({ host: LOOPBACK, port: ports.outbound, path: `http://${host}${path}`, headers: { host, ...headers } });
    const asPeer = (svid: Svid, servername: string) => ({
      host: LOOPBACK,
      servername,
      ca: svid.bundlePem,
      cert: svid.chainPem,
      key: svid.keyPem,
      checkServerIdentity: () => undefined,
    });

    it('accepts everything', () => {
      assert.deepEqual(
        typesOfEnvoy().filter((type) => type.refusal),
        [],
      );
      assert.doesNotMatch(envoy.log(), /deprecated|rejected/i);
    });

    it('serves a gateway: what callers say of themselves is replaced', async () => {
      const answer = await viaGateway('/a%2Fb/./c//d?x=1', {
        'x-request-id': 'mine',
        'x-forwarded-for': '1.2.3.4',
        'x-forwarded-host': 'evil',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.server, 'program');
      const { url, headers } = echoOf(answer);
      assert.equal(url, '/a%2Fb/c//d?x=1');
      assert.equal(headers['x-forwarded-for'], LOOPBACK);
      assert.equal(headers['x-forwarded-host'], 'shop.test');
      assert.equal(headers['x-forwarded-proto'], 'http');
      assert.match(headers['x-request-id']!, /^[0-9a-f-]{36}$/);
      assert.equal(headers.traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith('x-envoy')),
        [],
      );
    });

    it('rewrites, edits headers, redirects and answers by itself', async () => {
      const { url, headers } = echoOf(await viaGateway('/old/x?y', { 'x-gone': '1' }));
      assert.equal(url, '/new/x?y');
      assert.equal(headers.host, 'inner.test');
      assert.equal(headers['x-set'], '50%');
      assert.equal(headers['x-gone'], undefined);
      const moved = await viaGateway('/moved');
      assert.deepEqual([moved.status, moved.headers.location], [301, `http://shop.test:${ports.gateway}/there`]);
      const tea = await viaGateway('/tea');
      assert.deepEqual([tea.status, tea.body], [418, 'short and stout']);
    });

    it('matches by method, header and query, and by host with or without a port', async () => {
      assert.equal((await viaGateway('/v/1?q=12', { 'x-version': '2' })).body, 'version 2');
      assert.equal(echoOf(await viaGateway('/v/1?q=x', { 'x-version': '2' })).url, '/v/1?q=x');
      assert.equal((await viaGateway('/', { host: `shop.test:${ports.gateway}` })).status, 200);
      assert.equal((await viaGateway('/', { host: 'a.wild.test:8080' })).body, 'wild');
      const nowhere = await viaGateway('/', { host: 'other.test' });
      assert.deepEqual([nowhere.status, nowhere.body], [404, 'no route for this host and path\n']);
    });

    it('answers 500 for the share of an invalid backend', async () => {
      const statuses = new Set<number>();
      for (let i = 0; i < 40; i++) statuses.add((await viaGateway('/half')).status);
      assert.deepEqual([...statuses].sort(), [200, 500]);
    });

    it('retries idempotent requests alone', async () => {
      flaky = 2;
      assert.equal((await viaGateway('/flaky')).status, 200);
      flaky = 1;
      assert.equal((await viaGateway('/flaky', {}, 'POST')).status, 503);
    });

    it('serves HTTPS with the certificate that came over ADS', async () => {
      const answer = await ask(
        {
          host: LOOPBACK,
          port: ports.secureGateway,
          path: '/x',
          headers: { host: 'shop.test' },
          ...{ servername: 'shop.test', ca: plane.authority.bundlePem },
        },
        httpsRequest as typeof httpRequest,
      );
      assert.equal(echoOf(answer).headers['x-forwarded-proto'], 'https');
    });

    it('carries absolute-form requests by mutual TLS to the program, which learns who calls', async () => {
      const answer = await viaProxy('reviews', '/r?x=1', { 'x-request-id': 'kept-id' });
      assert.equal(answer.status, 200);
      const { url, headers } = echoOf(answer);
      assert.equal(url, '/r?x=1');
      assert.equal(headers.host, 'reviews');
      assert.equal(headers['x-request-id'], 'kept-id');
      assert.match(
        headers['x-forwarded-client-cert']!,
        /By=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/reviews;.*URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/reviews/,
      );
    });

    it('says what to do about a host that is not in the mesh', async () => {
      const answer = await viaProxy('nobody:81', '/');
      assert.equal(answer.status, 404);
      assert.equal(answer.body, 'no service "nobody:81" in the mesh; add a Service or ServiceEntry\n');
      assert.equal((await tunnel(ports.outbound, 'nobody:81')).status, 404);
    });

    it('reads HTTP inside a tunnel', async () => {
      const { status, socket } = await tunnel(ports.outbound, 'reviews:80');
      assert.equal(status, 200);
      const answer = await ask({ createConnection: () => socket, path: '/inside', headers: { host: 'reviews' } });
      assert.equal(echoOf(answer).url, '/inside');
      socket.destroy();
    });

    for (const authority of ['db:5432', 'odd:5432']) {
      it(`passes what is not HTTP through a tunnel to ${authority}`, async () => {
        const idle = await tunnel(ports.outbound, 'reviews:80');
        const { status, socket } = await tunnel(ports.outbound, authority);
        assert.equal(status, 200);
        // Not text, and no method: its first byte is zero.
        socket.write('\0hello\n');
        assert.equal(await firstLine(socket), 'you said \0hello');
        idle.socket.destroy();
      });
    }

    it('denies by policy, and logs which one', async () => {
      const denied = await viaProxy('reviews', '/x/../admin', { 'x-request-id': 'denied-by-name' });
      assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied']);
      const stranger = plane.svid('shop', 'stranger');
      const send = httpsRequest as typeof httpRequest;
      const options = { ...asPeer(stranger, 'reviews.mesh'), port: ports.inbound, path: '/' };
      const headers = { host: 'reviews', 'x-request-id': 'denied-by-default' };
      assert.equal((await ask({ ...options, headers }, send)).status, 403);
      const plain = { host: LOOPBACK, port: ports.inbound, path: '/', headers: { host: 'reviews' } };
      assert.equal((await ask(plain)).status, 403);

      const service = { namespace: 'shop', name: 'reviews', port: 80 };
      const logName = formatLogName({ direction: 'inbound', protocol: 'http', service });
      const byName = await logs.http(
        (entry) => entry.request?.requestId === 'denied-by-name' && entry.response?.responseCode === 403,
        logName,
      );
      assert.equal(
        byName.response?.responseCodeDetails,
        'rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]',
      );
      const byDefault = await logs.http((entry) => entry.request?.requestId === 'denied-by-default', logName);
      assert.equal(byDefault.response?.responseCodeDetails, 'rbac_access_denied_matched_policy[none]');
      const peer = byDefault.commonProperties?.tlsProperties?.peerCertificateProperties?.subjectAltName[0]?.san;
      assert.equal(peer?.value, 'spiffe://cluster.local/ns/shop/sa/stranger');
    });

    it('closes TCP connections that no policy allows', async () => {
      const talk = async (svid: Svid) => {
        const socket = tlsConnect({ ...asPeer(svid, 'db.mesh'), port: ports.inboundTcp });
        await once(socket, 'secureConnect');
        socket.on('error', () => {});
        socket.write('hi\n');
        return firstLine(socket);
      };
      assert.equal(await talk(plane.svid('shop', 'reviews')), 'you said hi');
      assert.equal(await talk(plane.svid('shop', 'stranger')), '');
      const service = { namespace: 'shop', name: 'db', port: 5432 };
      const logName = formatLogName({ direction: 'inbound', protocol: 'tcp', service });
      const denied = await logs.tcp((entry) => !!entry.commonProperties?.connectionTerminationDetails, logName);
      assert.match(denied.commonProperties!.connectionTerminationDetails, /rbac_access_denied_matched_policy\[none\]/);
    });

    it('logs a tunnel to a TCP service as one, and requests inside a tunnel as requests', async () => {
      const tunnelName = formatLogName({ direction: 'outbound', protocol: 'tunnel' });
      const tunnelled = await logs.http((entry) => entry.request?.authority === 'db:5432', tunnelName);
      assert.equal(tunnelled.commonProperties?.upstreamCluster, DATABASE);
      const refused = await logs.http((entry) => entry.request?.authority === 'nobody:81', tunnelName);
      assert.equal(refused.commonProperties?.responseFlags?.noRouteFound, true);
      const inside = await logs.http(
        (entry) => entry.request?.path === '/inside',
        formatLogName({ direction: 'outbound', protocol: 'http' }),
      );
      assert.equal(inside.request?.authority, 'reviews');
    });

    it('changes twenty times under load without one failed request', async () => {
      let stop = false;
      const statuses = new Map<number, number>();
      const load = async () => {
        while (!stop) {
          const { status } = await viaGateway('/load');
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      const loads = [load(), load()];
      const base = plane.feed.current();
      for (let i = 0; i < 20; i++) {
        const name = `next-${i}`;
        const routes = new Map(base.routes).set('gateway/http', {
          name: 'gateway/http',
          tunnels: [],
          virtualHosts: [
            { name: 'shop.test', domains: ['shop.test'], routes: [route({ name, action: forward([name, 1]) })] },
          ],
        });
        const [endpoint] = base.endpoints.get('plain')!.endpoints;
        plane.feed.publish({
          routes,
          clusters: new Map(base.clusters).set(name, cluster(name)),
          endpoints: new Map(base.endpoints).set(name, { cluster: name, endpoints: [endpoint!] }),
        });
        const revision = String(plane.feed.current().revision);
        await envoy.until(`revision ${revision}`, () =>
          typesOfEnvoy().some((type) => type.typeUrl.endsWith('RouteConfiguration') && type.ackedVersion === revision),
        );
      }
      stop = true;
      await Promise.all(loads);
      assert.deepEqual([...statuses.keys()], [200]);
      plane.feed.publish(base);
    });

    it('takes a change of a cluster at once, with its endpoints', async () => {
      const base = plane.feed.current();
      const start = systemClock.monotonic();
      plane.feed.publish({
        clusters: new Map(base.clusters).set('plain', cluster('plain', { connectTimeoutMs: 1_234 })),
      });
      await envoy.until('the new cluster', async () => (await envoy.admin('/config_dump')).includes('1.234s'));
      const config = JSON.parse(await envoy.admin('/config_dump?resource=dynamic_warming_clusters'));
      assert.deepEqual(config, {});
      // Envoy gives a cluster without endpoints up after 15 s: far less shows that it did not wait for them.
      assert.ok(systemClock.monotonic() - start < 10_000);
      assert.equal((await viaGateway('/')).status, 200);
    });

    it('refuses a listener whose port is taken, says so, and keeps the rest', async () => {
      const base = plane.feed.current();
      const taken = { ...base.listeners.get('gateway/http')!, name: 'taken', port: program.port };
      plane.feed.publish({ listeners: new Map(base.listeners).set('taken', taken) });
      const refusal = () => typesOfEnvoy().find((type) => type.refusal)?.refusal;
      await envoy.until('a refusal', () => refusal() !== undefined);
      assert.match(refusal()!.message, /taken.*cannot bind|cannot bind.*in use/is);
      assert.equal((await viaGateway('/')).status, 200);
      plane.feed.publish({ listeners: base.listeners });
      await envoy.until('an accepted configuration', () => refusal() === undefined);
    });
  });
}
