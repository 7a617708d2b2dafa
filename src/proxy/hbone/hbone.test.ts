import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as h2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { openServer } from '../../../test/fakes/http-server.ts';
import { FakeAuthority, spiffeId } from '../../../test/fakes/mesh-ca.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  snapshot,
  startProxy,
  tcpHandler,
} from '../../../test/fakes/proxy-under-test.ts';
import { rawClient, rawServer, until } from '../../../test/fakes/raw-peer.ts';
import type { AuthorizationPolicy } from '../../model/policy.ts';
import type { Cluster, Endpoint, FilterChain, HboneHandler } from '../../model/snapshot.ts';

const authority = new FakeAuthority();
const SERVER = spiffeId('b');
const CLIENT = spiffeId('a', 'shop');
const LOCAL = '127.0.0.1';

const denies = (serviceAccount: string): AuthorizationPolicy => {
  const value = `cluster.local/ns/shop/sa/${serviceAccount}`;
  const from = [{ principals: { any: [{ type: 'exact', value }], none: [] } }] as const;
  return { name: 'shop/no', action: 'DENY', rules: [{ from, to: [], when: [] }] };
};

const hboneHandler = (port: number, chains: readonly FilterChain[]): HboneHandler => ({
  type: 'hbone',
  addresses: [LOCAL],
  ports: [{ port, chains }],
  idleTimeoutMs: 60_000,
});

const inbound = (port: number, chains: readonly FilterChain[]) =>
  snapshot({
    listeners: [
      listener([chain(hboneHandler(port, chains), { tls: { mode: 'mesh' } })], { name: 'hbone', direction: 'inbound' }),
    ],
    routes: [route(forward('inbound|80||'))],
    clusters: [cluster('inbound|80||', [endpoint(port)])],
  });

const HTTP = [chain(httpHandler())];
const TCP = [chain(tcpHandler('inbound|80||'))];
const ANY = [
  chain(httpHandler(), { name: 'http', match: { serverNames: [], protocol: 'http' } }),
  chain(tcpHandler('inbound|80||'), { name: 'tcp' }),
];

const serve = async (t: TestContext, chains: readonly FilterChain[] = HTTP) => {
  const backend = await rawServer();
  const svid = authority.source(SERVER);
  const proxy = await startProxy(inbound(backend.port, chains), { svid });
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  return { backend, proxy, svid };
};

const outbound = (endpoints: readonly Endpoint[], protocol: Cluster['protocol'] = 'http1') =>
  snapshot({
    listeners: [
      listener([chain(protocol === 'tcp' ? tcpHandler('b') : httpHandler())], { name: 'out', direction: 'outbound' }),
    ],
    routes: [route(forward('b'))],
    clusters: [cluster('b', endpoints, { protocol, tls: { mode: 'mesh', sni: 'b.mesh', identities: [SERVER] } })],
  });

const behind = (port: number, hbonePort: number, more: Partial<Endpoint> = {}): Endpoint =>
  endpoint(port, { mesh: true, identity: SERVER, hbone: { port: hbonePort }, ...more });

const call = async (t: TestContext, endpoints: readonly Endpoint[], protocol?: Cluster['protocol']) => {
  const svid = authority.source(CLIENT);
  const proxy = await startProxy(outbound(endpoints, protocol), { svid });
  t.after(() => proxy.close());
  return { proxy, svid };
};

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A peer that is not Weft's. */
const session = async (t: TestContext, port: number): Promise<h2.ClientHttp2Session> => {
  const { keyPem, chainPem } = authority.issue({ uris: [CLIENT] });
  const options = { key: keyPem, cert: chainPem, rejectUnauthorized: false };
  const opened = h2.connect(`https://${LOCAL}:${port}`, options).on('error', () => {});
  t.after(() => opened.destroy());
  await once(opened, 'connect');
  return opened;
};

const statusOf = async (
  from: h2.ClientHttp2Session,
  headers: h2.OutgoingHttpHeaders,
): Promise<{ status: number | undefined; stream: h2.ClientHttp2Stream }> => {
  const stream = from.request(headers).on('error', () => {});
  const [answer] = (await once(stream, 'response')) as [h2.IncomingHttpHeaders & h2.IncomingHttpStatusHeader];
  return { status: answer[':status'], stream };
};

