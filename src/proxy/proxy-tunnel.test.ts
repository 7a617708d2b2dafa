import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { openServer } from '../../test/fakes/http-server.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  type ProxyUnderTest,
  route,
  snapshot,
  startProxy,
  tcpHandler,
  toBackend,
} from '../../test/fakes/proxy-under-test.ts';
import { rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n';

const withServer = async (t: TestContext, more: Parameters<typeof toBackend>[1] = {}) => {
  const server = await rawServer();
  const proxy = await startProxy(toBackend([endpoint(server.port)], more));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  return { server, proxy, client };
};

test('an upgrade becomes a tunnel with bytes both ways, early ones included, and half-close', async (t) => {
  const { server, proxy, client } = await withServer(t);
  client.write(`${UPGRADE}early`);
  const upstream = await server.peer(0);
  assert.match(
    await upstream.take('\r\n\r\n'),
    /sec-websocket-key: k\r\n[\s\S]*connection: Upgrade\r\nupgrade: websocket\r\n/,
  );
  upstream.write(`${SWITCHED}hello`);
  const head = await client.take('\r\n\r\nhello');
  assert.match(
    head,
    /^HTTP\/1\.1 101 Switching Protocols\r\nsec-websocket-accept: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/,
  );
  await upstream.take('early');
  client.write('ping');
  await upstream.take('ping');
  client.end();
  await until(() => upstream.ended, 'the end comes through');
  upstream.write('last words').end();
  assert.equal(await client.rest(), 'last words');
  const event = await proxy.event(0);
  assert.deepEqual([event.http?.status, event.bytesReceived, event.bytesSent, event.flags], [101, 9, 15, []]);
  await until(() => proxy.proxy.stats().connections === 0, 'nothing is open');
  assert.equal(proxy.proxy.stats().clusters.b?.connections, 0);
});

test('an upgrade that is refused is an answer like any other', async (t) => {
  const { server, client } = await withServer(t);
  client.write(UPGRADE);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  upstream.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
  assert.match(await client.take('\r\n\r\nno'), /^HTTP\/1\.1 426 /);
  client.write('GET /next HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.match(await upstream.take('\r\n\r\n'), /^GET \/next /);
});

for (const token of ['h2c', 'HTTP/2.0', 'TLS/1.3', 'websocket, h2c']) {
  test(`an upgrade to ${token}, which would pass by the policies, is not passed on`, async (t) => {
    const { server, client } = await withServer(t);
    client.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${token}\r\nHTTP2-Settings: x\r\n\r\n`,
    );
    assert.doesNotMatch(await (await server.peer(0)).take('\r\n\r\n'), /upgrade|http2/i);
  });
}

test('a tunnel holds a fast side back for a slow one, and loses nothing', async (t) => {
  const { server, client } = await withServer(t);
  client.write(UPGRADE);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  upstream.write(SWITCHED);
  await client.take('\r\n\r\n');
  client.socket.pause();
  const piece = 'x'.repeat(1_000_000);
  for (let i = 0; i < 20; i++) upstream.write(piece);
  upstream.end();
  client.socket.resume();
  assert.equal((await client.rest()).length, 20_000_000);
});

const tcpProxy = (port: number, idleTimeoutMs = 60_000) =>
  snapshot({
    listeners: [listener([chain(tcpHandler('b', { idleTimeoutMs }))])],
    clusters: [cluster('b', [endpoint(port)], { protocol: 'tcp' })],
  });

test('TCP passes both ways with half-close, and tells of it', async (t) => {
  const server = await rawServer((peer) => peer.write('banner\n'));
  const proxy = await startProxy(tcpProxy(server.port));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  await client.take('banner\n');
  client.write('question').end();
  const upstream = await server.peer(0);
  await upstream.take('question');
  await until(() => upstream.ended, 'the end comes through');
  upstream.write('answer').end();
  assert.equal(await client.rest(), 'answer');
  const event = await proxy.event(0);
  assert.deepEqual(
    [event.protocol, event.bytesReceived, event.bytesSent, event.flags, event.attempts],
    ['tcp', 8, 13, [], 1],
  );
});

test('TCP: an idle connection is closed, one to nowhere too, a denied one too', async (t) => {
  const server = await rawServer();
  const idle = await startProxy(tcpProxy(server.port, 30));
  await server.close();
  const nowhere = await startProxy(tcpProxy(server.port));
  const denied = await startProxy(
    snapshot({
      listeners: [listener([chain(tcpHandler('b', { authorization: [{ name: 'n/p', action: 'ALLOW', rules: [] }] }))])],
    }),
  );
  const open = await rawServer();
  await idle.proxy.apply(tcpProxy(open.port, 30));
  t.after(async () => {
    for (const proxy of [idle, nowhere, denied]) await proxy.close();
    await open.close();
  });
  const ask = async (proxy: ProxyUnderTest) => {
    const client = await rawClient(proxy.port());
    await client.rest();
    const { flags, policy } = await proxy.event(0);
    return [flags.join(), policy?.verdict];
  };
  assert.deepEqual(await ask(idle), ['SI', undefined]);
  assert.deepEqual(await ask(nowhere), ['UF', undefined]);
  assert.deepEqual(await ask(denied), ['RBAC', 'deny']);
});

/** Explicit proxy: `web:80` is HTTP, `db:5432` TCP. */
const explicit = (webPort: number, dbPort: number) =>
  snapshot({
    listeners: [listener([chain(httpHandler({ explicitProxy: true }))], { direction: 'outbound', name: 'outbound' })],
    domains: ['web', 'web:80'],
    routes: [route(forward('web'))],
    tunnels: [
      { authorities: ['web:80'], protocol: 'http', targets: [{ cluster: 'web', weight: 1 }] },
      { authorities: ['db:5432'], protocol: 'tcp', targets: [{ cluster: 'db', weight: 1 }] },
    ],
    clusters: [cluster('web', [endpoint(webPort)]), cluster('db', [endpoint(dbPort)], { protocol: 'tcp' })],
  });

const withExplicit = async (t: TestContext) => {
  const web = await openServer((req, res) => res.end(`${req.headers.host}${req.url};`));
  const db = await rawServer((peer) => peer.write('db\n'));
  const proxy = await startProxy(explicit(web.port, db.port));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await web.close();
    await db.close();
  });
  return { proxy, client, db };
};

test('the explicit proxy takes absolute targets, whatever Host says', async (t) => {
  const { proxy, client } = await withExplicit(t);
  client.write(
    'GET http://web/a HTTP/1.1\r\nHost: elsewhere\r\n\r\nGET http://web:80/b HTTP/1.1\r\nHost: web:80\r\n\r\n',
  );
  assert.match(await client.take(';'), /web\/a;$/);
  assert.match(await client.take(';'), /web:80\/b;$/);
  assert.equal((await proxy.event(0)).source.workload, 'test-1');
});

test('it says what to do for a host that is not in the mesh, by either way of asking', async (t) => {
  const { proxy, client } = await withExplicit(t);
  client.write('GET http://other/a HTTP/1.1\r\nHost: other\r\n\r\n');
  assert.match(
    await client.take('ServiceEntry\n'),
    /^HTTP\/1\.1 404 [\s\S]*no service "other:80" in the mesh; add a Service or ServiceEntry\n$/,
  );
  const second = await rawClient(proxy.port());
  second.write('CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n');
  assert.match(await second.rest(), /^HTTP\/1\.1 404 [\s\S]*no service "other:443" in the mesh/);
  assert.deepEqual(
    proxy.events.map((event) => event.flags.join()),
    ['NR', 'NR'],
  );
});

test('CONNECT to an HTTP service is parsed inside, with keep-alive', async (t) => {
  const { proxy, client } = await withExplicit(t);
  client.write('CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n');
  assert.match(await client.take('\r\n\r\n'), /^HTTP\/1\.1 200 /);
  for (const path of ['/a', '/b']) {
    client.write(`GET ${path} HTTP/1.1\r\nHost: web:80\r\n\r\n`);
    assert.match(await client.take(';'), new RegExp(`web:80${path};$`));
  }
  client.write('CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n');
  assert.match(await client.rest(), /HTTP\/1\.1 405 /);
  assert.deepEqual(
    proxy.events.slice(0, 2).map((event) => event.http?.path),
    ['/a', '/b'],
  );
});

test('CONNECT to an HTTP service with something else inside is passed on as TCP', async (t) => {
  const server = await rawServer();
  const proxy = await startProxy(explicit(server.port, 1));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  client.write('CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n\x16\x03\x01binary');
  await client.take('\r\n\r\n');
  const upstream = await server.peer(0);
  await upstream.take('\x16\x03\x01binary');
  upstream.write('back');
  await client.take('back');
});

test('CONNECT to a TCP service waits for the connection, then passes bytes', async (t) => {
  const { proxy, client, db } = await withExplicit(t);
  client.write('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nearly');
  assert.match(await client.take('db\n'), /^HTTP\/1\.1 200 [^\r]*\r\n\r\ndb\n$/);
  const upstream = await db.peer(0);
  await upstream.take('early');
  client.end();
  upstream.end();
  assert.equal((await proxy.event(0)).protocol, 'tcp');
});

test('CONNECT to a TCP service that is down is answered 503', async (t) => {
  const server = await rawServer();
  await server.close();
  const proxy = await startProxy(explicit(1, server.port));
  t.after(() => proxy.close());
  const client = await rawClient(proxy.port());
  client.write('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n');
  assert.match(await client.rest(), /^HTTP\/1\.1 503 /);
  assert.deepEqual((await proxy.event(0)).flags, ['UF']);
});

test('a TCP connection that lasts too long ends, however busy it is', async (t) => {
  const clock = new FakeClock();
  const server = await rawServer();
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(tcpHandler('b', { maxDurationMs: 5000 }))])],
      clusters: [cluster('b', [endpoint(server.port)], { protocol: 'tcp' })],
    }),
    { clock },
  );
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  const client = await rawClient(proxy.port());
  const upstream = await server.peer(0);
  for (let i = 0; i < 4; i++) {
    client.write(`${i}`);
    await upstream.take(`${i}`);
    clock.advance(1000);
  }
  clock.advance(1001);
  await client.rest();
  const event = await proxy.event(0);
  assert.deepEqual([event.flags, event.bytesReceived, event.durationMs], [['DT'], 4, 5001]);
});

for (const token of ['connect-udp', 'CONNECT-IP']) {
  test(`an upgrade to ${token} is refused, not passed on`, async (t) => {
    const { server, proxy, client } = await withServer(t);
    client.write(
      `GET /.well-known/masque/udp/192.0.2.6/443/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\nCapsule-Protocol: ?1\r\n\r\n`,
    );
    assert.match(await client.rest(), /^HTTP\/1\.1 501 [\s\S]*the protocol connect-(?:udp|ip) is not supported\n$/);
    assert.equal(server.peers.length, 0);
    const { flags, http } = await proxy.event(0);
    assert.deepEqual([flags, http?.status], [['DPE'], 501]);
  });
}

test('targets of TCP share connections by their weights', async (t) => {
  const [a, b] = [await rawServer((peer) => peer.write('a').end()), await rawServer((peer) => peer.write('b').end())];
  const targets = [
    { cluster: 'a', weight: 1 },
    { cluster: 'b', weight: 3 },
    { cluster: 'never', weight: 0 },
  ];
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(tcpHandler('a', { targets }))])],
      clusters: [cluster('a', [endpoint(a.port)]), cluster('b', [endpoint(b.port)])],
    }),
  );
  t.after(async () => {
    await proxy.close();
    await a.close();
    await b.close();
  });
  const count = { a: 0, b: 0 };
  for (let i = 0; i < 120; i++) {
    const client = await rawClient(proxy.port());
    client.end();
    count[(await client.rest()) as 'a' | 'b']++;
  }
  assert.equal(count.a + count.b, 120);
  // 90 are to be expected, with a deviation of under 5.
  assert.ok(count.b > 60 && count.b < 118, JSON.stringify(count));
});
