import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
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

const HEADER = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n';

test('a header goes before TLS, on either side', async (t) => {
  const authority = new FakeAuthority();
  const server = await rawServer();
  const id = spiffeId('reviews');
  const inbound = await startProxy(
    snapshot({
      listeners: [
        listener([chain(tcpHandler('app'), { match: { serverNames: ['reviews.mesh'] }, tls: { mode: 'mesh' } })], {
          direction: 'inbound',
          proxyProtocol: 'required',
        }),
      ],
      clusters: [cluster('app', [endpoint(server.port)])],
    }),
    { svid: authority.source(id) },
  );
  const outbound = await startProxy(
    snapshot({
      listeners: [listener([chain(tcpHandler('reviews'))], { proxyProtocol: 'optional' })],
      clusters: [
        cluster('reviews', [endpoint(inbound.port(), { mesh: true, identity: id })], {
          tls: { mode: 'mesh', sni: 'reviews.mesh', identities: [id] },
          proxyProtocol: 'v2',
        }),
      ],
    }),
    { svid: authority.source(spiffeId('caller')) },
  );
  t.after(async () => {
    await outbound.close();
    await inbound.close();
    await server.close();
  });
  const client = await rawClient(outbound.port());
  client.write(`${HEADER}hello`);
  const upstream = await server.peer(0);
  await upstream.take('hello');
  const large = 'x'.repeat(1_000_000);
  upstream.write(large).end();
  client.end();
  assert.equal(await client.rest(), large);
  const { source, tls } = await inbound.event(0);
  assert.deepEqual([source.address, source.identity, tls], ['192.0.2.7:4711', spiffeId('caller'), 'mutual']);
});

test('a header may come byte by byte, before bytes whose protocol is looked at', async (t) => {
  const server = await rawServer();
  const proxy = await startProxy(
    snapshot({
      listeners: [
        listener([chain(tcpHandler('b'), { match: { transport: 'plain', serverNames: [] } })], {
          proxyProtocol: 'required',
        }),
      ],
      clusters: [cluster('b', [endpoint(server.port)])],
    }),
  );
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  const client = await rawClient(proxy.port());
  for (const char of `${HEADER}hello`) {
    client.socket.write(char);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await (await server.peer(0)).take('hello'), 'hello');
});

test('who sends no header in time is closed, and where it is optional goes on without', async (t) => {
  const clock = new FakeClock();
  const server = await rawServer((peer) => peer.write('banner'));
  const one = (name: string, proxyProtocol: 'required' | 'optional') =>
    listener([chain(tcpHandler('b'))], { name, proxyProtocol });
  const proxy = await startProxy(
    snapshot({
      listeners: [one('required', 'required'), one('optional', 'optional')],
      clusters: [cluster('b', [endpoint(server.port)])],
    }),
    { clock },
  );
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  const silent = await rawClient(proxy.port('required'));
  const quiet = await rawClient(proxy.port('optional'));
  await until(() => proxy.proxy.stats().connections === 2, 'all are accepted');
  clock.advance(10_001);
  assert.equal(await silent.rest(), '');
  await quiet.take('banner');
});

test('clients over the limit of an endpoint take the unused connection of another client, or are refused', async (t) => {
  const server = await rawServer();
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler())])],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [endpoint(server.port)], { proxyProtocol: 'v1', maxConnections: 1 })],
    }),
  );
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
  const [one, two] = [await rawClient(proxy.port()), await rawClient(proxy.port())];
  one.write(get);
  const first = await server.peer(0);
  await first.take('GET / ');
  two.write(get);
  assert.match(await two.take('\r\n\r\n'), / 503 /);
  first.write(ok);
  await one.take('\r\n\r\nok');
  two.write(get);
  const second = await server.peer(1);
  assert.match(
    await second.take('\r\n'),
    new RegExp(`PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 ${two.socket.localPort} `),
  );
  second.write(ok);
  await two.take('\r\n\r\nok');
  assert.equal(first.closed || first.ended, true);
});
