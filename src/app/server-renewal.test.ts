import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { openSvidSource } from '../ca/svid-source.ts';
import { type Client, openClient } from '../client/client.ts';
import { parseKubeconfig } from '../client/kubeconfig.ts';
import { findKind } from '../kinds/registry.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import { openXdsClient } from '../xds/client.ts';
import { openControlPlane } from './control-plane.ts';
import { dataDirAt, readControlInfo } from './data-dir.ts';

const LOOPBACK = '127.0.0.1';
const KUBECTL = process.env.KUBECTL ?? 'kubectl';
const hasKubectl = spawnSync(KUBECTL, ['version', '--client']).status === 0;
const ANY = { apiPort: 0, browserPort: 0, xdsPort: 0, xdsTlsPort: 0 };
const SERVICE_ACCOUNT = findKind('v1', 'ServiceAccount')!;
const NAMESPACE = findKind('v1', 'Namespace')!;

/** A control plane whose own certificate lives for three seconds. */
const setup = async (t: TestContext) => {
  const dir = dataDirAt(mkdtempSync(join(tmpdir(), 'weft-app-')));
  t.after(() => rmSync(dir.root, { recursive: true, force: true }));
  const options = { dataDir: dir.root, bindAddress: LOOPBACK, serverTtlMs: 3_000, ...ANY };
  const plane = await openControlPlane(options, silentLog);
  t.after(() => plane.close());
  const openApiClient = (): Client => {
    const client = openClient(parseKubeconfig(readFileSync(dir.kubeconfig, 'utf8'), dir.kubeconfig));
    t.after(() => client.close());
    return client;
  };
  return { plane, dir, openApiClient, info: readControlInfo(dir) };
};

/** The certificate that a port shows to a new connection which checks it; rejects where the check fails. */
const certificateAt = (address: string, rootPem: string): Promise<{ serial: string; endsAt: number }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`https://${address}`);
    const socket = connect({ host: hostname, port: Number(port), ca: rootPem });
    socket.once('secureConnect', () => {
      const { serialNumber, valid_to } = socket.getPeerCertificate();
      resolve({ serial: serialNumber, endsAt: Date.parse(valid_to) });
      socket.destroy();
    });
    socket.on('error', reject);
  });

/** Waits until the certificate that a port shows now has ended. Every look on the way is a connection that checks. */
const untilEnded = async (address: string, rootPem: string): Promise<void> => {
  const first = await certificateAt(address, rootPem);
  while (systemClock.now() <= first.endsAt) {
    await certificateAt(address, rootPem);
    await pause(50);
  }
  assert.notEqual((await certificateAt(address, rootPem)).serial, first.serial);
};

const keepsApiClients = async (t: TestContext) => {
  const { plane, openApiClient, info } = await setup(t);
  const kept = openApiClient();
  await kept.get(NAMESPACE, 'default');
  await untilEnded(new URL(plane.api).host, info.rootPem);
  assert.equal((await kept.get(NAMESPACE, 'default')).metadata.name, 'default');
  assert.equal((await openApiClient().get(NAMESPACE, 'default')).metadata.name, 'default');
};

const run = promisify(execFile);

const keepsKubectl = async (t: TestContext) => {
  const { plane, dir, info } = await setup(t);
  await untilEnded(new URL(plane.api).host, info.rootPem);
  const env = { ...process.env, KUBECONFIG: dir.kubeconfig, HOME: dir.root };
  const { stdout } = await run(KUBECTL, ['get', 'namespaces', '-o', 'name'], { env });
  assert.match(stdout, /namespace\/default/);
};

const NODE: ProxyNode = {
  id: nodeId('sidecar', LOOPBACK, 'front-1', 'default'),
  role: 'sidecar',
  engine: 'weft',
  name: 'front-1',
  namespace: 'default',
  serviceAccount: 'front',
  labels: { app: 'front' },
  ports: {},
  localPorts: [],
  appAddress: LOOPBACK,
};

const keepsProxies = async (t: TestContext) => {
  const { openApiClient, info } = await setup(t);
  const client = openApiClient();
  const metadata = { name: 'front', namespace: 'default' };
  await client.create(SERVICE_ACCOUNT, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  const common = { clock: systemClock, random: systemRandom, log: silentLog };
  const svid = openSvidSource({
    ...common,
    address: info.xds,
    rootPem: info.rootPem,
    namespace: 'default',
    serviceAccount: 'front',
    ttlMs: 3_000,
    joinToken: async () => (await client.createToken('default', 'front')).token,
  });
  t.after(() => svid.close());
  await svid.ready;
  const first = svid.current();
  const connectOnce = (onDisconnected: (reason: string) => void) => {
    const connected = Promise.withResolvers<void>();
    const xds = openXdsClient({
      ...common,
      address: info.xds,
      tls: () => ({ caPem: info.rootPem, own: svid.current() }),
      node: NODE,
      onSnapshot: () => [],
      onConnected: connected.resolve,
      onDisconnected,
    });
    t.after(() => xds.close());
    return connected.promise;
  };
  const lost: string[] = [];
  await connectOnce((reason) => lost.push(reason));
  await untilEnded(info.xds, info.rootPem);
  while (systemClock.now() <= first.notAfter) await pause(50);
  assert.notEqual(svid.current().notAfter, first.notAfter, 'renewed over TLS');
  assert.deepEqual(lost, [], 'the stream of the first certificates goes on');
  await connectOnce(assert.fail);
};

describe("when the control plane's own certificate is renewed and the first one has ended", {
  concurrency: true,
}, () => {
  test('clients of the API go on, those from before and new ones', keepsApiClients);
  test('kubectl goes on', { skip: !hasKubectl && 'kubectl is not installed' }, keepsKubectl);
  test('proxies keep their streams, connect anew and renew', keepsProxies);
});
