import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { openServer } from '../../../test/fakes/http-server.ts';
import { FakeAuthority } from '../../../test/fakes/mesh-ca.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  snapshot,
} from '../../../test/fakes/proxy-under-test.ts';
import { until } from '../../../test/fakes/raw-peer.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import type { TrafficEvent } from '../../model/event.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { openProxyGroup, type ProxyGroupOptions } from './group.ts';

const NODE: ProxyGroupOptions['node'] = {
  id: 'gateway~127.0.0.1~test.default~default.svc.cluster.local',
  role: 'gateway',
  engine: 'weft',
  name: 'test',
  namespace: 'default',
  serviceAccount: 'test',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
};

const openGroup = (t: TestContext, more: Partial<ProxyGroupOptions> = {}) => {
  const threads: Worker[] = [];
  const group = openProxyGroup({
    count: 2,
    node: NODE,
    clock: systemClock,
    log: silentLog,
    logLevel: 'warn',
    openThread: (entry, options) => {
      const thread = new Worker(entry, options);
      threads.push(thread);
      return thread;
    },
    ...more,
  });
  t.after(() => group.close());
  return { group, threads };
};

const openBackend = async (t: TestContext, name: string): Promise<number> => {
  const server = await openServer((_, response) => response.end(name));
  t.after(() => server.close());
  return server.port;
};

const toBackend = (port: number, more: { listener?: object; path?: string } = {}): Snapshot =>
  snapshot({
    listeners: [listener([chain(httpHandler())], more.listener)],
    routes: [
      route(forward('b'), {
        match: { path: { type: 'prefix', value: more.path ?? '/' }, headers: [], queryParams: [] },
      }),
    ],
    clusters: [cluster('b', [endpoint(port)])],
  });

const ask = (port: number, agent: Agent | false = false, path = '/'): Promise<string> =>
  new Promise((resolve, reject) => {
    const call = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? body : `${response.statusCode} ${body}`));
      response.on('error', reject);
    });
    call.on('error', reject);
  });

/** Requests on kept connections, until `stop`. */
const startLoad = (port: number, connections: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const answers = new Map<string, number>();
  let isStopping = false;
  const one = async () => {
    while (!isStopping) {
      const answer = await ask(port, agent).catch(String);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  const all = Array.from({ length: connections }, one);
  return {
    answers,
    async stop() {
      isStopping = true;
      await Promise.all(all);
      agent.destroy();
      return answers;
    },
  };
};

test('workers share a port that the system chooses, and what they count is added up', async (t) => {
  const events: TrafficEvent[] = [];
  const { group } = openGroup(t, { onEvents: (lines) => events.push(...lines.map((line) => JSON.parse(line))) });
  assert.deepEqual(await group.apply(toBackend(await openBackend(t, 'one'))), []);
  await group.ready;
  const { port } = group.listeners()[0]!;
  assert.equal(group.listeners().length, 1);
  // Each goes to one of the workers by the hash of its addresses.
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 64 }, () => ask(port)))), new Set(['one']));
  const { listeners, clusters, directions, state } = await group.inspect();
  assert.equal(state, 'LIVE');
  assert.equal(listeners[0]?.total, 64);
  assert.equal(clusters[0]?.attempts, 64);
  assert.equal(clusters[0]?.endpoints.length, 1);
  assert.equal(clusters[0]?.cluster.maxConnections, 100, 'as configured, not a share of it');
  assert.equal(directions.find(({ direction }) => direction === 'gateway')?.counters.classes[1], 64);
  await until(() => events.length === 64, 'the events come');
  assert.equal(events[0]?.http?.status, 200);
});

test('config changes fail no request, and each is true for all workers once it is applied', async (t) => {
  const { group } = openGroup(t);
  const [one, two] = [await openBackend(t, 'one'), await openBackend(t, 'two')];
  await group.apply(toBackend(one));
  const { port } = group.listeners()[0]!;
  const load = startLoad(port, 8);
  for (let change = 1; change <= 30; change++) {
    assert.deepEqual(await group.apply(toBackend(change % 2 ? two : one)), []);
    const wanted = change % 2 ? 'two' : 'one';
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(port)));
    assert.deepEqual(new Set(answers), new Set([wanted]));
  }
  const answers = await load.stop();
  assert.deepEqual([...answers.keys()].sort(), ['one', 'two']);
});

test('a worker that ends is replaced, and the others lose nothing', async (t) => {
  const { group, threads } = openGroup(t);
  await group.apply(toBackend(await openBackend(t, 'one')));
  const { port } = group.listeners()[0]!;
  await threads[0]!.terminate();
  // The port is there all the time, with those that are left and then with the new one.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal(await ask(port, agent), 'one');
  const answers = async () => new Set(await Promise.all(Array.from({ length: 32 }, () => ask(port))));
  assert.deepEqual(await answers(), new Set(['one']));
  const before = (await group.inspect()).listeners[0]!.total;
  await until(() => threads.length === 3, 'another worker is started');
  const next = await openBackend(t, 'two');
  assert.deepEqual(await group.apply(toBackend(next)), []);
  assert.deepEqual(await answers(), new Set(['two']));
  assert.equal((await group.inspect()).listeners[0]!.total, before + 32, 'all of them are asked');
  assert.equal(await ask(port, agent), 'two');
});

