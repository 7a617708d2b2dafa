// Ports whose protocol nobody declared, through both engines: HTTP by its first bytes, in plain text and inside mutual TLS.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FilterChain, Listener } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { cluster, forward, route, SELF } from '../fakes/envoy-mesh.ts';
import { type RawPeer, type RawServer, rawClient, rawServer } from '../fakes/raw-peer.ts';

const SNI = 'outbound_.80_._.app.shop.svc.cluster.local';
const LISTENERS = ['plain', 'inbound', 'http-to-mesh', 'tcp-to-mesh'] as const;

const http = (routes: string): FilterChain['handler'] => ({
  type: 'http',
  routes,
  authorization: [],
  explicitProxy: false,
  edge: false,
  idleTimeoutMs: 30_000,
  headTimeoutMs: 5_000,
});

const tcp = (to: string): FilterChain['handler'] => ({
  type: 'tcp',
  targets: [{ cluster: to, weight: 1 }],
  authorization: [],
  idleTimeoutMs: 30_000,
});

/** An http chain and a tcp one for the same connections. */
const either = (name: string, match: Partial<FilterChain['match']>, rest: Partial<FilterChain> = {}): FilterChain[] => [
  { name, match: { serverNames: [], ...match, protocol: 'http' }, ...rest, handler: http('app') },
  { name: `${name}/tcp`, match: { serverNames: [], ...match }, ...rest, handler: tcp('app') },
];

for (const name of ENGINES) {
  describe(`undeclared protocols through the engine ${name}`, () => {
    let engine: Engine;
    let program: RawServer;
    let banner = '';
    const clients: RawPeer[] = [];

    const client = async (to: (typeof LISTENERS)[number], bytes = ''): Promise<RawPeer> => {
      const peer = await rawClient(engine.port(to));
      clients.push(peer);
      return bytes ? peer.write(bytes) : peer;
    };

    const later = (): ((index: number) => Promise<RawPeer>) => {
      const first = program.peers.length;
      return (index) => program.peer(first + index);
    };

    before(async () => {
      program = await rawServer((peer) => {
        if (banner) peer.write(banner);
      });
      const at = (port: number, mesh: boolean) => ({
        address: '127.0.0.1',
        port,
        mesh,
        ...(mesh && { identity: SELF }),
        weight: 1,
        health: 'healthy' as const,
      });
      const listener = (
        own: string,
        port: number,
        direction: Listener['direction'],
        chains: readonly FilterChain[],
      ): [string, Listener] => [own, { name: own, address: '127.0.0.1', port, direction, chains }];
      const table = (to: string) => ({
        name: to,
        virtualHosts: [{ name: to, domains: ['*'], routes: [route({ action: forward([to, 1]) })] }],
        tunnels: [],
      });
      engine = await openEngine(name, LISTENERS, (port) => ({
        listeners: new Map([
          listener('plain', port('plain'), 'outbound', either('plain', {})),
          listener('inbound', port('inbound'), 'inbound', [
            ...either('mesh', { transport: 'tls', serverNames: [SNI] }, { tls: { mode: 'mesh' } }),
            ...either('open', { transport: 'plain' }),
          ]),
          listener('http-to-mesh', port('http-to-mesh'), 'outbound', [
            { name: 'only', match: { serverNames: [] }, handler: http('mesh') },
          ]),
          listener('tcp-to-mesh', port('tcp-to-mesh'), 'outbound', [
            { name: 'only', match: { serverNames: [] }, handler: tcp('mesh') },
          ]),
        ]),
        routes: new Map(['app', 'mesh'].map((to) => [to, table(to)])),
        clusters: new Map([
          ['app', cluster('app', { discovery: { type: 'static', endpoints: [at(program.port, false)] } })],
          [
            'mesh',
            cluster('mesh', {
              discovery: { type: 'static', endpoints: [at(port('inbound'), true)] },
              tls: { mode: 'mesh', sni: SNI, identities: [SELF] },
            }),
          ],
        ]),
      }));
    });

    after(async () => {
      for (const peer of clients) peer.destroy();
      await engine?.close();
      await program?.close();
    });

    const roads = ['plain', 'inbound', 'http-to-mesh'] as const;
    for (const to of roads) {
      it(`takes requests for HTTP at ${to}`, async () => {
        banner = '';
        const upstream = later();
        const one = await client(to, `GET /${to} HTTP/1.1\r\nHost: app\r\n\r\n`);
        const peer = await upstream(0);
        // Only who reads HTTP adds fields.
        assert.match(await peer.take('\r\n\r\n'), /x-request-id: /);
        peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
        await one.take('\r\n\r\nok');
        const direction = to === 'plain' ? 'outbound' : 'inbound';
        const event = await engine.event((e) => e.http?.path === `/${to}` && e.direction === direction);
        assert.deepEqual([event.protocol, event.http?.status], ['http', 200]);
      });
    }

    it('refuses to proxy UDP inside HTTP', async () => {
      const one = await client(
        'plain',
        'GET /.well-known/masque/udp/192.0.2.6/443/ HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\n\r\n',
      );
      assert.match(await one.take('\r\n'), name === 'weft' ? / 501 / : / 403 /);
    });

    const others = {
      'binary bytes': '\0\x01\x02hello',
      'a line of SMTP': 'EHLO there\r\n',
      'a line alone': 'SET key 1\r\n',
    };
    for (const to of ['plain', 'inbound', 'tcp-to-mesh'] as const) {
      for (const [title, bytes] of Object.entries(others)) {
        it(`passes ${title} on as they come at ${to}`, async () => {
          banner = '';
          const upstream = later();
          const one = await client(to, bytes);
          const peer = await upstream(0);
          assert.equal(await peer.take(bytes), bytes);
          peer.write('answer').end();
          one.end();
          assert.equal(await one.rest(), 'answer');
        });
      }

      it(`lets a server speak first at ${to}`, async () => {
        banner = '220 welcome\r\n';
        const one = await client(to);
        await one.take('220 welcome\r\n');
        const peer = program.peers.at(-1)!;
        one.write('EHLO me\r\n').end();
        await peer.take('EHLO me\r\n');
        peer.end();
        await one.rest();
      });

      it(`passes on what ends before it says what it is at ${to}`, async () => {
        banner = '';
        const upstream = later();
        const one = await client(to, 'PING');
        one.end();
        if (name === 'envoy' && to !== 'tcp-to-mesh') {
          // It closes who ends before it has made up its mind.
          assert.equal(await one.rest(), '');
          return;
        }
        const peer = await upstream(0);
        assert.equal(await peer.rest(), 'PING');
        peer.write('PONG').end();
        assert.equal(await one.rest(), 'PONG');
      });
    }
  });
}
