import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { endpoint, type ProxyUnderTest, startProxy, toBackend } from '../../test/fakes/proxy-under-test.ts';
import { type RawPeer, type RawServer, rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi';
const RETRY = { attempts: 2, statuses: [503], backoffMs: 1 };

interface Setup {
  proxy: ProxyUnderTest;
  server: RawServer;
  client: RawPeer;
}

const setup = async (
  t: TestContext,
  more: Parameters<typeof toBackend>[1] = {},
  onPeer?: (peer: RawPeer) => void,
  options = {},
): Promise<Setup> => {
  const server = await rawServer(onPeer);
  const proxy = await startProxy(toBackend([endpoint(server.port)], more), options);
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  return { proxy, server, client };
};

/** A port on which nothing listens. */
const closedPort = async (): Promise<number> => {
  const server = await rawServer();
  await server.close();
  return server.port;
};

/** Answers every request on every connection. */
const answering =
  (answer: string) =>
  (peer: RawPeer): void => {
    peer.socket.on('data', () => {
      if (peer.text.includes('\r\n\r\n')) {
        peer.text = '';
        peer.write(answer);
      }
    });
  };

test('connection refused: 503, UF', async (t) => {
  const port = await closedPort();
  const proxy = await startProxy(toBackend([endpoint(port)]));
  const client = await rawClient(proxy.port());
  t.after(() => proxy.close());
  client.write(GET);
  assert.match(
    await client.take('running?\n'),
    /^HTTP\/1\.1 503 [\s\S]*connection refused; is the program running\?\n$/,
  );
  assert.deepEqual((await proxy.event(0)).flags, ['UF']);
  client.destroy();
});

test('an endpoint that refuses is left for another, without a retry policy and for any method', async (t) => {
  const server = await rawServer(answering(OK));
  const port = await closedPort();
  const proxy = await startProxy(toBackend([endpoint(port), endpoint(server.port)]));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  for (let i = 0; i < 4; i++) {
    client.write(POST);
    assert.match(await client.take('\r\n\r\nok'), /^HTTP\/1\.1 200 /);
  }
  assert.ok(proxy.events.some((event) => event.attempts === 2));
  assert.ok(proxy.events.every((event) => event.flags.length === 0));
});

test('no endpoint: 503, UH', async (t) => {
  const proxy = await startProxy(toBackend([]));
  const client = await rawClient(proxy.port());
  t.after(() => proxy.close());
  client.write(GET);
  assert.match(await client.take('upstream\n'), /^HTTP\/1\.1 503 [\s\S]*no healthy upstream\n$/);
  assert.deepEqual((await proxy.event(0)).flags, ['UH']);
  client.destroy();
});

test('a reset before an answer: 503, UC, and no second try without a policy', async (t) => {
  const { proxy, server, client } = await setup(t, {}, (peer) =>
    peer.socket.once('data', () => peer.socket.resetAndDestroy()),
  );
  client.write(GET);
  await client.take('reset\n');
  assert.deepEqual((await proxy.event(0)).flags, ['UC']);
  assert.equal(server.peers.length, 1);
});

test('a reset within an answer cuts the client off', async (t) => {
  const { proxy, server, client } = await setup(t);
  client.write(GET);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
  await client.take('half');
  upstream.destroy();
  await client.rest();
  const event = await proxy.event(0);
  assert.deepEqual([event.flags, event.http?.status, event.bytesSent], [['UC'], 200, 4]);
});

const badAnswers: Record<string, string> = {
  'what is not HTTP': 'SSH-2.0-OpenSSH\r\n\r\n',
  'both framings': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a lone LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'a switch of protocols that nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  'interim answers without end': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(20),
  'an oversize head': `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`,
};

for (const [name, answer] of Object.entries(badAnswers)) {
  test(`an upstream that answers with ${name}: 502, UPE`, async (t) => {
    const { proxy, server, client } = await setup(t);
    client.write(GET);
    const upstream = await server.peer(0);
    await upstream.take('\r\n\r\n');
    upstream.write(answer);
    await client.take('not valid HTTP\n');
    assert.deepEqual((await proxy.event(0)).flags, ['UPE']);
    await until(() => upstream.closed || upstream.ended, 'the upstream connection is closed');
  });
}

test('a kept connection that the upstream closed is not used again', async (t) => {
  const { server, client } = await setup(t);
  client.write(POST);
  const first = await server.peer(0);
  await first.take('hi');
  first.write(OK).end();
  await client.take('\r\n\r\nok');
  await until(() => first.ended, 'the proxy closes it');
  client.write(POST);
  await (await server.peer(1)).take('hi');
});

test('a kept connection that fails before an answer is replaced for what may be done twice', async (t) => {
  const { proxy, server, client } = await setup(t);
  client.write(GET);
  const first = await server.peer(0);
  await first.take('\r\n\r\n');
  first.write(OK);
  await client.take('\r\n\r\nok');
  client.write(GET);
  await first.take('\r\n\r\n');
  first.socket.resetAndDestroy();
  const second = await server.peer(1);
  await second.take('\r\n\r\n');
  second.write(OK);
  assert.match(await client.take('\r\n\r\nok'), /^HTTP\/1\.1 200 /);
  assert.deepEqual([(await proxy.event(1)).attempts, (await proxy.event(1)).flags], [2, []]);
});

test('but not for POST, which may have been done', async (t) => {
  const { proxy, server, client } = await setup(t, { forward: { retry: RETRY } });
  client.write(GET);
  const first = await server.peer(0);
  await first.take('\r\n\r\n');
  first.write(OK);
  await client.take('\r\n\r\nok');
  client.write(POST);
  await first.take('hi');
  first.socket.resetAndDestroy();
  assert.match(await client.take('reset\n'), /^HTTP\/1\.1 503 /);
  assert.deepEqual([(await proxy.event(1)).attempts, (await proxy.event(1)).flags], [1, ['UC']]);
  assert.equal(server.peers.length, 1);
});

test('unexpected bytes on an idle connection make it useless', async (t) => {
  const { server, client } = await setup(t);
  client.write(GET);
  const first = await server.peer(0);
  await first.take('\r\n\r\n');
  first.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`);
  await client.take('\r\n\r\nok');
  client.write(GET);
  const second = await server.peer(1);
  await second.take('\r\n\r\n');
  second.write(OK);
  assert.equal(await client.take('\r\n\r\nok'), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
});

test('statuses that the policy names are tried again on another endpoint', async (t) => {
  const bad = await rawServer(answering('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'));
  const good = await rawServer(answering(OK));
  const proxy = await startProxy(toBackend([endpoint(bad.port), endpoint(good.port)], { forward: { retry: RETRY } }));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await bad.close();
    await good.close();
  });
  for (let i = 0; i < 4; i++) {
    client.write(GET);
    assert.match(await client.take('\r\n\r\nok'), /^HTTP\/1\.1 200 /);
  }
  client.write(POST);
  client.write(POST);
  await client.take('503 Service Unavailable');
  assert.ok(proxy.events.some((event) => event.attempts === 2));
});

test('after the last try its answer is passed on, whole', async (t) => {
  const { proxy, client } = await setup(
    t,
    { forward: { retry: RETRY } },
    answering('HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy'),
  );
  client.write(GET);
  assert.match(await client.take('busy'), /^HTTP\/1\.1 503 [\s\S]*\r\n\r\nbusy$/);
  assert.equal((await proxy.event(0)).attempts, 3);
});

test('a body that was kept goes with the second try', async (t) => {
  const { server, client } = await setup(t, { forward: { retry: RETRY } });
  client.write('PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n');
  const first = await server.peer(0);
  await first.take('ab');
  client.write('2\r\ncd\r\n0\r\n\r\n');
  await first.take('0\r\n\r\n');
  first.socket.resetAndDestroy();
  const second = await server.peer(1);
  assert.match(await second.take('0\r\n\r\n'), /2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/);
  second.write(OK);
  await client.take('\r\n\r\nok');
});

test('the route timeout: 504, UT', async (t) => {
  const { proxy, server, client } = await setup(t, { forward: { timeoutMs: 20 } });
  client.write(GET);
  await client.take('timeout\n');
  assert.deepEqual((await proxy.event(0)).flags, ['UT']);
  const upstream = await server.peer(0);
  await until(() => upstream.ended || upstream.closed, 'the upstream request is given up');
});

test('the timeout of one attempt leads to another', async (t) => {
  let silent = true;
  const { proxy, client } = await setup(
    t,
    { forward: { attemptTimeoutMs: 200, retry: { ...RETRY, attempts: 5 } } },
    (peer) => {
      if (!silent) answering(OK)(peer);
      silent = false;
    },
  );
  client.write(GET);
  await client.take('\r\n\r\nok');
  assert.ok((await proxy.event(0)).attempts > 1);
});

test('nothing moves for too long: the request is given up', async (t) => {
  const { proxy, client } = await setup(t, {}, undefined, { limits: { stallTimeoutMs: 30 } });
  client.write(GET);
  assert.match(await client.take('timeout\n'), /^HTTP\/1\.1 504 /);
  assert.deepEqual((await proxy.event(0)).flags, ['SI']);
});

test('a connect timeout: 503, UF', async (t) => {
  // An address of the documentation's range: nobody answers.
  const proxy = await startProxy(
    toBackend([endpoint(9, { address: '192.0.2.1' })], { cluster: { connectTimeoutMs: 30 } }),
  );
  const client = await rawClient(proxy.port());
  t.after(() => proxy.close());
  client.write(GET);
  assert.match(await client.take('\n'), /^HTTP\/1\.1 503 /);
  assert.deepEqual((await proxy.event(0)).flags, ['UF']);
  client.destroy();
});

test('a full upstream: requests wait for a connection, and beyond the queue get 503, UO', async (t) => {
  const { proxy, server, client } = await setup(t, { cluster: { maxConnections: 1, maxPendingRequests: 1 } });
  const second = await rawClient(proxy.port());
  const third = await rawClient(proxy.port());
  client.write(GET);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  second.write(GET);
  await until(() => proxy.proxy.stats().activeRequests === 2, 'the second request waits');
  third.write(GET);
  await third.take('upstream\n');
  assert.deepEqual((await proxy.event(0)).flags, ['UO']);
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  await upstream.take('\r\n\r\n');
  upstream.write(OK);
  await second.take('\r\n\r\nok');
  assert.equal(server.peers.length, 1);
  second.destroy();
  third.destroy();
});

test('the client goes: DC, and the upstream request is given up', async (t) => {
  const { proxy, server, client } = await setup(t);
  client.write(GET);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  client.destroy();
  const event = await proxy.event(0);
  assert.deepEqual([event.flags, event.http?.status], [['DC'], 0]);
  await until(() => upstream.ended || upstream.closed, 'the upstream connection is closed');
  assert.equal(proxy.proxy.stats().activeRequests, 0);
  assert.equal(proxy.proxy.stats().clusters.b?.active, 0);
});

test('the client goes while its request waits for a connection', async (t) => {
  const { proxy, server, client } = await setup(t, { cluster: { maxConnections: 1 } });
  client.write(GET);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  const second = await rawClient(proxy.port());
  second.write(GET);
  await until(() => proxy.proxy.stats().activeRequests === 2, 'the second request waits');
  second.destroy();
  await proxy.event(0);
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  await until(() => proxy.proxy.stats().clusters.b?.active === 0, 'nothing is counted any more');
});

test('unhealthy and draining endpoints are used only when there is no other', async (t) => {
  const [healthy, other] = [await rawServer(answering(OK)), await rawServer(answering(OK))];
  const proxy = await startProxy(toBackend([endpoint(other.port, { health: 'draining' }), endpoint(healthy.port)]));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await healthy.close();
    await other.close();
  });
  for (let i = 0; i < 4; i++) {
    client.write(GET);
    await client.take('\r\n\r\nok');
  }
  assert.deepEqual([healthy.peers.length, other.peers.length], [1, 0]);
  await proxy.proxy.apply(toBackend([endpoint(other.port, { health: 'draining' })]));
  client.write(GET);
  await client.take('\r\n\r\nok');
  assert.equal(other.peers.length, 1);
});