test('a worker that ends while it takes a snapshot holds up neither the others nor the next snapshot', async (t) => {
  const { group, threads } = openGroup(t);
  const applying = group.apply(toBackend(await openBackend(t, 'one')));
  await threads[0]!.terminate();
  await applying;
  await group.apply(toBackend(await openBackend(t, 'two')));
  await group.ready;
  const { port } = group.listeners()[0]!;
  assert.equal(await ask(port), 'two');
});

test('a port that another program has is told once, and taken when it is free', async (t) => {
  const { group } = openGroup(t);
  const backend = await openBackend(t, 'one');
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  const wanted = toBackend(backend, { listener: { port } });
  const problems = await group.apply(wanted);
  assert.deepEqual(
    problems.map(({ code, path }) => [code, path]),
    [['PORT_TAKEN', 'l']],
  );
  assert.match(problems[0]!.message, new RegExp(`pid ${process.pid}`));
  holder.close();
  await once(holder, 'close');
  assert.deepEqual(await group.apply(wanted), []);
  assert.equal(await ask(port), 'one');
});

test('a port that another group shares is PORT_TAKEN, and so is one that moves between two addresses of the own', async (t) => {
  const [first, second] = [openGroup(t).group, openGroup(t).group];
  const backend = await openBackend(t, 'one');
  await first.apply(toBackend(backend));
  const { port } = first.listeners()[0]!;
  const problems = await second.apply(toBackend(backend, { listener: { port } }));
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['PORT_TAKEN'],
  );
  const move = (address: string) => first.apply(toBackend(backend, { listener: { port, address } }));
  assert.deepEqual(await move('0.0.0.0'), []);
  assert.deepEqual(await move('127.0.0.1'), []);
  assert.equal(await ask(port), 'one');
});

test('while it is not healthy it says so, goes on to serve, and tells kept connections to go', async (t) => {
  const { group } = openGroup(t);
  await group.apply(toBackend(await openBackend(t, 'one')));
  const { port } = group.listeners()[0]!;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const isKept = async () => {
    await ask(port, agent);
    await new Promise(setImmediate);
    return Object.keys(agent.freeSockets).length > 0;
  };
  assert.equal(await isKept(), true);
  group.setHealthy(false);
  assert.equal((await group.inspect()).state, 'DRAINING');
  assert.equal(await isKept(), false);
  assert.deepEqual(await group.apply(toBackend(await openBackend(t, 'two'))), []);
  assert.equal(await ask(port), 'two');
  group.setHealthy(true);
  assert.equal((await group.inspect()).state, 'LIVE');
  assert.equal(await isKept(), true);
});

test('a drain under load loses no request of clients that make no new connections once it is not healthy', async (t) => {
  const { group } = openGroup(t);
  await group.apply(toBackend(await openBackend(t, 'one')));
  const { port } = group.listeners()[0]!;
  const answers = new Map<string, number>();
  let isHealthy = true;
  const client = async () => {
    while (isHealthy) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let request = 0; request < 5 && (isHealthy || Object.keys(agent.freeSockets).length > 0); request++) {
        const answer = await ask(port, agent).catch(String);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
      agent.destroy();
    }
  };
  const load = Promise.all(Array.from({ length: 8 }, client));
  await until(() => (answers.get('one') ?? 0) > 200, 'the load runs');
  group.setHealthy(false);
  isHealthy = false;
  await group.drain(5000);
  await load;
  assert.deepEqual([...answers.keys()], ['one']);
  await assert.rejects(ask(port), { code: 'ECONNREFUSED' });
});

test('workers have the identity of the process, also a renewed one, and tell of a program that is not there', async (t) => {
  const authority = new FakeAuthority();
  const svid = authority.source('spiffe://cluster.local/ns/default/sa/a');
  let unreachable = 0;
  const { group, threads } = openGroup(t, { svid, onUnreachable: () => unreachable++ });
  const gone = await openServer(() => {});
  await gone.close();
  const mesh = chain(httpHandler(), { match: { transport: 'tls', serverNames: [] }, tls: { mode: 'mesh' } });
  const inbound = snapshot({
    listeners: [listener([mesh], { direction: 'inbound' })],
    routes: [route(forward('b'))],
    clusters: [cluster('b', [endpoint(gone.port)])],
  });
  assert.deepEqual(await group.apply(inbound), []);
  const { port } = group.listeners()[0]!;
  const { keyPem: key, chainPem: cert } = authority.svid('spiffe://cluster.local/ns/default/sa/b');
  const peerOf = async (): Promise<string> => {
    const socket = connectTls({ host: '127.0.0.1', port, key, cert, rejectUnauthorized: false, servername: 'a.test' });
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
    const serial = socket.getPeerX509Certificate()!.serialNumber;
    await once(socket.resume(), 'close');
    return serial;
  };
  const serials = async () => new Set(await Promise.all(Array.from({ length: 12 }, peerOf)));
  const first = await serials();
  assert.equal(first.size, 1);
  await until(() => unreachable > 0, 'it tells of the program');
  svid.renew();
  const renewed = new X509Certificate(svid.current().chainPem).serialNumber;
  // Asked after the renewal was told, each worker has it.
  await group.inspect();
  assert.deepEqual(await serials(), new Set([renewed]));
  await threads[0]!.terminate();
  await until(() => threads.length === 3, 'another worker is started');
  assert.deepEqual(await group.apply({ ...inbound, revision: 2 }), []);
  assert.deepEqual(await serials(), new Set([renewed]), 'the new worker has it too');
});
