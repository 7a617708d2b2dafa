// The agent beside a real Envoy: SDS with renewals, restart after a crash, drain, and the end of it all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, get, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { openSdsServer } from '../../src/ca/sds-server.ts';
import { openSvidRenewal } from '../../src/ca/svid-source.ts';
import { openEnvoyEngine } from '../../src/envoy/engine.ts';
import { type Envoy, openEnvoy } from '../../src/envoy/envoy.ts';
import { findEnvoy } from '../../src/envoy/find.ts';
import { pause, systemClock } from '../../src/lib/clock.ts';
import { isWeftError } from '../../src/lib/errors.ts';
import { parseHostPort } from '../../src/lib/host-port.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { Svid } from '../../src/model/identity.ts';
import type { FilterChain, Listener, Snapshot, VirtualHost } from '../../src/model/snapshot.ts';
import { encodeNode } from '../../src/xds/node-metadata.ts';
import { openXdsPlane, proxyNode, type XdsPlane } from '../fakes/xds-plane.ts';

const { path } = await findEnvoy({ env: process.env });

const portOf = (server: Server | HttpServer): number => (server.address() as AddressInfo).port;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
};

/** Waits for a condition; the test runner's own time limit ends a wait that is in vain. */
const until = async (check: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await check())) await pause(systemClock, 20);
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const CLUSTER = 'inbound|9080||';

/** One listener that leads to one port of this machine. */
const snapshotOf = (port: number, target: number, chain: Pick<FilterChain, 'tls' | 'handler'>): Partial<Snapshot> => {
  const listener: Listener = {
    name: 'inbound',
    address: '127.0.0.1',
    port,
    direction: 'inbound',
    chains: [{ name: 'all', match: { serverNames: [] }, ...chain }],
  };
  const endpoint = { address: '127.0.0.1', port: target, mesh: false, weight: 1, health: 'healthy' as const };
  const virtualHost: VirtualHost = {
    name: 'all',
    domains: ['*'],
    routes: [
      {
        name: 'all',
        match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
        filters: [],
        action: { type: 'forward', targets: [{ cluster: CLUSTER, weight: 1, filters: [] }] },
      },
    ],
  };
  return {
    listeners: new Map([['inbound', listener]]),
    routes: new Map([['all', { name: 'all', virtualHosts: [virtualHost], tunnels: [] }]]),
    clusters: new Map([
      [
        CLUSTER,
        {
          name: CLUSTER,
          discovery: { type: 'static', endpoints: [endpoint] },
          protocol: chain.handler.type === 'http' ? 'http1' : 'tcp',
          tls: { mode: 'none' },
          loadBalancing: 'round-robin',
          connectTimeoutMs: 5_000,
          idleTimeoutMs: 60_000,
          maxConnections: 100,
          maxPendingRequests: 100,
        },
      ],
    ]),
  };
};

const tcpChain: Pick<FilterChain, 'handler'> = {
  handler: { type: 'tcp', targets: [{ cluster: CLUSTER, weight: 1 }], authorization: [], idleTimeoutMs: 3600_000 },
};

const httpChain: Pick<FilterChain, 'handler'> = {
  handler: {
    type: 'http',
    routes: 'all',
    authorization: [],
    explicitProxy: false,
    edge: false,
    idleTimeoutMs: 60_000,
    headTimeoutMs: 10_000,
  },
};

interface Agent {
  readonly plane: XdsPlane;
  readonly envoy: Envoy;
  /** SVIDs that Envoy's source had, in order. */
  readonly svids: Svid[];
}

/** A control plane and an Envoy with its agent; the SVID lives for `ttlMs`. */
const openAgent = async (t: TestContext, snapshot: Partial<Snapshot>, ttlMs: number): Promise<Agent> => {
  const plane = await openXdsPlane();
  t.after(() => plane.close());
  plane.feed.publish(snapshot);
  const node = proxyNode({ engine: 'envoy' });
  const spiffeId = `spiffe://cluster.local/ns/${node.namespace}/sa/${node.serviceAccount}`;
  const source = openSvidRenewal({
    rootPem: plane.authority.bundlePem,
    namespace: node.namespace,
    serviceAccount: node.serviceAccount,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    request: async (csrPem) => plane.authority.sign(csrPem, { spiffeId, ttlMs }).chainPem,
  });
  t.after(() => source.close());
  await source.ready;
  const svids = [source.current()];
  source.watch((svid) => svids.push(svid));
  const envoy = await openEnvoyEngine({
    path,
    node: { id: node.id, cluster: node.name, metadata: encodeNode(node, { registers: false }) },
    xds: { ...parseHostPort(plane.mutual)!, tls: true },
    openSds: (socketPath) => openSdsServer({ socketPath, source, log: silentLog }),
    clock: systemClock,
    log: silentLog,
  });
  t.after(() => envoy.close());
  await envoy.ready;
  return { plane, envoy, svids };
};

const openEcho = async (t: TestContext): Promise<Server> => {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return server;
};

const openPeer = async (port: number, svid: Svid): Promise<TLSSocket> => {
  const proof = { key: svid.keyPem, cert: svid.chainPem, ca: svid.bundlePem };
  const socket = connectTls({ ...proof, port, host: '127.0.0.1', checkServerIdentity: () => undefined });
  await once(socket, 'secureConnect');
  return socket;
};

