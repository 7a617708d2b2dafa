// TCP through both engines: the end of each side, and what ends a connection otherwise, with the flag in its event.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Endpoint, Listener, TcpHandler } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { cluster } from '../fakes/envoy-mesh.ts';
import { type RawPeer, type RawServer, rawClient, rawServer } from '../fakes/raw-peer.ts';

const LISTENERS = ['open', 'idle', 'aged', 'dead', 'half'] as const;

const listener = (name: string, port: number, to: string, more: Partial<TcpHandler> = {}): [string, Listener] => [
  name,
  {
    name,
    address: '127.0.0.1',
    port,
    direction: 'gateway',
    chains: [
      {
        name: 'tcp',
        match: { serverNames: [] },
        handler: {
          type: 'tcp',
          targets: [{ cluster: to, weight: 1 }],
          authorization: [],
          idleTimeoutMs: 30_000,
          ...more,
        },
      },
    ],
  },
];

for (const name of ENGINES) {
  describe(`TCP through the engine ${name}`, () => {
    let engine: Engine;
    let program: RawServer;
    /** With the address that each connected from. */
    const clients = new Map<RawPeer, string>();

    const client = async (to: (typeof LISTENERS)[number]): Promise<RawPeer> => {
      const peer = await rawClient(engine.port(to));
      clients.set(peer, `127.0.0.1:${peer.socket.localPort}`);
      return peer;
    };

    const later = (): (() => Promise<RawPeer>) => {
      const index = program.peers.length;
      return () => program.peer(index);
    };

    const eventOf = (peer: RawPeer) => engine.event(({ source }) => source.address === clients.get(peer));

    before(async () => {
      program = await rawServer();
      const gone = await rawServer();
      await gone.close();
      const to = (...ports: number[]) => ({
        discovery: {
          type: 'static' as const,
          endpoints: ports.map(
            (port): Endpoint => ({ address: '127.0.0.1', port, mesh: false, weight: 1, health: 'healthy' }),
          ),
        },
        protocol: 'tcp' as const,
        loadBalancing: 'round-robin' as const,
      });
      engine = await openEngine(name, LISTENERS, (port) => ({
        listeners: new Map([
          listener('open', port('open'), 'alive'),
          listener('idle', port('idle'), 'alive', { idleTimeoutMs: 300 }),
          listener('aged', port('aged'), 'alive', { maxDurationMs: 300 }),
          listener('dead', port('dead'), 'dead'),
          listener('half', port('half'), 'half'),
        ]),
        clusters: new Map([
          ['alive', cluster('alive', to(program.port))],
          ['dead', cluster('dead', to(gone.port))],
          ['half', cluster('half', to(gone.port, program.port))],
        ]),
      }));
    });

    after(async () => {
      for (const peer of clients.keys()) peer.destroy();
      await engine?.close();
      await program?.close();
    });

    it('passes on the end of the client, and answers after it', async () => {
      const upstream = later();
      const one = await client('open');
      one.write('ask').end();
      const peer = await upstream();
      assert.equal(await peer.rest(), 'ask');
      peer.write('answer').end();
      assert.equal(await one.rest(), 'answer');
      const { flags, bytesReceived, bytesSent } = await eventOf(one);
      assert.deepEqual([flags, bytesReceived, bytesSent], [[], 3, 6]);
    });

    it('passes on the end of the server, and what the client says after it', async () => {
      const upstream = later();
      const one = await client('open');
      one.write('ask');
      const peer = await upstream();
      await peer.take('ask');
      peer.write('answer').end();
      assert.equal(await one.rest(), 'answer');
      one.write('thanks').end();
      assert.equal(await peer.rest(), 'thanks');
    });

    it('ends a connection that is idle for too long', async () => {
      const one = await client('idle');
      assert.equal(await one.rest(), '');
      assert.equal((await eventOf(one)).protocol, 'tcp');
    });

    it('ends a connection that lasts too long', async () => {
      const one = await client('aged');
      assert.equal(await one.rest(), '');
      assert.deepEqual((await eventOf(one)).flags, ['DT']);
    });

    it('asks the next endpoint where one does not answer', async () => {
      for (let i = 0; i < 3; i++) {
        const upstream = later();
        const one = await client('half');
        one.write('ask');
        await (await upstream()).take('ask');
        one.destroy();
      }
    });

    it('closes where no endpoint answers', async () => {
      const one = await client('dead');
      assert.equal(await one.rest(), '');
      assert.equal((await eventOf(one)).flags.includes('UF'), true);
    });
  });
}
