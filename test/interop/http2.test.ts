// Both versions of HTTP on either side, in all pairs and through both engines, with Node's own as the peers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Listener } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import {
  openProgram,
  openTunnel,
  type Program,
  type Reply,
  VERSIONS,
  type Version,
  type VersionClient,
  versionClient,
} from '../fakes/http-versions.ts';

const listenerOf = (name: 'gateway' | 'outbound', port: number): Listener => ({
  name,
  address: '127.0.0.1',
  port,
  direction: name,
  chains: [
    {
      name: 'http',
      match: { serverNames: [] },
      handler: {
        type: 'http',
        routes: name,
        authorization: [],
        explicitProxy: name === 'outbound',
        edge: false,
        idleTimeoutMs: 30_000,
        headTimeoutMs: 5_000,
      },
    },
  ],
});

/** `same` takes both versions, and is asked in the client's. */
const CLUSTERS = [...VERSIONS, 'same'] as const;

type Programs = Readonly<Record<Version, Program>>;

/** Leads each connection to the program that speaks its version. */
const openSplitter = async (programs: Programs): Promise<Server> => {
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (first: Buffer) => {
        const { port } = programs[first.toString('latin1').startsWith('PRI ') ? 'http2' : 'http1'];
        const program = connect(port, '127.0.0.1').on('error', () => {});
        program.write(first);
        socket.pipe(program).pipe(socket);
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

const snapshotFor = (programs: Programs, both: number) => (port: (name: string) => number) => ({
  listeners: new Map([
    ['gateway', listenerOf('gateway', port('gateway'))],
    ['outbound', listenerOf('outbound', port('outbound'))],
  ]),
  routes: new Map([
    [
      'gateway',
      {
        name: 'gateway',
        tunnels: [],
        virtualHosts: CLUSTERS.map((name) => ({
          name,
          domains: [`${name}.test`],
          routes: [route({ action: forward([name, 1]) })],
        })),
      },
    ],
    [
      'outbound',
      {
        name: 'outbound',
        defaultPort: 80,
        tunnels: VERSIONS.map((name) => ({
          authorities: [`${name}.test:80`],
          protocol: 'http' as const,
          targets: [{ cluster: name, weight: 1 }],
        })),
        virtualHosts: VERSIONS.map((name) => ({
          name,
          domains: [`${name}.test:80`],
          routes: [route({ action: forward([name, 1]) })],
        })),
      },
    ],
  ]),
  clusters: new Map(
    CLUSTERS.map((name) => {
      const port = name === 'same' ? both : programs[name].port;
      const endpoint = { address: '127.0.0.1', port, mesh: false, weight: 1, health: 'healthy' as const };
      const speaks = name === 'same' ? { keepsVersion: true as const } : { protocol: name };
      return [name, cluster(name, { ...speaks, discovery: { type: 'static', endpoints: [endpoint] } })];
    }),
  ),
});

interface Pair {
  readonly client: VersionClient;
  readonly host: string;
  readonly program: Program;
  /** As the program knows it. */
  readonly version: string;
  readonly title: string;
}

const echoed = ({ body }: Reply) => JSON.parse(body) as Record<string, string>;

const CASES: Readonly<Record<string, (pair: Pair) => Promise<void>>> = {
  async 'a request without a body'({ client, host, version }) {
    const reply = await client.ask({ host, path: '/echo?a=b' });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-length'], String(reply.body.length));
    assert.deepEqual(echoed(reply), { version, method: 'GET', url: '/echo?a=b', host, body: '' });
  },
  async 'a request with a body of known length'({ client, host }) {
    const reply = await client.ask({
      host,
      method: 'POST',
      path: '/echo',
      headers: { 'content-length': '5' },
      body: 'hello',
    });
    assert.equal(echoed(reply).body, 'hello');
  },
  async 'a request with a body of unknown length'({ client, host }) {
    const body = 'x'.repeat(100_000);
    assert.equal(echoed(await client.ask({ host, method: 'PUT', path: '/echo', body })).body, body);
  },
  async 'trailers of a request'({ client, host }) {
    const reply = await client.ask({ host, method: 'POST', path: '/echo', body: 'a', trailers: { 'x-trailer': 'b' } });
    assert.equal(reply.headers['x-trailer'], 'b');
  },
  async 'a client that takes trailers'({ client, host }) {
    const reply = await client.ask({ host, path: '/echo', headers: { te: 'trailers' } });
    assert.equal(reply.headers['x-te'], 'trailers');
  },
  async 'trailers of an answer'({ client, host }) {
    const reply = await client.ask({ host, path: '/trailers' });
    assert.deepEqual([reply.body, reply.trailers['x-end']], ['body', 'yes']);
  },
  async 'the head alone'({ client, host }) {
    const reply = await client.ask({ host, method: 'HEAD', path: '/echo' });
    assert.deepEqual([reply.status, reply.body], [200, '']);
    assert.ok(Number(reply.headers['content-length']) > 20);
  },
  async 'an answer without a body'({ client, host }) {
    const reply = await client.ask({ host, path: '/nothing' });
    assert.deepEqual([reply.status, reply.body], [204, '']);
  },
  async 'a body that waits for 100 (Continue)'({ client, host }) {
    const question = { host, method: 'POST', path: '/echo', headers: { expect: '100-continue' }, body: 'waited' };
    assert.equal(echoed(await client.ask(question)).body, 'waited');
  },
  async 'many requests side by side'({ client, host }) {
    const bodies = Array.from({ length: 60 }, (_, i) => `body ${i}`);
    const replies = await Promise.all(bodies.map((body) => client.ask({ host, method: 'POST', path: '/echo', body })));
    assert.deepEqual(
      replies.map((reply) => echoed(reply).body),
      bodies,
    );
  },
  async 'an answer that is cut off'({ client, host }) {
    await assert.rejects(client.ask({ host, path: '/cut' }));
  },
  async 'a request that is taken back'({ client, host, program, title }) {
    const path = `/hang/${title}`;
    await client.abandon({ host, path }, program.asked(path));
    await program.abandoned(path);
  },
  async WebSocket({ client, host }) {
    const { stream } = await client.webSocket({ host, path: '/ws' });
    const said: string[] = [];
    stream.on('error', () => {}).on('data', (data: Buffer) => said.push(String(data)));
    stream.write('ping');
    await once(stream, 'data');
    assert.deepEqual(said, ['ping']);
    stream.destroy();
  },
};

for (const engineName of ENGINES) {
  describe(`HTTP/1.1 and HTTP/2 through the engine ${engineName}`, () => {
    let engine: Engine;
    let splitter: Server;
    const programs = {} as Record<Version, Program>;
    before(async () => {
      for (const version of VERSIONS) programs[version] = await openProgram(version);
      splitter = await openSplitter(programs);
      const both = (splitter.address() as AddressInfo).port;
      engine = await openEngine(engineName, ['gateway', 'outbound'], snapshotFor(programs, both));
    });
    after(async () => {
      await engine?.close();
      splitter?.close();
      for (const version of VERSIONS) programs[version]?.close();
    });
    for (const outer of VERSIONS) {
      for (const to of VERSIONS) {
        it(`CONNECT over ${outer} to ${to}`, { timeout: 10_000 }, async (t) => {
          const stream = await openTunnel(outer, engine.port('outbound'), `${to}.test:80`);
          t.after(() => stream.destroy());
          const client = versionClient('http1', 0, stream);
          t.after(() => client.close());
          const reply = await client.ask({ host: `${to}.test`, path: '/echo' });
          assert.equal(echoed(reply).version, to === 'http1' ? '1.1' : '2.0');
        });
      }
    }
    for (const from of VERSIONS) {
      it(`${from} stays what it is where the endpoint takes both`, async (t) => {
        const client = versionClient(from, engine.port('gateway'));
        t.after(() => client.close());
        const reply = await client.ask({ host: 'same.test', path: '/echo' });
        assert.equal(echoed(reply).version, from === 'http1' ? '1.1' : '2.0');
      });
      for (const to of VERSIONS) {
        describe(`${from} to ${to}`, () => {
          let client: VersionClient;
          before(() => {
            client = versionClient(from, engine.port('gateway'));
          });
          after(() => client?.close());
          for (const [title, run] of Object.entries(CASES)) {
            it(title, { timeout: 10_000 }, () =>
              run({
                client,
                host: `${to}.test`,
                program: programs[to],
                version: to === 'http1' ? '1.1' : '2.0',
                title: from,
              }),
            );
          }
        });
      }
    }
  });
}
