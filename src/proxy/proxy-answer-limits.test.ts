import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { endpoint, startProxy, toBackend } from '../../test/fakes/proxy-under-test.ts';
import { type RawPeer, rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

const GET = 'GET / HTTP/1.1\r\nhost: x.test\r\n\r\n';
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

/** A route whose answers have at most 8 bytes, and a backend that says `answer` to each request. */
const setup = async (t: TestContext, answer: string) => {
  const server = await rawServer((peer) => peer.socket.on('data', () => peer.write(answer)));
  const proxy = await startProxy(toBackend([endpoint(server.port)], { forward: { maxResponseBytes: 8 } }));
  const clients: RawPeer[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    await proxy.close();
    await server.close();
  });
  const client = async () => {
    const peer = await rawClient(proxy.port());
    clients.push(peer);
    return peer;
  };
  return { proxy, server, client };
};

test('an answer that says that it is too large is a 502, and its connection is not used again', async (t) => {
  const { proxy, server, client } = await setup(t, 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n012345678');
  const peer = await client();
  peer.write(GET);
  assert.match(await peer.take('too large\n'), /^HTTP\/1\.1 502 /);
  const { flags, http } = await proxy.event(0);
  assert.deepEqual([flags, http?.status], [['UPE'], 502]);
  await until(() => server.peers[0]!.ended, 'the proxy closes it');
  peer.write(GET);
  assert.match(await peer.take('too large\n'), /^HTTP\/1\.1 502 /, "the client's connection goes on");
});

test('an answer of just the size is passed on, with a length and without', async (t) => {
  const { client } = await setup(t, `HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n01234567`);
  const peer = await client();
  peer.write(GET);
  assert.match(await peer.take('01234567'), /^HTTP\/1\.1 200 /);
  const { client: other } = await setup(t, `${CHUNKED}3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n`);
  const chunked = await other();
  chunked.write(GET);
  assert.match(await chunked.take('\r\n0\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('one that goes over without having said so is cut off, and never looks whole', async (t) => {
  const { proxy, server, client } = await setup(t, `${CHUNKED}6\r\nabcdef\r\n`);
  const peer = await client();
  peer.write(GET);
  await peer.take('abcdef');
  server.peers[0]!.write('3\r\nghi\r\n0\r\n\r\n');
  assert.doesNotMatch(await peer.rest(), /\r\n0\r\n/);
  const { flags, http } = await proxy.event(0);
  assert.deepEqual([flags, http?.status], [['UPE'], 200]);
});

test('a client that reads until the connection ends sees it break', async (t) => {
  const { server, client } = await setup(t, `${CHUNKED}6\r\nabcdef\r\n`);
  const peer = await client();
  const failed = once(peer.socket, 'error');
  peer.write('GET / HTTP/1.0\r\nhost: x.test\r\n\r\n');
  await peer.take('abcdef');
  server.peers[0]!.write('3\r\nghi\r\n0\r\n\r\n');
  assert.equal((await failed)[0].code, 'ECONNRESET');
});

test('over HTTP/2 the stream is reset, and others go on', async (t) => {
  const { proxy } = await setup(t, `${CHUNKED}9\r\nabcdefghi\r\n0\r\n\r\n`);
  const session = connectHttp2(`http://127.0.0.1:${proxy.port()}`);
  t.after(() => session.destroy());
  for (let i = 0; i < 2; i++) {
    const stream = session.request({ ':path': '/', ':authority': 'x.test' });
    stream.on('error', () => {}).resume();
    await new Promise((resolve) => stream.once('close', resolve));
    assert.notEqual(stream.rstCode, 0);
  }
});

test('a retry comes before the limit', async (t) => {
  const server = await rawServer();
  const retry = { attempts: 1, statuses: [503], backoffMs: 1 };
  const proxy = await startProxy(toBackend([endpoint(server.port)], { forward: { maxResponseBytes: 4, retry } }));
  const peer = await rawClient(proxy.port());
  t.after(async () => {
    peer.destroy();
    await proxy.close();
    await server.close();
  });
  peer.write(GET);
  const first = await server.peer(0);
  await first.take('\r\n\r\n');
  first.write('HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\n012345678');
  const second = await server.peer(1);
  await second.take('\r\n\r\n');
  second.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  assert.match(await peer.take('ok'), /^HTTP\/1\.1 200 /);
});