test('a request goes through both ends, and both know who is there', async (t) => {
  const { backend, proxy: server } = await serve(t);
  const { proxy } = await call(t, [behind(backend.port, server.port())]);
  const client = await rawClient(proxy.port());
  client.write(GET);
  const upstream = await backend.peer(0);
  assert.match(
    await upstream.take('\r\n\r\n'),
    /^GET \/ [\s\S]*x-forwarded-client-cert: .*URI=[^;]*\/ns\/shop\/sa\/a\r/,
  );
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  const seen = await server.event(0);
  assert.deepEqual(
    [seen.direction, seen.tls, seen.source.identity, seen.http?.status],
    ['inbound', 'mutual', CLIENT, 200],
  );
  assert.equal((await proxy.event(0)).http?.status, 200);
});

test('HTTP/2 goes through inside', async (t) => {
  const { proxy: server, server: backend } = await answering(t);
  const { proxy } = await call(t, [behind(backend.port, server.port())], 'http2');
  for (let n = 0; n < 3; n++) {
    const client = await rawClient(proxy.port());
    client.write(GET);
    await client.take('\r\n\r\n');
  }
  const seen = server.proxy.inspect().directions.find(({ direction }) => direction === 'inbound')!;
  // One connection, and one inside a stream of it.
  assert.equal(seen.http2.connections, 2);
});

test('many streams share one connection, which is made anew when the certificate is', async (t) => {
  const { backend, proxy: server } = await serve(t);
  const { proxy, svid } = await call(t, [behind(backend.port, server.port())]);
  const ask = async (n: number) => {
    const client = await rawClient(proxy.port());
    client.write(GET);
    await (await backend.peer(n)).take('\r\n\r\n');
    return client;
  };
  for (let n = 0; n < 4; n++) await ask(n);
  assert.equal(server.proxy.stats().connections, 1);
  svid.renew();
  await ask(4);
  assert.equal(server.proxy.stats().connections, 2);
});

test('TCP goes through with half-close', async (t) => {
  const { backend, proxy: server } = await serve(t, TCP);
  const { proxy } = await call(t, [behind(backend.port, server.port())], 'tcp');
  const client = await rawClient(proxy.port());
  client.write('question').end();
  const upstream = await backend.peer(0);
  await upstream.take('question');
  await until(() => upstream.ended, 'the end comes through');
  upstream.write('answer').end();
  assert.equal(await client.rest(), 'answer');
});

test('what a port speaks is found out inside the tunnel', async (t) => {
  const { backend, proxy: server } = await serve(t, ANY);
  const { proxy } = await call(t, [behind(backend.port, server.port())], 'tcp');
  const http = await rawClient(proxy.port());
  http.write(GET);
  assert.match(await (await backend.peer(0)).take('\r\n\r\n'), /x-request-id/);
  const silent = await rawClient(proxy.port());
  const banner = await backend.peer(1);
  banner.write('banner');
  await silent.take('banner');
  const late = await rawClient(proxy.port());
  await backend.peer(2);
  late.write(GET);
  const asked = await backend.peer(3);
  assert.match(await asked.take('\r\n\r\n'), /x-request-id/);
  const words = await rawClient(proxy.port());
  words.write('EHLO there\r\n');
  await (await backend.peer(4)).take('EHLO there\r\n');
});

test('a denied peer is told so by CONNECT, and another endpoint is tried', async (t) => {
  const other = await serve(t, TCP);
  const { backend, proxy: server } = await serve(t, [
    chain(tcpHandler('inbound|80||', { authorization: [denies('a')] })),
  ]);
  const { proxy } = await call(
    t,
    [behind(backend.port, server.port()), behind(other.backend.port, other.proxy.port())],
    'tcp',
  );
  for (let n = 0; n < 2; n++) {
    const client = await rawClient(proxy.port());
    client.write('hello');
    await (await other.backend.peer(n)).take('hello');
  }
  const event = await server.event(0);
  assert.deepEqual([event.policy?.verdict, event.source.identity], ['deny', CLIENT]);
  const direct = await session(t, server.port());
  const { status } = await statusOf(direct, { ':method': 'CONNECT', ':authority': `${LOCAL}:${backend.port}` });
  assert.equal(status, 403);
});

