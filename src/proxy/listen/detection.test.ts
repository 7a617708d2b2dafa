import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
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
import { type RawPeer, rawClient, rawServer, until } from '../../../test/fakes/raw-peer.ts';
import type { AuthorizationPolicy } from '../../model/policy.ts';
import type { TcpHandler } from '../../model/snapshot.ts';
import { isHttpBytes } from './http-bytes.ts';

const verdicts: Record<string, { input: string; want: boolean | undefined }> = {
  'a request line is HTTP': { input: 'GET / HTTP/1.1\r\n', want: true },
  'an old one too': { input: 'GET / HTTP/1.0\r\nHost', want: true },
  'a method of its own too': { input: 'M-SEARCH * HTTP/1.1\r\n', want: true },
  'an empty line before it is let pass': { input: '\r\nGET / HTTP/1.1\r\n', want: true },
  'the preface of HTTP/2 is HTTP': { input: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', want: true },
  'a part of a line may become one': { input: 'GET / HT', want: undefined },
  'a part of a method may become one': { input: 'GE', want: undefined },
  'nothing may become one': { input: '', want: undefined },
  'a command of another protocol is not': { input: 'EHLO there\r\n', want: false },
  'a line without a version is not': { input: 'GET /\r\n', want: false },
  'HTTP/3 is not spoken here': { input: 'GET / HTTP/3.0\r\n', want: false },
  'a bare line feed is not a line': { input: 'GET / HTTP/1.1\n', want: false },
  'a word in lower case is not': { input: 'get key', want: false },
  'bytes are not': { input: '\x00\x01', want: false },
  'a method that never ends is not': { input: 'A'.repeat(40), want: false },
  'a line that never ends is not': { input: `GET /${'x'.repeat(9000)}`, want: false },
};

for (const [title, { input, want }] of Object.entries(verdicts)) {
  test(title, () => assert.equal(isHttpBytes(Buffer.from(input, 'latin1')), want));
}

const open = async (t: TestContext, more: Partial<TcpHandler> = {}, onPeer?: (peer: RawPeer) => void) => {
  const clock = new FakeClock();
  const server = await rawServer(onPeer);
  const match = { serverNames: [] };
  const chains = [
    chain(httpHandler(), { name: 'http', match: { ...match, protocol: 'http' } }),
    chain(tcpHandler('b', more), { name: 'tcp', match }),
  ];
  const proxy = await startProxy(
    snapshot({
      listeners: [listener(chains)],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [endpoint(server.port)])],
    }),
    { clock },
  );
  const client = await rawClient(proxy.port());
  await until(() => proxy.proxy.stats().connections === 1, 'the client is accepted');
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  return { clock, server, proxy, client };
};

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

test('a client that goes without a word leaves no connection behind', async (t) => {
  const { server, proxy, client } = await open(t);
  client.end();
  const upstream = await server.peer(0);
  await until(() => upstream.ended, 'the endpoint is told of its end');
  upstream.end();
  await until(() => proxy.proxy.stats().connections === 0, 'nothing is left');
});

test('a client that is silent and then speaks HTTP is served as such', async (t) => {
  const { clock, server, proxy, client } = await open(t);
  clock.advance(301);
  const unused = await server.peer(0);
  client.write('GET / HT');
  await until(() => unused.ended || unused.closed, 'the connection that nobody used is closed');
  client.write('TP/1.1\r\nHost: x\r\n\r\n');
  const upstream = await server.peer(1);
  assert.match(await upstream.take('\r\n\r\n'), /x-request-id/);
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await client.take('204');
  assert.deepEqual([(await proxy.event(0)).http?.status, proxy.events.length], [204, 1]);
});

test('a client that is silent and then speaks something else is passed on', async (t) => {
  const { clock, server, client } = await open(t);
  clock.advance(301);
  await server.peer(0);
  client.write('\x01\x02');
  assert.equal(await (await server.peer(1)).take('\x01\x02'), '\x01\x02');
});

test('a server that speaks first is heard, and the bytes are counted', async (t) => {
  const { clock, server, proxy, client } = await open(t, {}, (peer) => peer.write('hello'));
  clock.advance(301);
  await client.take('hello');
  client.end();
  (await server.peer(0)).end();
  const event = await proxy.event(0);
  assert.deepEqual([event.protocol, event.bytesSent, event.attempts], ['tcp', 5, 1]);
});

test('where nobody speaks the connection ends as an idle one', async (t) => {
  const { clock, server, proxy, client } = await open(t, { idleTimeoutMs: 5000 });
  clock.advance(301);
  const upstream = await server.peer(0);
  await until(() => {
    clock.advance(50);
    return client.ended || client.closed;
  }, 'the time is over');
  await upstream.rest();
  assert.deepEqual((await proxy.event(0)).flags, ['SI']);
});

test('a policy that allows requests alone keeps a silent client from the server, and lets its request through', async (t) => {
  const authorization: AuthorizationPolicy[] = [
    {
      name: 'default/reads',
      action: 'ALLOW',
      rules: [{ from: [], to: [{ methods: { any: [{ type: 'exact', value: 'GET' }], none: [] } }], when: [] }],
    },
  ];
  const { clock, server, client } = await open(t, { authorization });
  clock.advance(301);
  client.write(GET);
  const upstream = await server.peer(0);
  assert.match(await upstream.take('\r\n\r\n'), /x-request-id/);
});

test('who is silent and allowed nothing is denied', async (t) => {
  const authorization: AuthorizationPolicy[] = [{ name: 'default/nobody', action: 'ALLOW', rules: [] }];
  const { clock, proxy, client } = await open(t, { authorization });
  clock.advance(301);
  clock.advance(10_001);
  assert.equal(await client.rest(), '');
  assert.deepEqual((await proxy.event(0)).flags, ['RBAC']);
});
