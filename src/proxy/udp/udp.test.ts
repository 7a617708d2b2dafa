import assert from 'node:assert/strict';
import { Socket } from 'node:dgram';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import {
  chain,
  cluster,
  endpoint,
  listener,
  snapshot,
  startProxy,
  udpHandler,
} from '../../../test/fakes/proxy-under-test.ts';
import { until } from '../../../test/fakes/raw-peer.ts';
import { type UdpPeer, udpEcho, udpPeer } from '../../../test/fakes/udp-peer.ts';
import { systemRandom } from '../../lib/random.ts';
import type { Cluster, Endpoint, Snapshot, UdpHandler } from '../../model/snapshot.ts';
import type { ProxyOptions } from '../proxy.ts';

interface More {
  readonly handler?: Partial<UdpHandler>;
  readonly cluster?: Partial<Cluster>;
  readonly clusters?: readonly Cluster[];
}

const toUdp = (endpoints: readonly Endpoint[], more: More = {}): Snapshot =>
  snapshot({
    listeners: [listener([chain(udpHandler('b', more.handler))], { transport: 'udp' })],
    clusters: more.clusters ?? [cluster('b', endpoints, { protocol: 'udp', ...more.cluster })],
  });

const open = async (t: TestContext, first: Snapshot, options: Partial<ProxyOptions> = {}) => {
  const proxy = await startProxy(first, options);
  const peers: UdpPeer[] = [];
  t.after(async () => {
    await proxy.close();
    for (const peer of peers) peer.close();
  });
  const keep = async (made: Promise<UdpPeer>) => {
    const peer = await made;
    peers.push(peer);
    return peer;
  };
  return { proxy, keep, client: () => keep(udpPeer()) };
};

const echo = async (t: TestContext, name: string): Promise<UdpPeer> => {
  const peer = await udpEcho(name);
  t.after(() => peer.close());
  return peer;
};

test('each client has a session of its own, and its answers alone', async (t) => {
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]));
  const [one, two] = [await client(), await client()];
  one.send('a', proxy.port());
  two.send('b', proxy.port());
  assert.deepEqual([await one.take(), await two.take()], ['s:a', 's:b']);
  one.send('c', proxy.port());
  assert.equal(await one.take(), 's:c');
  const sources = server.messages.map(({ from }) => from.port);
  assert.equal(sources[0] === sources[1], false);
  assert.equal(new Set(sources).size, 2);
});

test('the largest datagrams pass whole, and empty ones too', async (t) => {
  const server = await echo(t, '');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]));
  const one = await client();
  const large = 'x'.repeat(65_000);
  one.send(large, proxy.port());
  assert.equal(await one.take(), `:${large}`);
  one.send('', proxy.port());
  assert.equal(await one.take(), ':');
});

test('a session that is idle ends, with one event that counts both ways', async (t) => {
  const clock = new FakeClock();
  const server = await echo(t, 'echo');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)], { handler: { idleTimeoutMs: 5000 } }), {
    clock,
  });
  const one = await client();
  one.send('abc', proxy.port());
  await one.take();
  clock.advance(4000);
  one.send('de', proxy.port());
  await one.take();
  clock.advance(4000);
  assert.equal(proxy.events.length, 0);
  clock.advance(1001);
  const { source, destination, ...event } = await proxy.event(0);
  assert.deepEqual(
    { ...event, source: source.address, destination: destination.address },
    {
      startMs: Date.UTC(2026, 0, 1),
      durationMs: 9000,
      proxy: event.proxy,
      direction: 'gateway',
      protocol: 'udp',
      source: `127.0.0.1:${one.port}`,
      destination: `127.0.0.1:${server.port}`,
      bytesReceived: 5,
      bytesSent: 15,
      flags: [],
      attempts: 1,
      tls: 'none',
      cluster: 'b',
    },
  );
  one.send('new', proxy.port());
  assert.equal(await one.take(), 'echo:new');
});

test('only its endpoint can send to a client', async (t) => {
  const server = await udpPeer();
  t.after(() => server.close());
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]));
  const [one, stranger] = [await client(), await client()];
  one.send('a', proxy.port());
  await server.take();
  const session = server.messages[0]!.from.port;
  stranger.send('forged', session);
  server.send('true', session);
  assert.equal(await one.take(), 'true');
  assert.equal(one.messages.length, 1);
});

test('targets share sessions by their weights', async (t) => {
  const [a, b] = [await echo(t, 'a'), await echo(t, 'b')];
  const targets = [
    { cluster: 'a', weight: 3 },
    { cluster: 'b', weight: 1 },
    { cluster: 'never', weight: 0 },
  ];
  const clusters = [a, b].map(({ port }, i) => cluster(['a', 'b'][i]!, [endpoint(port)], { maxConnections: 1000 }));
  const { proxy, client } = await open(t, toUdp([], { handler: { targets }, clusters }));
  for (let i = 0; i < 120; i++) {
    const one = await client();
    one.send('x', proxy.port());
    await one.take();
  }
  // 90 are to be expected, with a deviation of under 5.
  assert.ok(a.messages.length > 60 && a.messages.length < 115, `${a.messages.length} of 120`);
  assert.equal(a.messages.length + b.messages.length, 120);
});

