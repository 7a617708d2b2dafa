import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeAuthority, spiffeId } from '../../../test/fakes/mesh-ca.ts';
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
} from '../../../test/fakes/proxy-under-test.ts';
import { type RawPeer, type RawServer, rawClient, rawServer, until } from '../../../test/fakes/raw-peer.ts';
import type { ProxyOptions } from '../proxy.ts';

const SNI = 'outbound_.80_._.a.default.svc.cluster.local';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const FORGED = 'HTTP/1.1 503 Service Unavailable\r\nx-weft-unsent: true\r\ncontent-length: 4\r\n\r\nbusy';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const authority = new FakeAuthority();

/** A program that takes requests with the body `hello`, or without one, and what it got. */
const openProgram = async (t: TestContext, answer = OK): Promise<RawServer & { readonly seen: string[] }> => {
  const seen: string[] = [];
  const server = await rawServer((peer) => {
    peer.socket.on('data', () => {
      if (!/\r\n\r\n$|hello(\r\n0\r\n\r\n)?$/.test(peer.text) || peer.text.endsWith('chunked\r\n\r\n')) return;
      seen.push(peer.text);
      peer.text = '';
      peer.write(answer);
    });
  });
  t.after(() => server.close());
  return Object.assign(server, { seen });
};

/** A port on which nothing listens: where a program was killed. */
const deadPort = async (): Promise<number> => {
  const server = await rawServer();
  await server.close();
  return server.port;
};

const openInbound = async (t: TestContext, program: number, type: 'http' | 'tcp' = 'http'): Promise<ProxyUnderTest> => {
  const name = 'inbound|9080||';
  const mesh = { match: { transport: 'tls', serverNames: [SNI] }, tls: { mode: 'mesh' } } as const;
  const proxy = await startProxy(
    snapshot({
      listeners: [
        listener([chain(type === 'http' ? httpHandler() : tcpHandler(name), mesh)], { direction: 'inbound' }),
      ],
      routes: [route(forward(name))],
      clusters: [cluster(name, [endpoint(program)])],
    }),
    { svid: authority.source(spiffeId('a')) },
  );
  t.after(() => proxy.close());
  return proxy;
};

const meshTo = (proxies: readonly ProxyUnderTest[]) =>
  cluster(
    'a',
    proxies.map((proxy) => endpoint(proxy.port(), { mesh: true, identity: spiffeId('a') })),
    { tls: { mode: 'mesh', sni: SNI, identities: [spiffeId('a')] } },
  );

interface Caller {
  readonly proxy: ProxyUnderTest;
  ask(request: string, upTo?: string): Promise<string>;
  readonly client: RawPeer;
}

const openCaller = async (
  t: TestContext,
  config: Parameters<ProxyUnderTest['proxy']['apply']>[0],
  options: Partial<ProxyOptions> = {},
): Promise<Caller> => {
  const proxy = await startProxy(config, { svid: authority.source(spiffeId('b')), ...options });
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
  });
  return { proxy, client, ask: (request, upTo = 'ok') => client.write(request).take(upTo) };
};

/** As `meshTo`, where the first is always asked first: the others are used only without it. */
const inOrder = (proxies: readonly ProxyUnderTest[]) => {
  const { discovery, ...rest } = meshTo(proxies);
  assert.ok(discovery.type === 'static');
  const endpoints = discovery.endpoints.map((one, i) => (i === 0 ? one : { ...one, health: 'unhealthy' as const }));
  return { ...rest, discovery: { type: 'static' as const, endpoints } };
};

const toMesh = (proxies: readonly ProxyUnderTest[], direction: 'outbound' | 'gateway' = 'outbound') =>
  snapshot({
    listeners: [listener([chain(httpHandler())], { direction })],
    routes: [route(forward('a'))],
    clusters: [meshTo(proxies)],
  });

for (const direction of ['outbound', 'gateway'] as const) {
  test(`${direction}: what a dead program never saw goes to another endpoint, whatever the method`, async (t) => {
    const program = await openProgram(t);
    const inbounds = [await openInbound(t, await deadPort()), await openInbound(t, program.port)];
    const { ask, proxy } = await openCaller(t, toMesh(inbounds, direction));
    const requests = [POST, GET, CHUNKED, POST];
    for (const request of requests) {
      const answer = await ask(request);
      assert.match(answer, /^HTTP\/1.1 200/);
      assert.doesNotMatch(answer, /x-weft-unsent/);
    }
    assert.equal(program.seen.length, requests.length, 'nothing is done twice');
    assert.ok(program.seen.filter((text) => text.includes('hello')).length === 3, 'bodies came whole');
    const last = await proxy.event(requests.length - 1);
    assert.deepEqual(last.flags, []);
    const moved = proxy.events.filter(({ attempts }) => attempts === 2).length;
    assert.ok(moved >= 1, 'the dead one was asked');
    assert.equal(inbounds[0]!.events.length, moved);
    assert.deepEqual(inbounds[0]!.events[0]!.flags, ['UF']);
  });
}

