import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type FakeServer, openServer } from '../../test/fakes/http-server.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  snapshot,
  startProxy,
  toBackend,
} from '../../test/fakes/proxy-under-test.ts';
import { rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

const backends = async (t: TestContext, count: number): Promise<FakeServer[]> => {
  const servers = await Promise.all(Array.from({ length: count }, (_, i) => openServer((_, res) => res.end(`v${i}`))));
  t.after(async () => {
    for (const server of servers) await server.close();
  });
  return servers;
};

/** Keeps asking over a few kept connections until told to stop; every answer that isn't 200 is a failure. */
const load = (port: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const bodies = new Map<string, number>();
  const failures: string[] = [];
  let going = true;
  let count = 0;
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const asked = request({ port, host: '127.0.0.1', agent }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (data) => {
          body += data;
        });
        answer.on('end', () => {
          if (answer.statusCode !== 200) failures.push(`${answer.statusCode} ${body}`);
          bodies.set(body, (bodies.get(body) ?? 0) + 1);
          count++;
          resolve();
        });
      });
      asked.on('error', (error) => {
        failures.push(String(error));
        resolve();
      });
      asked.end();
    });
  const workers = Array.from({ length: 4 }, async () => {
    while (going) await ask();
  });
  return {
    bodies,
    failures,
    more: async (n: number) => {
      const target = count + n;
      await until(() => count >= target || failures.length > 0, `${n} more requests are answered`);
    },
    stop: async () => {
      going = false;
      await Promise.all(workers);
      agent.destroy();
    },
  };
};

test('twenty changes of routes, clusters and endpoints under load fail no request', async (t) => {
  const servers = await backends(t, 2);
  const version = (i: number) => {
    const name = `b${i % 3}`;
    const ends = servers.filter((_, k) => i % 3 !== k).map((server) => endpoint(server.port));
    return snapshot({
      listeners: [listener([chain(httpHandler({ idleTimeoutMs: 50_000 + i }))])],
      routes: [route(forward(name), { name: `r${i}` })],
      clusters: [cluster(name, ends)],
    });
  };
  const proxy = await startProxy(version(0));
  t.after(() => proxy.close());
  const running = load(proxy.port());
  for (let i = 1; i <= 20; i++) {
    assert.deepEqual(await proxy.proxy.apply(version(i)), []);
    await running.more(20);
  }
  await running.stop();
  assert.deepEqual(running.failures, []);
  assert.equal(running.bodies.size, 2);
  assert.deepEqual(
    proxy.events.flatMap((event) => event.flags),
    [],
  );
});

test('a kept connection takes the new route at its next request', async (t) => {
  const [first, second] = await backends(t, 2);
  const proxy = await startProxy(toBackend([endpoint(first!.port)]));
  t.after(() => proxy.close());
  const client = await rawClient(proxy.port());
  client.write(GET);
  await client.take('v0');
  await proxy.proxy.apply(toBackend([endpoint(second!.port)]));
  client.write(GET);
  await client.take('v1');
  client.destroy();
});

test('what is under way is finished when its endpoint, cluster and listener go', async (t) => {
  const server = await rawServer();
  const proxy = await startProxy(toBackend([endpoint(server.port)]));
  t.after(async () => {
    await proxy.close();
    await server.close();
  });
  const port = proxy.port();
  const client = await rawClient(port);
  client.write(GET);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  assert.deepEqual(await proxy.proxy.apply(snapshot({ listeners: [] })), []);
  assert.deepEqual(proxy.proxy.listeners(), []);
  await assert.rejects(rawClient(port), { code: 'ECONNREFUSED' });
  upstream.write(OK);
  assert.match(await client.rest(), /^HTTP\/1\.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok$/);
  await until(() => upstream.ended, 'the upstream connection is closed');
});

test('a port that is taken is told with its owner; the other listeners work, and the port is taken once it is free', async (t) => {
  const [server] = await backends(t, 1);
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  const { port } = blocker.address() as AddressInfo;
  const wanted = snapshot({
    listeners: [
      listener([chain(httpHandler())], { name: 'taken', port }),
      listener([chain(httpHandler())], { name: 'free' }),
    ],
    routes: [route(forward('b'))],
    clusters: [cluster('b', [endpoint(server!.port)])],
  });
  const proxy = await startProxy(snapshot({ listeners: [] }));
  t.after(() => proxy.close());
  const [problem, ...others] = await proxy.proxy.apply(wanted);
  assert.deepEqual(others, []);
  assert.equal(problem?.code, 'PORT_TAKEN');
  assert.match(problem.message, new RegExp(`^127\\.0\\.0\\.1:${port} is already in use by `));
  if (process.platform === 'linux') assert.match(problem.message, new RegExp(`pid ${process.pid}\\b`));
  const client = await rawClient(proxy.port('free'));
  client.write(GET);
  await client.take('v0');
  client.destroy();
  await new Promise((resolve) => blocker.close(resolve));
  assert.deepEqual(await proxy.proxy.apply(wanted), []);
  assert.equal(proxy.port('taken'), port);
});