test('a dead endpoint is counted, and the next datagram goes to another', async (t) => {
  const dead = await udpPeer();
  dead.close();
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(dead.port), endpoint(server.port)]), {
    random: { ...systemRandom, next: () => 0.9 },
  });
  const one = await client();
  while (one.messages.length === 0) {
    one.send('again', proxy.port());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(proxy.proxy.stats().clusters.b!.failures, 1);
  await proxy.close();
  const { flags, attempts } = await proxy.event(0);
  assert.deepEqual([flags, attempts], [['UF'], 2]);
});

test('sessions outlive a change, and move when their endpoint goes', async (t) => {
  const [a, b] = [await echo(t, 'a'), await echo(t, 'b')];
  const { proxy, client } = await open(t, toUdp([endpoint(a.port)]));
  const one = await client();
  one.send('1', proxy.port());
  assert.equal(await one.take(), 'a:1');
  await proxy.proxy.apply(toUdp([endpoint(b.port), endpoint(a.port)], { handler: { idleTimeoutMs: 9000 } }));
  one.send('2', proxy.port());
  assert.equal(await one.take(), 'a:2');
  assert.equal(new Set(a.messages.map(({ from }) => from.port)).size, 1);
  await proxy.proxy.apply(toUdp([endpoint(b.port), endpoint(a.port, { health: 'unhealthy' })]));
  one.send('3', proxy.port());
  assert.equal(await one.take(), 'b:3');
  await proxy.proxy.apply(toUdp([endpoint(a.port)]));
  one.send('4', proxy.port());
  assert.equal(await one.take(), 'a:4');
  assert.equal(proxy.events.length, 0);
});

test('a cluster that goes ends its sessions, and what comes then is refused with one event', async (t) => {
  const clock = new FakeClock();
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]), { clock });
  const one = await client();
  one.send('1', proxy.port());
  await one.take();
  await proxy.proxy.apply(toUdp([], { clusters: [] }));
  one.send('2', proxy.port());
  assert.deepEqual((await proxy.event(0)).flags, []);
  for (let i = 0; i < 5; i++) one.send('3', proxy.port());
  assert.deepEqual((await proxy.event(1)).flags, ['NC']);
  const health = toUdp([]);
  clock.advance(2000);
  await proxy.proxy.apply(health);
  one.send('4', proxy.port());
  assert.deepEqual((await proxy.event(2)).flags, ['UH']);
  assert.equal(proxy.events.length, 3);
});

test('sessions are bounded, in all and for one source', async (t) => {
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]), {
    limits: { maxUdpSessions: 10, maxUdpSessionsPerSource: 2 },
  });
  const clients = [await client(), await client(), await client()];
  for (const one of clients) {
    one.send('x', proxy.port());
    await until(() => one.messages.length + proxy.events.length > 0, 'it is answered or refused');
  }
  assert.deepEqual(
    proxy.events.map(({ flags }) => flags),
    [['UO']],
  );
  assert.equal(server.messages.length, 2);
});

test('the limit of a cluster holds for sessions', async (t) => {
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)], { cluster: { maxConnections: 1 } }));
  const [one, two] = [await client(), await client()];
  one.send('x', proxy.port());
  await one.take();
  two.send('x', proxy.port());
  assert.deepEqual((await proxy.event(0)).flags, ['UO']);
});

test('a drain lets sessions finish that are at work, and ends the others soon', async (t) => {
  const clock = new FakeClock();
  const server = await echo(t, 's');
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]), { clock });
  const [one, stranger] = [await client(), await client()];
  one.send('1', proxy.port());
  await one.take();
  const port = proxy.port();
  const drained = proxy.proxy.drain(60_000);
  await until(() => proxy.proxy.listeners().length === 0, 'it takes nothing new');
  stranger.send('new', port);
  one.send('2', port);
  assert.equal(await one.take(), 's:2');
  clock.advance(1000);
  one.send('3', port);
  assert.equal(await one.take(), 's:3');
  clock.advance(1001);
  await drained;
  assert.equal(stranger.messages.length, 0);
  assert.deepEqual([proxy.events.length, (await proxy.event(0)).bytesReceived], [1, 3]);
});

test('a port that is taken is told, and so is a handler that does not fit', async (t) => {
  const taken = await udpPeer();
  t.after(() => taken.close());
  const { proxy } = await open(t, toUdp([]));
  const more = (name: string, port: number, transport?: 'udp') =>
    listener([chain(udpHandler('b'))], { name, port, ...(transport && { transport }) });
  const problems = await proxy.proxy.apply(
    snapshot({ listeners: [more('taken', taken.port, 'udp'), more('tcp', 0)], clusters: [] }),
  );
  assert.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [
      ['PORT_TAKEN', 'taken'],
      ['CONFIG_INVALID', 'tcp/c'],
    ],
  );
});

test('a datagram from port 0, to which nothing can be sent back, begins no session', async (t) => {
  const server = await echo(t, 's');
  const bound: Socket[] = [];
  const bind = Socket.prototype.bind;
  // No socket of ours can have that port.
  t.mock.method(Socket.prototype, 'bind', function (this: Socket, ...args: Parameters<Socket['bind']>) {
    bound.push(this);
    return bind.apply(this, args);
  });
  const { proxy, client } = await open(t, toUdp([endpoint(server.port)]));
  bound[0]!.emit('message', Buffer.from('forged'), { address: '127.0.0.1', port: 0, family: 'IPv4', size: 6 });
  const one = await client();
  one.send('a', proxy.port());
  assert.equal(await one.take(), 's:a');
  assert.equal(server.messages.length, 1);
});