test('where every program is dead the caller gets the 503, without the word between proxies', async (t) => {
  const inbounds = [await openInbound(t, await deadPort()), await openInbound(t, await deadPort())];
  const { ask, proxy } = await openCaller(t, toMesh(inbounds));
  const answer = await ask(POST, 'running?\n');
  assert.match(answer, /^HTTP\/1.1 503/);
  assert.doesNotMatch(answer, /x-weft-unsent/);
  assert.equal((await proxy.event(0)).attempts, 2);
});

test('a body that is no longer at hand is not sent again: the caller gets the 503', async (t) => {
  const program = await openProgram(t);
  const inbounds = [await openInbound(t, await deadPort()), await openInbound(t, program.port)];
  const config = { ...toMesh(inbounds), clusters: new Map([['a', inOrder(inbounds)]]) };
  const { ask } = await openCaller(t, config, { limits: { maxKeptBytes: 16 } });
  const answer = await ask(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n${'x'.repeat(40)}`, 'running?\n');
  assert.match(answer, /^HTTP\/1.1 503/);
  assert.doesNotMatch(answer, /x-weft-unsent/);
  assert.equal(program.seen.length, 0);
});

test('a program can not say that it never saw a request', async (t) => {
  const programs = [await openProgram(t, FORGED), await openProgram(t, FORGED)];
  const inbounds = [await openInbound(t, programs[0]!.port), await openInbound(t, programs[1]!.port)];
  const { ask } = await openCaller(t, toMesh(inbounds));
  const answer = await ask(POST, 'busy');
  assert.match(answer, /^HTTP\/1.1 503/);
  assert.doesNotMatch(answer, /x-weft-unsent/);
  assert.equal(programs[0]!.seen.length + programs[1]!.seen.length, 1);
});

test('a server outside the mesh is not believed either, and callers do not see its word', async (t) => {
  const programs = [await openProgram(t, FORGED), await openProgram(t, FORGED)];
  const { ask } = await openCaller(t, toBackend(programs.map(({ port }) => endpoint(port))));
  assert.doesNotMatch(await ask(POST, 'busy'), /x-weft-unsent/);
  assert.equal(programs[0]!.seen.length + programs[1]!.seen.length, 1);
});

test('a caller that still sends its body is told once it is through, so that it has it whole for another', async (t) => {
  const inbound = await openInbound(t, await deadPort());
  const program = await openProgram(t);
  const other = await openInbound(t, program.port);
  const clusters = new Map([['a', inOrder([inbound, other])]]);
  const { client } = await openCaller(t, { ...toMesh([inbound, other]), clusters });
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
  await until(
    () => (inbound.proxy.stats().clusters['inbound|9080||']?.failures ?? 0) > 0,
    'the program is not reached',
  );
  assert.equal(other.proxy.stats().requests, 0);
  client.write('llo');
  assert.match(await client.take('ok'), /^HTTP\/1.1 200/);
  assert.equal(program.seen.length, 1);
  assert.equal(inbound.events.length, 1);
});

test('callers that wait for 100 (Continue) are told at once', async (t) => {
  const { ask } = await openCaller(t, toMesh([await openInbound(t, await deadPort())]));
  const request = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';
  assert.match(await ask(request, 'running?\n'), /^HTTP\/1.1 503/);
});

test('TCP: a connection that was passed on ends with its program, and is not made again', async (t) => {
  const program = await openProgram(t);
  const inbounds = [await openInbound(t, await deadPort(), 'tcp'), await openInbound(t, program.port, 'tcp')];
  const { client, proxy } = await openCaller(
    t,
    snapshot({
      listeners: [listener([chain(tcpHandler('a'))], { direction: 'outbound' })],
      clusters: [{ ...inOrder(inbounds), protocol: 'tcp' }],
    }),
  );
  client.write('hello');
  assert.equal(await client.rest(), '');
  client.end();
  assert.equal((await proxy.event(0)).attempts, 1);
  assert.equal(program.peers.length, 0);
});
