import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import { FakeAuthority, spiffeId } from '../../test/fakes/mesh-ca.ts';
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
} from '../../test/fakes/proxy-under-test.ts';
import { RawPeer, rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

const authority = new FakeAuthority();
const stranger = new FakeAuthority();

interface TlsClient {
  peer: RawPeer;
  socket: TLSSocket;
  /** Of the server's certificate; Node gives it out once. */
  names: string | undefined;
  serial: string | undefined;
  /** That the server has given. */
  sessions: Buffer[];
}

const tlsClient = async (port: number, options: ConnectionOptions): Promise<TlsClient> => {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  const peer = new RawPeer(socket);
  const sessions: Buffer[] = [];
  socket.on('session', (session) => sessions.push(session));
  let secure = false;
  let certificate: X509Certificate | undefined;
  socket.once('secureConnect', () => {
    secure = true;
    certificate = socket.getPeerX509Certificate();
  });
  await until(() => secure || peer.closed, 'the handshake ends');
  return { peer, socket, names: certificate?.subjectAltName, serial: certificate?.serialNumber, sessions };
};

const credentials = (by: FakeAuthority, uris: string[]) => {
  const { keyPem, chainPem } = by.issue({ uris });
  return { key: keyPem, cert: chainPem };
};

/** An inbound sidecar before `backendPort`: mutual TLS, and plain text where `permissive`. */
const inbound = (backendPort: number, permissive: boolean) =>
  snapshot({
    listeners: [
      listener(
        [
          chain(httpHandler(), {
            name: 'mesh',
            match: { transport: 'tls', serverNames: ['outbound_.80_._.a.default.svc.cluster.local'] },
            tls: { mode: 'mesh' },
          }),
          ...(permissive
            ? [chain(httpHandler(), { name: 'plain', match: { transport: 'plain', serverNames: [] } })]
            : []),
        ],
        { direction: 'inbound', name: 'inbound' },
      ),
    ],
    routes: [route(forward('inbound|9080||'))],
    clusters: [cluster('inbound|9080||', [endpoint(backendPort)])],
  });

const SNI = 'outbound_.80_._.a.default.svc.cluster.local';

const withInbound = async (t: TestContext, permissive = false, limits = {}) => {
  const backend = await rawServer();
  const svid = authority.source(spiffeId('a'));
  const proxy = await startProxy(inbound(backend.port, permissive), { svid, limits });
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  return { backend, svid, proxy };
};

test('a mesh peer proves its identity, which the program and the event are told', async (t) => {
  const { backend, proxy } = await withInbound(t);
  const { peer } = await tlsClient(proxy.port(), {
    servername: SNI,
    ...credentials(authority, [spiffeId('b', 'shop')]),
  });
  peer.write(GET.replace('\r\n\r\n', '\r\nX-Forwarded-Client-Cert: URI=forged\r\n\r\n'));
  const upstream = await backend.peer(0);
  const head = await upstream.take('\r\n\r\n');
  assert.match(
    head,
    /x-forwarded-client-cert: By=spiffe:\/\/cluster\.local\/ns\/default\/sa\/a;Hash=[0-9a-f]{64};URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/b\r\n/,
  );
  assert.doesNotMatch(head, /forged/);
  upstream.write(OK);
  await peer.take('\r\n\r\nok');
  const event = await proxy.event(0);
  assert.deepEqual(
    [event.tls, event.source.identity, event.source.namespace],
    ['mutual', spiffeId('b', 'shop'), 'shop'],
  );
  assert.equal(event.destination.identity, spiffeId('a'));
  peer.destroy();
});

const strangers: Record<string, ConnectionOptions> = {
  'no certificate': {},
  'a certificate of another authority': credentials(stranger, [spiffeId('b')]),
  'another trust domain': credentials(authority, ['spiffe://elsewhere/ns/default/sa/b']),
  'no SPIFFE id': credentials(authority, ['https://example.com/']),
  'two names': credentials(authority, [spiffeId('b'), spiffeId('c')]),
};

for (const [name, options] of Object.entries(strangers)) {
  test(`a peer with ${name} is refused`, async (t) => {
    const { backend, proxy } = await withInbound(t);
    const { peer } = await tlsClient(proxy.port(), { servername: SNI, ...options });
    peer.write(GET);
    await until(() => peer.closed || peer.ended, 'the connection is closed');
    assert.equal(peer.text, '');
    assert.equal(backend.peers.length, 0);
  });
}

test('an unknown server name, plain text where TLS is asked for, and bytes that are neither: closed', async (t) => {
  const { proxy } = await withInbound(t);
  const { peer } = await tlsClient(proxy.port(), { servername: 'other', ...credentials(authority, [spiffeId('b')]) });
  assert.equal(peer.closed, true);
  const plain = await rawClient(proxy.port());
  plain.write(GET);
  assert.equal(await plain.rest(), '');
  const broken = await rawClient(proxy.port());
  broken.write('\x16\x03\x01\xff\xff\xff');
  assert.equal(await broken.rest(), '');
});

/** The first message of a TLS client, as bytes. */
const clientHello = async (): Promise<string> => {
  const server = await rawServer();
  const client = connect({ port: server.port, host: '127.0.0.1', servername: SNI });
  client.on('error', () => {});
  const peer = await server.peer(0);
  await until(() => peer.text !== '', 'the hello comes');
  client.destroy();
  await server.close();
  return peer.text;
};

test('a client that goes in the middle of the handshake leaves nothing open', async (t) => {
  const { proxy } = await withInbound(t, false, { handshakeTimeoutMs: 3_600_000 });
  const client = await rawClient(proxy.port());
  client.write(await clientHello());
  await until(() => client.text !== '', 'the proxy answers the hello');
  client.end();
  await until(() => client.ended, 'the proxy ends its half too');
  await until(() => proxy.proxy.stats().connections === 0, 'the connection is forgotten');
});

test('plain text and TLS on one port, told apart by the first byte', async (t) => {
  const { backend, proxy } = await withInbound(t, true);
  const plain = await rawClient(proxy.port());
  plain.write(GET);
  const upstream = await backend.peer(0);
  assert.doesNotMatch(await upstream.take('\r\n\r\n'), /client-cert/);
  upstream.write(OK);
  await plain.take('\r\n\r\nok');
  const { peer } = await tlsClient(proxy.port(), { servername: SNI, ...credentials(authority, [spiffeId('b')]) });
  peer.write(GET);
  await upstream.take('\r\n\r\n');
  upstream.write(OK);
  await peer.take('\r\n\r\nok');
  assert.deepEqual(
    proxy.events.map((event) => event.tls),
    ['none', 'mutual'],
  );
  plain.destroy();
  peer.destroy();
});

test('a renewed certificate is shown to new connections; open ones go on', async (t) => {
  const { backend, svid, proxy } = await withInbound(t);
  const mine = credentials(authority, [spiffeId('b')]);
  const first = await tlsClient(proxy.port(), { servername: SNI, ...mine });
  svid.renew();
  const second = await tlsClient(proxy.port(), { servername: SNI, ...mine });
  assert.notEqual(second.serial, first.serial);
  for (const { peer } of [first, second]) {
    peer.write(GET);
    const upstream = await backend.peer(0);
    await upstream.take('\r\n\r\n');
    upstream.write(OK);
    await peer.take('\r\n\r\nok');
    peer.destroy();
  }
});

test('with new roots, a certificate of the old authority is refused, also by session resumption', async (t) => {
  const { svid, proxy } = await withInbound(t);
  const mine = credentials(authority, [spiffeId('b')]);
  const first = await tlsClient(proxy.port(), { servername: SNI, ...mine });
  const session = first.socket.getSession();
  svid.renew(stranger);
  const again = await tlsClient(proxy.port(), { servername: SNI, ...mine, ...(session && { session }) });
  again.peer.write(GET);
  await until(() => again.peer.closed || again.peer.ended, 'the connection is closed');
  first.peer.destroy();
});

/** An outbound sidecar whose only endpoint is a mesh peer at `port` with an identity. */
const outbound = (port: number, identity: string) =>
  snapshot({
    listeners: [listener([chain(httpHandler())], { direction: 'outbound' })],
    routes: [route(forward('b'))],
    clusters: [
      cluster('b', [endpoint(port, { mesh: true, identity })], {
        tls: { mode: 'mesh', sni: SNI, identities: [identity] },
      }),
    ],
  });

test('two proxies: mutual TLS between them with the exact identity', async (t) => {
  const { backend, proxy: callee } = await withInbound(t);
  const caller = await startProxy(outbound(callee.port(), spiffeId('a')), { svid: authority.source(spiffeId('b')) });
  t.after(() => caller.close());
  const client = await rawClient(caller.port());
  client.write(GET);
  const upstream = await backend.peer(0);
  assert.match(await upstream.take('\r\n\r\n'), /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/b\r\n/);
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  assert.equal((await caller.event(0)).destination.identity, spiffeId('a'));
  assert.equal((await caller.event(0)).source.identity, spiffeId('b'));
  client.destroy();
});

test('a peer of another identity is not spoken to: 503, UF', async (t) => {
  const { backend, proxy: callee } = await withInbound(t);
  const caller = await startProxy(outbound(callee.port(), spiffeId('c')), { svid: authority.source(spiffeId('b')) });
  t.after(() => caller.close());
  const client = await rawClient(caller.port());
  client.write(GET);
  assert.match(await client.take('\n'), /^HTTP\/1\.1 503 /);
  assert.deepEqual((await caller.event(0)).flags, ['UF']);
  assert.equal(backend.peers.length, 0);
  client.destroy();
});

test('a change of identity at the same address takes a new connection', async (t) => {
  const { backend, proxy: callee } = await withInbound(t);
  const caller = await startProxy(outbound(callee.port(), spiffeId('a')), { svid: authority.source(spiffeId('b')) });
  t.after(() => caller.close());
  const client = await rawClient(caller.port());
  client.write(GET);
  const upstream = await backend.peer(0);
  await upstream.take('\r\n\r\n');
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  await caller.proxy.apply(outbound(callee.port(), spiffeId('c')));
  client.write(GET);
  await client.take('503 Service Unavailable');
  client.destroy();
});

const terminating = (backendPort: number, names: string[]): Parameters<typeof startProxy>[0] =>
  snapshot({
    listeners: [
      listener([
        chain(httpHandler({ edge: true }), {
          name: 'https',
          match: { transport: 'tls', serverNames: ['*.test'] },
          tls: { mode: 'terminate', secrets: names },
        }),
        chain(tcpHandler('b'), { name: 'through', match: { transport: 'tls', serverNames: ['through.example'] } }),
      ]),
    ],
    routes: [route(forward('b'))],
    clusters: [cluster('b', [endpoint(backendPort)])],
    secrets: new Map(names.map((name) => [name, { name, ...authority.issue({ dnsNames: [name] }) }])),
  });

test('TLS for anyone: the certificate by name, http/1.1 by ALPN, x-forwarded-proto https', async (t) => {
  const backend = await rawServer();
  const proxy = await startProxy(terminating(backend.port, ['a.test', 'b.test']));
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  const a = await tlsClient(proxy.port(), { servername: 'a.test', ALPNProtocols: ['http/1.1'] });
  const b = await tlsClient(proxy.port(), { servername: 'b.test' });
  const other = await tlsClient(proxy.port(), { servername: 'c.test' });
  assert.deepEqual([a.names, b.names, other.names], ['DNS:a.test', 'DNS:b.test', 'DNS:a.test']);
  assert.equal(a.socket.alpnProtocol, 'http/1.1');
  a.peer.write(GET);
  const upstream = await backend.peer(0);
  assert.match(await upstream.take('\r\n\r\n'), /x-forwarded-proto: https\r\n/);
  upstream.write(OK);
  await a.peer.take('\r\n\r\nok');
  assert.equal((await proxy.event(0)).tls, 'simple');
  const problems = await proxy.proxy.apply(terminating(backend.port, ['b.test']));
  assert.deepEqual(problems, []);
  const later = await tlsClient(proxy.port(), { servername: 'a.test' });
  assert.equal(later.names, 'DNS:b.test');
  a.peer.write(GET);
  await upstream.take('\r\n\r\n');
  for (const { peer } of [a, b, other, later]) peer.destroy();
});

test('a certificate that can not be used is told of, and the one before stays', async (t) => {
  const backend = await rawServer();
  const good = terminating(backend.port, ['a.test']);
  const proxy: ProxyUnderTest = await startProxy(good);
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  const bad = { ...good, secrets: new Map([['a.test', { name: 'a.test', chainPem: 'x', keyPem: 'y' }]]) };
  const problems = await proxy.proxy.apply(bad);
  assert.deepEqual(
    problems.map((problem) => problem.code),
    ['CERTIFICATE_INVALID'],
  );
  const { names, peer } = await tlsClient(proxy.port(), { servername: 'a.test' });
  assert.equal(names, 'DNS:a.test');
  peer.destroy();
});

test('TLS is passed through by its server name, untouched', async (t) => {
  const { keyPem, chainPem } = stranger.issue({ dnsNames: ['through.example'] });
  const backend = createServer({ key: keyPem, cert: chainPem }, (socket) => socket.end('inside'));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const proxy = await startProxy(terminating((backend.address() as AddressInfo).port, ['a.test']));
  t.after(async () => {
    await proxy.close();
    backend.close();
  });
  const { names, peer } = await tlsClient(proxy.port(), { servername: 'through.example' });
  assert.equal(names, 'DNS:through.example');
  assert.equal(await peer.rest(), 'inside');
  assert.equal((await proxy.event(0)).protocol, 'tcp');
});

test('a refused client is told of: why, and what its program looks like', async (t) => {
  const { proxy } = await withInbound(t);
  const { peer } = await tlsClient(proxy.port(), { servername: SNI, ...credentials(stranger, [spiffeId('b')]) });
  await until(() => peer.closed, 'the client is refused');
  const { tlsRefusal, flags, protocol, tls } = await proxy.event(0);
  assert.deepEqual([flags, protocol, tls], [['DPE'], 'tcp', 'none']);
  assert.equal(tlsRefusal?.reason, "the client's certificate is of no known authority");
  assert.match(tlsRefusal.ja4, /^t13d[0-9]{4}00_[0-9a-f]{12}_[0-9a-f]{12}$/);
});

test('handshakes at once have a bound, and slow ones an end', async (t) => {
  const { proxy } = await withInbound(t, false, { maxHandshakes: 1, handshakeTimeoutMs: 300 });
  const hello = await helloOf(SNI);
  const slow = await rawClient(proxy.port());
  slow.socket.write(hello);
  const second = await rawClient(proxy.port());
  await until(() => slow.text !== '', 'the first handshake is under way');
  second.socket.write(hello);
  await until(() => second.ended || second.closed, 'the second is closed');
  assert.equal((await proxy.event(0)).tlsRefusal?.reason, 'too many handshakes at once');
  await until(() => slow.ended || slow.closed, 'the first is closed');
  assert.equal((await proxy.event(1)).tlsRefusal?.reason, 'the handshake was not done in time');
});

test('clients that go before their handshake begins leave none behind', async (t) => {
  const { proxy } = await withInbound(t, false, { maxHandshakes: 2 });
  const hello = await helloOf(SNI);
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 8 }, () => rawClient(proxy.port())));
    for (const { socket } of clients) socket.write(hello, () => socket.resetAndDestroy());
    await until(() => proxy.proxy.stats().connections === 0 && proxy.events.length === 8 * (round + 1), 'all are gone');
  }
  const { peer } = await tlsClient(proxy.port(), { servername: SNI, ...credentials(authority, [spiffeId('a')]) });
  assert.ok(!peer.closed);
  peer.destroy();
});

/** The first bytes of a client of node:tls. */
const helloOf = async (servername: string): Promise<Buffer> => {
  const server = await rawServer();
  const client = connect({ port: server.port, host: '127.0.0.1', servername });
  client.on('error', () => {});
  const peer = await server.peer(0);
  await until(() => peer.text.length > 5, 'the hello comes');
  client.destroy();
  await server.close();
  return Buffer.from(peer.text, 'latin1');
};

test('sessions are resumed, also after a certificate was renewed', async (t) => {
  const backend = await rawServer();
  const first = terminating(backend.port, ['a.test', 'b.test']);
  const proxy = await startProxy(first);
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  const client = await tlsClient(proxy.port(), { servername: 'a.test' });
  await until(() => client.sessions.length > 0, 'a session is given');
  const renewed = terminating(backend.port, ['a.test', 'b.test']);
  assert.deepEqual(await proxy.proxy.apply({ ...renewed, revision: 2 }), []);
  const again = await tlsClient(proxy.port(), { servername: 'a.test', session: client.sessions[0]! });
  assert.equal(again.socket.isSessionReused(), true);
  for (const { peer } of [client, again]) peer.destroy();
});
