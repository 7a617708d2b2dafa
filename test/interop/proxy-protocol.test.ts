// The PROXY protocol through both engines: taken from clients, and given to endpoints.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AuthorizationPolicy } from '../../src/model/policy.ts';
import type { FilterChain, Listener } from '../../src/model/snapshot.ts';
import { encodeProxyHeader, type Origin, parseProxyHeader } from '../../src/proxy/proxy-protocol/header.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { type RawPeer, type RawServer, rawClient, rawServer, until } from '../fakes/raw-peer.ts';

const CLIENT: Origin = { peerAddress: '192.0.2.7', peerPort: 4711, localAddress: '198.51.100.1', localPort: 80 };
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`;

const policies: AuthorizationPolicy[] = [
  {
    name: 'shop/known-clients',
    action: 'ALLOW',
    rules: [
      { from: [{ remoteIpBlocks: { any: ['192.0.2.0/24'], none: [] } }], to: [], when: [] },
      { from: [{ ipBlocks: { any: ['192.0.2.0/24'], none: [] } }], to: [], when: [] },
    ],
  },
  {
    name: 'shop/no-balancer',
    action: 'DENY',
    rules: [
      {
        from: [{ ipBlocks: { any: ['127.0.0.0/8'], none: [] } }],
        to: [{ paths: { any: [{ type: 'exact', value: '/direct' }], none: [] } }],
        when: [],
      },
    ],
  },
];

const http = (routes: string, authorization: readonly AuthorizationPolicy[] = []): FilterChain['handler'] => ({
  type: 'http',
  routes,
  authorization,
  explicitProxy: false,
  edge: true,
  idleTimeoutMs: 30_000,
  headTimeoutMs: 5_000,
});

const tcp = (to: string): FilterChain['handler'] => ({
  type: 'tcp',
  targets: [{ cluster: to, weight: 1 }],
  authorization: [],
  idleTimeoutMs: 30_000,
});

const listener = (
  name: string,
  port: number,
  handler: FilterChain['handler'],
  proxyProtocol?: Listener['proxyProtocol'],
): [string, Listener] => [
  name,
  {
    name,
    address: '127.0.0.1',
    port,
    direction: 'gateway',
    ...(proxyProtocol && { proxyProtocol }),
    chains: [{ name: 'only', match: { serverNames: [] }, handler }],
  },
];

const v2 = (hex: string): string =>
  Buffer.from(`0d0a0d0a000d0a515549540a${hex.replaceAll(' ', '')}`, 'hex').toString('latin1');

const V4 = 'c0000207 c6336401 1267 0050';

/** What becomes of a connection that begins so, where a header is required; one word where both engines say the same. */
const strictness: Record<string, { header: string; want: 'served' | 'closed' | { weft: string; envoy: string } }> = {
  'v1 with two spaces': { header: 'PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n', want: 'closed' },
  'v1 with an address of another family': { header: 'PROXY TCP4 ::1 198.51.100.1 1 2\r\n', want: 'closed' },
  'v1 with a port that is too large': { header: 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n', want: 'closed' },
  'v1 with a zero before a port': {
    header: 'PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n',
    want: { weft: 'closed', envoy: 'served' },
  },
  'v1 with a bare line feed': { header: 'PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n', want: 'closed' },
  'v1 of another family': { header: 'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n', want: 'closed' },
  'v1 of unknown family, with words': { header: 'PROXY UNKNOWN some words\r\n', want: 'served' },
  'v1 that is too long': { header: `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`, want: 'closed' },
  'v2 with TLVs': { header: v2(`21 11 0013 ${V4} 04 0004 00000000`), want: 'served' },
  'v2, LOCAL': { header: v2('20 00 0000'), want: 'served' },
  'v2, LOCAL with an address': { header: v2(`20 11 000c ${V4}`), want: 'served' },
  'v2, unspecified': { header: v2('21 00 0000'), want: { weft: 'served', envoy: 'closed' } },
  'v2, unix': { header: v2(`21 31 00d8 ${'61'.repeat(216)}`), want: { weft: 'served', envoy: 'closed' } },
  'v2, datagrams': { header: v2(`21 12 000c ${V4}`), want: 'served' },
  'v2 of version 1': { header: v2(`11 11 000c ${V4}`), want: 'closed' },
  'v2 with another command': { header: v2(`22 11 000c ${V4}`), want: 'closed' },
  'v2 of another family': { header: v2(`21 41 000c ${V4}`), want: 'closed' },
  'v2 too short for its family': { header: v2('21 11 000b c0000207 c6336401 1267 00'), want: 'closed' },
};

const LISTENERS = ['required', 'optional', 'guarded', 'tcp', 'to-v1', 'to-v2', 'tcp-to-v1', 'tcp-to-v2'] as const;

for (const name of ENGINES) {
  describe(`the PROXY protocol through the engine ${name}`, () => {
    let engine: Engine;
    let program: RawServer;
    const clients: RawPeer[] = [];

    const client = async (to: (typeof LISTENERS)[number], ...bytes: (Buffer | string)[]): Promise<RawPeer> => {
      const peer = await rawClient(engine.port(to));
      clients.push(peer);
      for (const part of bytes) peer.write(part.toString('latin1'));
      return peer;
    };

    /** The connections that the program has from now on. */
    const later = (): ((index: number) => Promise<RawPeer>) => {
      const first = program.peers.length;
      return (index) => program.peer(first + index);
    };

    before(async () => {
      program = await rawServer();
      const endpoints = [
        { address: '127.0.0.1', port: program.port, mesh: false, weight: 1, health: 'healthy' as const },
      ];
      const discovery = { type: 'static' as const, endpoints };
      const table = (to: string) => ({
        name: to,
        virtualHosts: [{ name: to, domains: ['*'], routes: [route({ action: forward([to, 1]) })] }],
        tunnels: [],
      });
      engine = await openEngine(name, LISTENERS, (port) => ({
        listeners: new Map([
          listener('required', port('required'), http('plain'), 'required'),
          listener('optional', port('optional'), http('plain'), 'optional'),
          listener('guarded', port('guarded'), http('plain', policies), 'optional'),
          listener('tcp', port('tcp'), tcp('plain'), 'required'),
          listener('to-v1', port('to-v1'), http('v1')),
          listener('to-v2', port('to-v2'), http('v2')),
          listener('tcp-to-v1', port('tcp-to-v1'), tcp('v1')),
          listener('tcp-to-v2', port('tcp-to-v2'), tcp('v2'), 'optional'),
        ]),
        routes: new Map(['plain', 'v1', 'v2'].map((to) => [to, table(to)])),
        clusters: new Map([
          ['plain', cluster('plain', { discovery })],
          ['v1', cluster('v1', { discovery, proxyProtocol: 'v1' })],
          ['v2', cluster('v2', { discovery, proxyProtocol: 'v2' })],
        ]),
      }));
    });

    after(async () => {
      for (const peer of clients) peer.destroy();
      await engine?.close();
      await program?.close();
    });

    /** Answers the next request of a connection, and returns its head with what came before. `keep`: more may follow. */
    const answerNext = async (peer: RawPeer, keep = false): Promise<string> => {
      const before = await peer.take('GET ');
      const head = before + (await peer.take('\r\n\r\n'));
      peer.write(keep ? ANSWER : ANSWER.replace('\r\n', '\r\nconnection: close\r\n'));
      return head;
    };

    for (const version of ['v1', 'v2'] as const) {
      for (const mode of ['required', 'optional'] as const) {
        it(`takes the client's address from a header ${version} where it is ${mode}`, async () => {
          const upstream = later();
          const one = await client(mode, encodeProxyHeader(version, CLIENT), get(`/${version}-${mode}`));
          assert.match(await answerNext(await upstream(0)), /x-forwarded-for: 192\.0\.2\.7\r\n/i);
          await one.take('\r\n\r\nok');
          const event = await engine.event(({ http }) => http?.path === `/${version}-${mode}`);
          assert.equal(event.source.address, '192.0.2.7:4711');
        });
      }
    }

    it('takes the real address where the header names nobody', async () => {
      const upstream = later();
      const one = await client('required', 'PROXY UNKNOWN\r\n', get('/unknown'));
      assert.match(await answerNext(await upstream(0)), /x-forwarded-for: 127\.0\.0\.1\r\n/i);
      await one.take('\r\n\r\nok');
    });

    it('goes on without a header only where it is optional', async () => {
      const upstream = later();
      const open = await client('optional', get('/bare'));
      assert.match(await answerNext(await upstream(0)), /x-forwarded-for: 127\.0\.0\.1\r\n/i);
      await open.take('\r\n\r\nok');
      const closed = await client('required', get('/bare'));
      assert.equal(await closed.rest(), '');
      const broken = await client('optional', 'PROXY TCP4 here there 1 2\r\n', get('/bare'));
      assert.equal(await broken.rest(), '');
    });

    for (const [title, { header, want }] of Object.entries(strictness)) {
      it(`with a header ${title} a connection is what the table says`, async () => {
        const first = program.peers.length;
        const one = await client('required', header, get('/strict'));
        await until(() => one.closed || one.ended || program.peers.length > first, 'it is served or closed');
        const served = program.peers.length > first;
        assert.equal(served ? 'served' : 'closed', typeof want === 'string' ? want : want[name]);
        if (!served) return;
        await answerNext(program.peers[first]!);
        await one.take('\r\n\r\nok');
      });
    }

    it('lets policies ask for the client in front of the balancer, and for the balancer', async () => {
      const upstream = later();
      const known = await client('guarded', encodeProxyHeader('v2', CLIENT), get('/'));
      await answerNext(await upstream(0));
      await known.take('\r\n\r\nok');
      const unknown = await client(
        'guarded',
        encodeProxyHeader('v2', { ...CLIENT, peerAddress: '10.0.0.1' }),
        get('/'),
      );
      assert.match(await unknown.take('\r\n\r\n'), / 403 /);
      const direct = await client('guarded', encodeProxyHeader('v2', CLIENT), get('/direct'));
      assert.match(await direct.take('\r\n\r\n'), / 403 /);
    });

    it('takes a header before bytes of TCP, and tells of its client', async () => {
      const upstream = later();
      const one = await client('tcp', encodeProxyHeader('v1', { ...CLIENT, peerPort: 4712 }), 'hello');
      const peer = await upstream(0);
      assert.equal(await peer.take('hello'), 'hello');
      peer.end();
      one.end();
      await one.rest();
      const event = await engine.event(({ source }) => source.address === '192.0.2.7:4712');
      assert.deepEqual([event.protocol, event.bytesReceived], ['tcp', 5]);
    });

    const originOf = (text: string) => {
      const header = parseProxyHeader(Buffer.from(text, 'latin1'));
      assert.ok(typeof header === 'object', String(header));
      return { origin: header.origin, rest: text.slice(header.lengthBytes) };
    };

    for (const version of ['v1', 'v2'] as const) {
      it(`gives an endpoint of TCP a header ${version}`, async () => {
        const upstream = later();
        const one = await client(`tcp-to-${version}`, 'hello');
        const { origin, rest } = originOf(await (await upstream(0)).take('hello'));
        const { localPort } = one.socket;
        const local = { localAddress: '127.0.0.1', localPort: engine.port(`tcp-to-${version}`) };
        assert.deepEqual([origin, rest], [{ peerAddress: '127.0.0.1', peerPort: localPort, ...local }, 'hello']);
      });

      it(`gives each client's HTTP connections an own header ${version}`, async () => {
        const upstream = later();
        const [one, two] = [await client(`to-${version}`, get('/1')), await client(`to-${version}`)];
        const first = await upstream(0);
        const ofFirst = originOf(await answerNext(first, true));
        await one.take('\r\n\r\nok');
        assert.deepEqual([ofFirst.origin?.peerPort, ofFirst.rest.split(' ')[1]], [one.socket.localPort, '/1']);
        two.write(get('/2'));
        const ofSecond = originOf(await answerNext(await upstream(1)));
        await two.take('\r\n\r\nok');
        assert.deepEqual([ofSecond.origin?.peerPort, ofSecond.rest.split(' ')[1]], [two.socket.localPort, '/2']);
        one.write(get('/3'));
        assert.match(await answerNext(first), /^GET \/3 /);
        await one.take('\r\n\r\nok');
      });
    }

    it('passes the address of one header on in the next', async () => {
      const upstream = later();
      await client('tcp-to-v2', encodeProxyHeader('v1', CLIENT), 'hello');
      assert.deepEqual(originOf(await (await upstream(0)).take('hello')), { origin: CLIENT, rest: 'hello' });
    });
  });
}
