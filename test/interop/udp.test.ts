// UDP through both engines: the same snapshot, the same answers, the same event of a session.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Listener, UdpHandler } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { cluster } from '../fakes/envoy-mesh.ts';
import { type UdpPeer, udpEcho, udpPeer } from '../fakes/udp-peer.ts';

const IDLE_MS = 700;

const listener = (name: string, port: number, handler: Partial<UdpHandler>): [string, Listener] => [
  name,
  {
    name,
    address: '127.0.0.1',
    port,
    direction: 'gateway',
    transport: 'udp',
    chains: [
      {
        name: 'udp',
        match: { serverNames: [] },
        handler: { type: 'udp', targets: [{ cluster: 'a', weight: 1 }], idleTimeoutMs: 60_000, ...handler },
      },
    ],
  },
];

const endpoints = (...ports: number[]) => ({
  protocol: 'udp' as const,
  discovery: {
    type: 'static' as const,
    endpoints: ports.map((port) => ({
      address: '127.0.0.1',
      port,
      mesh: false,
      weight: 1,
      health: 'healthy' as const,
    })),
  },
});

for (const name of ENGINES) {
  describe(`UDP through the engine ${name}`, () => {
    let engine: Engine;
    let a: UdpPeer;
    let b: UdpPeer;
    const clients: UdpPeer[] = [];

    const client = async (): Promise<UdpPeer> => {
      const peer = await udpPeer();
      clients.push(peer);
      return peer;
    };

    before(async () => {
      [a, b] = [await udpEcho('a'), await udpEcho('b')];
      engine = await openEngine(name, ['one', 'idle', 'weighted'], (port) => ({
        listeners: new Map([
          listener('one', port('one'), {}),
          listener('idle', port('idle'), {
            idleTimeoutMs: IDLE_MS,
            service: { namespace: 'shop', name: 'dns', port: 53 },
          }),
          listener('weighted', port('weighted'), {
            targets: [
              { cluster: 'a', weight: 1 },
              { cluster: 'b', weight: 3 },
            ],
          }),
        ]),
        clusters: new Map([
          ['a', cluster('a', endpoints(a.port))],
          ['b', cluster('b', endpoints(b.port))],
        ]),
      }));
    });

    after(async () => {
      await engine?.close();
      for (const peer of [a, b, ...clients]) peer?.close();
    });

    it('answers each client, from a source of its own', async () => {
      const [one, two] = [await client(), await client()];
      one.send('1', engine.port('one'));
      two.send('2', engine.port('one'));
      assert.deepEqual([await one.take(), await two.take()], ['a:1', 'a:2']);
      assert.equal(new Set(a.messages.map(({ from }) => from.port)).size, 2);
    });

    it('passes large datagrams whole', async () => {
      const one = await client();
      const large = 'x'.repeat(60_000);
      one.send(large, engine.port('one'));
      assert.equal(await one.take(), `a:${large}`);
    });

    it('tells of a session once it is idle', async () => {
      const one = await client();
      one.send('abc', engine.port('idle'));
      await one.take();
      one.send('de', engine.port('idle'));
      await one.take();
      const { protocol, direction, source, destination, bytesReceived, bytesSent, flags, cluster, tls } =
        await engine.event(({ source }) => source.address === `127.0.0.1:${one.port}`);
      assert.deepEqual(
        { protocol, direction, source, destination, bytesReceived, bytesSent, flags, cluster, tls },
        {
          protocol: 'udp',
          direction: 'gateway',
          source: { address: `127.0.0.1:${one.port}` },
          destination: { namespace: 'shop', service: 'dns', address: `127.0.0.1:${a.port}` },
          bytesReceived: 5,
          bytesSent: 9,
          flags: [],
          cluster: 'a',
          tls: 'none',
        },
      );
    });

    it('shares sessions by weight', async () => {
      const before = b.messages.length;
      for (let i = 0; i < 80; i++) {
        const one = await client();
        one.send('x', engine.port('weighted'));
        await one.take();
      }
      // 60 are to be expected, with a deviation of under 4.
      const share = b.messages.length - before;
      assert.ok(share > 40 && share < 78, `${share} of 80`);
    });
  });
}