const REFUSED: Record<string, { headers: (port: number) => h2.OutgoingHttpHeaders; want: number }> = {
  'an address that is not the workload’s': {
    headers: (port) => ({ ':method': 'CONNECT', ':authority': `10.9.9.9:${port}` }),
    want: 400,
  },
  'a port that is not in the mesh': {
    headers: () => ({ ':method': 'CONNECT', ':authority': `${LOCAL}:9` }),
    want: 404,
  },
  'anything but CONNECT': { headers: () => ({ ':method': 'GET', ':path': '/' }), want: 405 },
};
for (const [what, { headers, want }] of Object.entries(REFUSED)) {
  test(`${what} is refused`, async (t) => {
    const { backend, proxy } = await serve(t);
    const client = await session(t, proxy.port());
    assert.equal((await statusOf(client, headers(backend.port))).status, want);
    const { status, stream } = await statusOf(client, {
      ':method': 'CONNECT',
      ':authority': `${LOCAL}:${backend.port}`,
      baggage: 'k8s.cluster.name=c',
      forwarded: 'for=10.0.0.1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    assert.equal(status, 200);
    stream.write(GET);
    await (await backend.peer(0)).take('\r\n\r\n');
  });
}

test('a peer of another identity gets no stream', async (t) => {
  const { backend, proxy: server } = await serve(t);
  const { proxy } = await call(t, [behind(backend.port, server.port(), { identity: spiffeId('other') })]);
  const client = await rawClient(proxy.port());
  client.write(GET);
  assert.match(await client.take('\r\n\r\n'), /^HTTP\/1\.1 503 /);
  assert.ok((await proxy.event(0)).flags.includes('UF'));
});

const answering = async (t: TestContext) => {
  const server = await openServer((_, answer) => answer.end('ok'));
  const proxy = await startProxy(inbound(server.port, HTTP), { svid: authority.source(SERVER) });
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  return { server, proxy };
};

test('who leaves says so, and what comes next goes elsewhere', async (t) => {
  const first = await serve(t);
  const second = await answering(t);
  const { proxy } = await call(t, [
    behind(first.backend.port, first.proxy.port()),
    // Asked only where the first does not take it.
    behind(second.server.port, second.proxy.port(), { health: 'draining' }),
  ]);
  const open = await rawClient(proxy.port());
  open.write(GET);
  const busy = await first.backend.peer(0);
  await busy.take('\r\n\r\n');
  const drained = first.proxy.proxy.drain(10_000);
  busy.write(OK);
  await open.take('\r\n\r\nok');
  await drained;
  for (let n = 0; n < 3; n++) {
    const client = await rawClient(proxy.port());
    client.write(GET);
    assert.match(await client.take('\r\n\r\n'), /^HTTP\/1\.1 200 /);
  }
});

for (const who of ['program', 'proxy'] as const) {
  test(`requests that a dead ${who} behind HBONE has not seen move on`, async (t) => {
    const first = await answering(t);
    const second = await answering(t);
    const ends = [first, second].map(({ server, proxy }) => behind(server.port, proxy.port()));
    const { proxy } = await call(t, ends);
    const post = async () => {
      const client = await rawClient(proxy.port());
      client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi');
      return client.take('\r\n\r\n');
    };
    for (let n = 0; n < 4; n++) assert.match(await post(), /^HTTP\/1\.1 200 /);
    await (who === 'program' ? first.server.close() : first.proxy.close());
    for (let n = 0; n < 6; n++) assert.match(await post(), /^HTTP\/1\.1 200 /);
  });
}

test('a slow reader holds back the sender through the tunnel', async (t) => {
  const { backend, proxy: server } = await serve(t, TCP);
  const { proxy } = await call(t, [behind(backend.port, server.port())], 'tcp');
  const client = await rawClient(proxy.port());
  client.write('go');
  const upstream = await backend.peer(0);
  await upstream.take('go');
  client.socket.pause();
  const piece = Buffer.alloc(1_000_000, 'x');
  for (let n = 0; n < 30; n++) upstream.socket.write(piece);
  // Some of it stays with the program: nobody on the way takes all.
  await until(() => upstream.socket.writableLength > 0, 'it is held back');
  upstream.end();
  client.socket.resume();
  assert.equal((await client.rest()).length, 30_000_000);
});
