import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type TestContext, test } from 'node:test';
import {
  chain,
  endpoint,
  httpHandler,
  listener,
  type ProxyUnderTest,
  startProxy,
  toBackend,
} from '../../test/fakes/proxy-under-test.ts';
import { type RawPeer, type RawServer, rawClient, rawServer } from '../../test/fakes/raw-peer.ts';
import type { ClientLimits, HttpHandler } from '../model/snapshot.ts';
import type { LimitCounts } from './downstream/client-limits.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nhost: x.test\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nhost: x.test\r\n';

interface Setup {
  proxy: ProxyUnderTest;
  server: RawServer;
  client(): Promise<RawPeer>;
  counts(): LimitCounts;
}

/** A backend that answers each GET by itself, and a proxy with these limits. */
const setup = async (t: TestContext, limits: ClientLimits, more: Partial<HttpHandler> = {}): Promise<Setup> => {
  const server = await rawServer((peer) =>
    peer.socket.on('data', (text) => {
      if (String(text).startsWith('GET')) peer.write(OK);
    }),
  );
  const proxy = await startProxy(toBackend([endpoint(server.port)], { handler: { limits, ...more } }));
  const clients: RawPeer[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    await proxy.close();
    await server.close();
  });
  return {
    proxy,
    server,
    client: async () => {
      const client = await rawClient(proxy.port());
      clients.push(client);
      return client;
    },
    counts: () => proxy.proxy.inspect().directions.find(({ direction }) => direction === 'gateway')!.limits,
  };
};

test('a body that is too large is answered with 413: at once where its length is told, else where it ends', async (t) => {
  const { client, server, counts } = await setup(t, { maxRequestBytes: 4 });
  const told = await client();
  told.write(`${POST}content-length: 5\r\n\r\n`);
  assert.match(await told.rest(), /^HTTP\/1\.1 413 .*connection: close\r\n/s);
  assert.equal(server.peers.length, 0, 'no endpoint hears of it');

  const chunked = await client();
  chunked.write(`${POST}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`);
  await (await server.peer(0)).take('abc');
  chunked.write('2\r\nde\r\n');
  assert.match(await chunked.rest(), /^HTTP\/1\.1 413 /);

  const exact = await client();
  exact.write(`${POST}content-length: 4\r\n\r\nabcd`);
  const upstream = await server.peer(1);
  await upstream.take('abcd');
  upstream.write(OK);
  assert.match(await exact.take('ok'), /^HTTP\/1\.1 200 /);
  assert.equal(counts().largeRequests, 2);
});

test('a connection ends with the last request that it may carry, and what is sent behind it is not served', async (t) => {
  const { client, proxy, counts } = await setup(t, { maxRequestsPerConnection: 2 });
  const peer = await client();
  peer.write(GET + GET + GET);
  const text = await peer.rest();
  assert.equal(text.match(/200 OK/g)?.length, 2);
  assert.equal(text.match(/connection: close/g)?.length, 1);
  assert.equal(proxy.events.length, 2);
  assert.equal(counts().usedConnections, 1);
});

test('an old connection is closed when it is idle, and finishes the request that it carries', async (t) => {
  const { client, server, counts } = await setup(t, { maxConnectionMs: 60 });
  const idle = await client();
  assert.equal(await idle.rest(), '');
  const busy = await client();
  busy.write(`${POST}content-length: 2\r\n\r\nab`);
  const upstream = await server.peer(0);
  await upstream.take('ab');
  while (counts().oldConnections < 2) await new Promise((resolve) => setImmediate(resolve));
  upstream.write(OK);
  assert.match(await busy.rest(), /^HTTP\/1\.1 200 .*connection: close\r\n.*ok$/s);
});

test('a request that takes too long to come is answered with 408, however often a byte of it moves', async (t) => {
  const { client, counts } = await setup(t, { requestTimeoutMs: 80 });
  const peer = await client();
  peer.write(`${POST}content-length: 100000\r\n\r\n`);
  const drip = setInterval(() => peer.write('x'), 5);
  t.after(() => clearInterval(drip));
  assert.match(await peer.take('\r\n\r\n'), /^HTTP\/1\.1 408 /);
  assert.equal(counts().requestTimeouts, 1);
  const quick = await client();
  quick.write(GET);
  assert.match(await quick.take('ok'), /^HTTP\/1\.1 200 /);
});

test('time-outs of heads, of silence in a request, and between requests are counted', async (t) => {
  const { client, counts, server } = await setup(
    t,
    { streamIdleTimeoutMs: 50 },
    { headTimeoutMs: 50, idleTimeoutMs: 50 },
  );
  const slowHead = await client();
  slowHead.write('GET / HT');
  assert.match(await slowHead.rest(), /^HTTP\/1\.1 408 /);
  const slowBody = await client();
  slowBody.write(`${POST}content-length: 2\r\n\r\na`);
  assert.match(await slowBody.rest(), /^HTTP\/1\.1 408 /);
  const slowServer = await client();
  slowServer.write(`${POST}content-length: 2\r\n\r\nab`);
  assert.match(await slowServer.rest(), /^HTTP\/1\.1 504 /);
  assert.equal(await (await client()).rest(), '');
  const { headTimeouts, stalledRequests, idleConnections } = counts();
  assert.deepEqual([headTimeouts, stalledRequests], [1, 2]);
  assert.ok(idleConnections >= 1);
  assert.ok(server.peers.length >= 1);
});

test('more connections than a chain takes are closed at once, until one of them ends', async (t) => {
  const { proxy, client } = await setup(t, {});
  const snapshot = toBackend([endpoint(1)]);
  const limited = chain(httpHandler(), { maxConnections: 1 });
  await proxy.proxy.apply({ ...snapshot, listeners: new Map([['l', listener([limited])]]) });
  const first = await client();
  first.write(GET);
  await first.take('\r\n\r\n');
  const second = await client();
  assert.equal(await second.rest(), '');
  assert.deepEqual(
    proxy.proxy.inspect().listeners.map(({ overflows }) => overflows),
    [1],
  );
  first.destroy();
  while (proxy.proxy.inspect().connections > 0) await new Promise((resolve) => setImmediate(resolve));
  const third = await client();
  third.write(GET);
  assert.match(await third.take('\r\n\r\n'), /^HTTP\/1\.1 503 /);
});

test('over HTTP/2 a connection that may carry no more says so, and finishes its streams', async (t) => {
  const { proxy, counts } = await setup(t, { maxRequestsPerConnection: 1 });
  const session = connectHttp2(`http://127.0.0.1:${proxy.port()}`);
  t.after(() => session.destroy());
  const goingAway = once(session, 'goaway');
  const stream = session.request({ ':path': '/', ':authority': 'x.test' });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  stream.resume();
  assert.equal((await goingAway)[0], 0);
  await once(session, 'close');
  assert.equal(counts().usedConnections, 1);
});

test('over HTTP/2 a body that is too large is answered with 413', async (t) => {
  const { proxy } = await setup(t, { maxRequestBytes: 4 });
  const session = connectHttp2(`http://127.0.0.1:${proxy.port()}`);
  t.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': 'x.test' });
  stream.on('error', () => {});
  stream.write('abcdefgh');
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 413);
});