test('an address that gives way to a wider one on the same port is bound again', async (t) => {
  const [server] = await backends(t, 1);
  const spare = await rawServer();
  const { port } = spare;
  await spare.close();
  const at = (address: string) =>
    snapshot({
      listeners: [listener([chain(httpHandler())], { address, port })],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [endpoint(server!.port)])],
    });
  const proxy = await startProxy(at('0.0.0.0'));
  t.after(() => proxy.close());
  assert.deepEqual(await proxy.proxy.apply(at('127.0.0.1')), []);
  assert.deepEqual(
    proxy.proxy.listeners().map((bound) => bound.address),
    ['127.0.0.1'],
  );
});

test('a policy that can not be used leaves the one before in force', async (t) => {
  const [server] = await backends(t, 1);
  const deny = { name: 'n/deny', action: 'ALLOW' as const, rules: [] };
  const bad = {
    name: 'n/bad',
    action: 'ALLOW' as const,
    rules: [{ from: [{ ipBlocks: { any: ['nonsense'], none: [] } }], to: [], when: [] }],
  };
  const proxy = await startProxy(toBackend([endpoint(server!.port)], { handler: { authorization: [deny] } }));
  t.after(() => proxy.close());
  const problems = await proxy.proxy.apply(toBackend([endpoint(server!.port)], { handler: { authorization: [bad] } }));
  assert.equal(problems.length, 1);
  const client = await rawClient(proxy.port());
  client.write(GET);
  await client.take('RBAC: access denied\n');
  client.destroy();
});

test('names are resolved; a change of address is followed', async (t) => {
  const [server] = await backends(t, 1);
  const asked: string[] = [];
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler())])],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [], { discovery: { type: 'dns', host: 'db.example', port: server!.port } })],
    }),
    {
      resolve: async (host) => {
        asked.push(host);
        return ['127.0.0.1'];
      },
    },
  );
  t.after(() => proxy.close());
  const client = await rawClient(proxy.port());
  client.write(GET);
  await client.take('v0');
  assert.deepEqual(asked, ['db.example']);
  client.destroy();
});

test('a drain under load loses no request and ends before its timeout', async (t) => {
  const [server] = await backends(t, 1);
  const proxy = await startProxy(toBackend([endpoint(server!.port)]));
  const port = proxy.port();
  const clients = await Promise.all(Array.from({ length: 5 }, () => rawClient(port)));
  for (const client of clients) {
    client.write(GET);
    await client.take('v0');
  }
  const idle = await rawClient(port);
  const drained = proxy.proxy.drain(20_000);
  // Looked at in every turn: not listed means closed, and not that it soon will be.
  while (proxy.proxy.listeners().length > 0) await new Promise(setImmediate);
  await assert.rejects(rawClient(port), { code: 'ECONNREFUSED' });
  for (const client of clients) client.write(GET);
  for (const client of clients) {
    assert.match(await client.rest(), /connection: close\r\n[\s\S]*v0$/);
    client.destroy();
  }
  assert.equal(await idle.rest(), '');
  await drained;
  assert.equal(proxy.proxy.stats().connections, 0);
});

test('a drain waits for what is under way, until its timeout', async (t) => {
  const server = await rawServer();
  const proxy = await startProxy(toBackend([endpoint(server.port)]));
  t.after(() => server.close());
  const [quick, stuck] = [await rawClient(proxy.port()), await rawClient(proxy.port())];
  quick.write(GET);
  await (await server.peer(0)).take('\r\n\r\n');
  stuck.write(GET);
  await (await server.peer(1)).take('\r\n\r\n');
  const drained = proxy.proxy.drain(1000);
  server.peers[0]!.write(OK);
  assert.match(await quick.rest(), /connection: close\r\n\r\nok$/);
  await drained;
  await stuck.rest();
  assert.equal(proxy.proxy.stats().connections, 0);
  assert.deepEqual(
    proxy.events.map((event) => event.flags.join()),
    ['', 'DC'],
  );
});

test('after close nothing is left: no sockets, no timers', async (t) => {
  const [server] = await backends(t, 1);
  const count = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length;
  const before = count();
  const proxy = await startProxy(toBackend([endpoint(server!.port)]));
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(proxy.port())));
  for (const client of clients) {
    client.write(GET);
    await client.take('v0');
    client.write('GET / HT');
  }
  await proxy.close();
  for (const client of clients) await client.rest();
  for (const client of clients) client.destroy();
  await until(
    () => count() <= before,
    () => `only ${before} resources are open; still: ${process.getActiveResourcesInfo()}`,
  );
});