const echoes = async (socket: TLSSocket, text: string): Promise<void> => {
  socket.write(text);
  const [data] = await once(socket, 'data');
  assert.equal(String(data), text);
};

test('hands renewed certificates to Envoy; not one connection fails or is dropped', { timeout: 30_000 }, async (t) => {
  const echo = await openEcho(t);
  const port = await freePort();
  const snapshot = snapshotOf(port, portOf(echo), { ...tcpChain, tls: { mode: 'mesh' } });
  const { plane, svids } = await openAgent(t, snapshot, 4_000);
  const peer = plane.svid('shop', 'front');
  const lasting = await openPeer(port, peer);
  lasting.on('close', () => assert.ok(isDone, 'the lasting connection was dropped'));
  let isDone = false;
  const seen = new Set<string>();
  let connections = 0;
  while (seen.size < 3) {
    const socket = await openPeer(port, peer);
    const certificate = socket.getPeerCertificate();
    assert.equal(certificate.subjectaltname, `URI:${svids[0]!.spiffeId}`);
    seen.add(certificate.serialNumber);
    await echoes(socket, `connection ${connections++}`);
    socket.destroy();
    await echoes(lasting, `after ${connections}`);
    await pause(systemClock, 20);
  }
  isDone = true;
  lasting.destroy();
  assert.ok(svids.length >= 3);
});

test('refuses peers without a certificate of the mesh', { timeout: 30_000 }, async (t) => {
  const echo = await openEcho(t);
  const port = await freePort();
  await openAgent(t, snapshotOf(port, portOf(echo), { ...tcpChain, tls: { mode: 'mesh' } }), 3600_000);
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('secureConnect', () => socket.write('let me in'));
  const [error] = await once(socket, 'error');
  assert.match(String(error), /certificate required|handshake failure/);
});

test('starts Envoy again after a crash, with its configuration and certificate', { timeout: 30_000 }, async (t) => {
  const echo = await openEcho(t);
  const port = await freePort();
  const { plane, envoy } = await openAgent(
    t,
    snapshotOf(port, portOf(echo), { ...tcpChain, tls: { mode: 'mesh' } }),
    3600_000,
  );
  const first = envoy.pid!;
  process.kill(first, 'SIGKILL');
  await until(() => envoy.pid !== undefined && envoy.pid !== first);
  const peer = plane.svid('shop', 'front');
  await until(() =>
    openPeer(port, peer).then(
      async (socket) => {
        await echoes(socket, 'back again');
        socket.destroy();
        return true;
      },
      () => false,
    ),
  );
});

test('drains: the request under way is answered, new connections are refused', { timeout: 30_000 }, async (t) => {
  const arrived = Promise.withResolvers<() => void>();
  const program = createHttpServer((request, response) => {
    if (request.url === '/slow') arrived.resolve(() => response.end('done'));
    else response.end('ok');
  }).listen(0, '127.0.0.1');
  t.after(() => program.close());
  await once(program, 'listening');
  const port = await freePort();
  const { envoy } = await openAgent(t, snapshotOf(port, portOf(program), httpChain), 3600_000);
  const answer = once(get({ port, host: '127.0.0.1', path: '/slow' }), 'response');
  const finish = await arrived.promise;
  const drained = envoy.drain(30_000);
  await until(async () => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    const [event] = await Promise.race([
      once(socket, 'connect').then(() => ['connect']),
      once(socket, 'error').then(() => ['error']),
    ]).catch(() => ['error']);
    socket.destroy();
    return event === 'error';
  });
  finish();
  const [response] = await answer;
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers.connection, 'close');
  response.resume();
  await drained;
  await envoy.close();
  assert.equal(await envoy.exited, 0);
});

test('close ends Envoy and leaves no file behind', { timeout: 30_000 }, async (t) => {
  const echo = await openEcho(t);
  const { envoy } = await openAgent(t, snapshotOf(await freePort(), portOf(echo), tcpChain), 3600_000);
  const pid = envoy.pid!;
  const dir = 'socketPath' in envoy.adminAddress ? dirname(envoy.adminAddress.socketPath) : '';
  assert.ok(readdirSync(dir).includes('sds.sock'));
  await envoy.close();
  assert.equal(isAlive(pid), false);
  assert.equal(existsSync(dir), false);
});

test('says what Envoy said when it does not start', { timeout: 30_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-envoy-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const admin = { socketPath: join(dir, 'admin.sock') };
  const bootstrap = { admin: { address: { pipe: { path: admin.socketPath } } }, no_such_field: true };
  const envoy = openEnvoy({ path, concurrency: 1, dir, admin, bootstrap, clock: systemClock, log: silentLog });
  await assert.rejects(
    envoy.ready,
    (error) =>
      isWeftError(error, 'ENVOY_FAILED') && /does not start \(exit code 1\).*no_such_field/.test(error.message),
  );
  assert.equal(await envoy.exited, 1);
});

test('kill -9 of the agent ends its Envoy and removes its files', { timeout: 30_000 }, async (t) => {
  const script = join(import.meta.dirname, '../fakes/envoy-parent.ts');
  const parent = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => parent.kill('SIGKILL'));
  const [line] = await once(parent.stdout, 'data');
  const [pid, dir] = String(line).trim().split(' ') as [string, string];
  assert.ok(isAlive(Number(pid)) && existsSync(dir));
  parent.kill('SIGKILL');
  await until(() => !isAlive(Number(pid)) && !existsSync(dir));
});
