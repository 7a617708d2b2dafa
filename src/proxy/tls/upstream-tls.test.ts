import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { FakeAuthority } from '../../../test/fakes/mesh-ca.ts';
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
} from '../../../test/fakes/proxy-under-test.ts';
import { rawClient, until } from '../../../test/fakes/raw-peer.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Answers each request; `ends`: and closes the connection. */
const openBackend = async (t: TestContext, authority: FakeAuthority, ends: boolean) => {
  const { keyPem, chainPem } = authority.issue({ dnsNames: ['b.test'] });
  const accepted: TLSSocket[] = [];
  const reused: boolean[] = [];
  const server = createServer({ key: keyPem, cert: chainPem }, (socket) => {
    accepted.push(socket);
    reused.push(socket.isSessionReused());
    socket.on('error', () => {});
    socket.on('data', () => {
      const answer = `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${ends ? 'connection: close\r\n' : ''}\r\nok`;
      if (ends) socket.end(answer);
      else socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, accepted, reused };
};

const toTls = (port: number, caPem: string) =>
  snapshot({
    listeners: [listener([chain(httpHandler())])],
    routes: [route(forward('b'))],
    clusters: [cluster('b', [endpoint(port)], { tls: { mode: 'simple', sni: 'b.test', ca: 'roots' } })],
    secrets: new Map([['roots', { name: 'roots', caPem }]]),
  });

const askOnce = async (port: number): Promise<string> => {
  const client = await rawClient(port);
  client.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  await until(() => client.ended || client.closed, 'the answer ends');
  client.socket.destroy();
  return client.text;
};

test('sessions with a server are resumed', async (t) => {
  const authority = new FakeAuthority();
  const backend = await openBackend(t, authority, true);
  const proxy = await startProxy(toTls(backend.port, authority.rootPem));
  t.after(() => proxy.close());
  for (let i = 0; i < 2; i++) assert.match(await askOnce(proxy.port()), /^HTTP\/1\.1 200/);
  assert.deepEqual(backend.reused, [false, true]);
});

test('other authorities count at once, for connections and sessions from before too', async (t) => {
  const authority = new FakeAuthority();
  const backend = await openBackend(t, authority, false);
  const first = toTls(backend.port, authority.rootPem);
  const proxy = await startProxy(first);
  t.after(() => proxy.close());
  assert.match(await askOnce(proxy.port()), /^HTTP\/1\.1 200/);
  const others = new Map([['roots', { name: 'roots', caPem: new FakeAuthority().rootPem }]]);
  assert.deepEqual(await proxy.proxy.apply({ ...first, revision: 2, secrets: others }), []);
  const answer = await askOnce(proxy.port());
  assert.match(answer, /^HTTP\/1\.1 503 .*the server's certificate is of no known authority/s);
  const event = await proxy.event(1);
  assert.deepEqual(event.flags, ['UF']);
  assert.deepEqual(await proxy.proxy.apply({ ...first, revision: 3 }), []);
  assert.match(await askOnce(proxy.port()), /^HTTP\/1\.1 200/);
});

test('without its authorities a server is not asked', async (t) => {
  const authority = new FakeAuthority();
  const backend = await openBackend(t, authority, false);
  const proxy = await startProxy({ ...toTls(backend.port, authority.rootPem), secrets: new Map() });
  t.after(() => proxy.close());
  assert.match(await askOnce(proxy.port()), /^HTTP\/1\.1 503 .*certificates that it needs are missing/s);
  assert.equal(backend.accepted.length, 0);
});
