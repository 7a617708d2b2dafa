// How soon the mesh follows: from the kill -9 of a program, of its `weft run` or of its proxy until it is gone from the API
// and for its callers, and from an edit of a route to the first request that follows it. Both engines. Called by bench.ts.
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../src/app/ports.ts';
import type { Client } from '../../src/client/client.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import { type Mesh, ROOT, startMesh } from '../e2e/mesh.ts';
import { askThrough } from '../e2e/through-proxy.ts';
import { until } from '../e2e/until.ts';

const WORKLOADS = findKindByName('workloads')!;
const HTTP_ROUTES = findKindByName('httproutes')!;
const AUTHORIZATION_POLICIES = findKindByName('authorizationpolicies')!;
const TICKER = join(ROOT, 'test/e2e/ticker.ts');
const SAY_PROXY = 'console.log(process.env.HTTP_PROXY); setInterval(() => {}, 1e6)';
const EDITS = 50;
const LIMIT_MS = 30_000;

type Engine = 'weft' | 'envoy';
type Row = Readonly<Record<string, string | number>>;

const summary = (what: string, timesMs: readonly number[]): Row => {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]?.toFixed(1));
  return { what, runs: sorted.length, 'p50 ms': at(0.5), 'p99 ms': at(0.99) };
};

/** When a workload goes from the API, as a watch tells it. */
const untilDeleted = async (client: Client, name: string): Promise<number> => {
  const stop = new AbortController();
  try {
    for await (const change of client.watch(WORKLOADS, { namespace: 'default' }, { signal: stop.signal })) {
      if (change.type === 'DELETED' && change.object.metadata.name === name) return performance.now();
    }
    throw new Error('the watch has ended');
  } finally {
    stop.abort();
  }
};

/** When a caller's proxy no longer knows an endpoint of the service. */
const untilAbsent = async (proxy: string, url: string): Promise<number> => {
  const end = performance.now() + LIMIT_MS;
  while (performance.now() < end) {
    const { body } = await askThrough(proxy, url);
    if (body.includes('no healthy upstream')) return performance.now();
    await sleep(2);
  }
  throw new Error(`${url} is still led to a workload that has died`);
};

/** Who is killed, by the command lines of the mesh. */
const victims: Readonly<Record<string, (args: readonly string[]) => boolean>> = {
  'its program': (args) => args[1] === TICKER,
  'its weft run': (args) => args.includes('run') && args.includes('--name=victim'),
  'its proxy': (args) => args.includes('proxy') && args.includes('--name=victim'),
};

interface Scene {
  readonly mesh: Mesh;
  readonly engine: Engine;
  /** The explicit proxy of the caller. */
  readonly proxy: string;
  /** What the victim listens on, and the port of its Service. */
  readonly port: number;
}

const measureDeath = async ({ mesh, engine, proxy, port }: Scene, isVictim: (typeof victims)[string]) => {
  const program = ['--', process.execPath, TICKER, `http:${port}`];
  const flags = ['--service=victim', '--name=victim', `--engine=${engine}`, `--port=http=${port}`];
  const running = mesh.start('run', ...flags, ...program);
  const url = `http://victim:${port}/`;
  await until('the victim to answer', async () => (await askThrough(proxy, url)).status === 200);
  const deleted = untilDeleted(mesh.client(), 'victim');
  await sleep(500);
  const { pid } = mesh.processes().find(({ args }) => isVictim(args))!;
  const absent = untilAbsent(proxy, url);
  const killedAt = performance.now();
  process.kill(pid, 'SIGKILL');
  const [api, callers] = await Promise.all([deleted, absent]);
  running.child.kill('SIGTERM');
  await running.finished;
  await until('the victim to be gone', () => !mesh.processes().some(({ args }) => victims['its program']!(args)));
  return { api: api - killedAt, callers: callers - killedAt };
};

const measureDeaths = async (mesh: Mesh, engine: Engine, rounds: number): Promise<Row[]> => {
  const policy = { selector: { matchLabels: { app: 'victim' } }, action: 'ALLOW', rules: [{}] };
  await mesh.client().create(AUTHORIZATION_POLICIES, {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'victim', namespace: 'default' },
    spec: policy,
  });
  const caller = mesh.start('run', '--service=caller', `--engine=${engine}`, '--', process.execPath, '-e', SAY_PROXY);
  const proxy = await until('the caller to run', () => /^http:\S+$/m.exec(caller.stdout())?.[0]);
  const scene = { mesh, engine, proxy, port: await findFreePort('127.0.0.1') };
  const rows: Row[] = [];
  for (const [name, isVictim] of Object.entries(victims)) {
    const times: { api: number; callers: number }[] = [];
    for (let round = 0; round < rounds; round++) times.push(await measureDeath(scene, isVictim));
    const of = (where: 'api' | 'callers') => times.map((time) => time[where]);
    rows.push(summary(`kill -9 of ${name}: gone from the API`, of('api')));
    rows.push(summary(`kill -9 of ${name}: gone for callers`, of('callers')));
  }
  caller.child.kill('SIGTERM');
  await caller.finished;
  return rows;
};

const PATH = '/edited';
const redirectTo = (hostname: string) => ({
  parentRefs: [{ name: 'shop' }],
  rules: [
    {
      matches: [{ path: { type: 'Exact', value: PATH } }],
      filters: [{ type: 'RequestRedirect', requestRedirect: { hostname } }],
    },
  ],
});

/** Where the gateway sends a request now: the route under edit answers by itself, so only the config counts. */
const locationOf = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get(url, (response) => {
      response.resume();
      response.on('end', () => resolve(response.headers.location ?? ''));
    }).on('error', reject);
  });

const measureEdits = async (mesh: Mesh): Promise<Row[]> => {
  const client = mesh.client();
  const url = `${mesh.gateway}${PATH}`;
  const name = { name: 'edited', namespace: 'default' };
  const [answered, followed]: [number[], number[]] = [[], []];
  await client.create(HTTP_ROUTES, {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: name,
    spec: redirectTo('start.test'),
  });
  await until('the first redirect', async () => (await locationOf(url)).includes('start.test'));
  for (let edit = 1; edit <= EDITS; edit++) {
    const hostname = `edit-${edit}.test`;
    const start = performance.now();
    const written = client.patch(HTTP_ROUTES, name, { spec: redirectTo(hostname) });
    void written.then(() => answered.push(performance.now() - start));
    while (!(await locationOf(url)).includes(hostname)) {
      if (performance.now() - start > LIMIT_MS) throw new Error('the gateway does not follow the edit');
    }
    followed.push(performance.now() - start);
    await written;
    await sleep(20);
  }
  return [
    summary('edit of a route: answered by the API', answered),
    summary('edit of a route: first request', followed),
  ];
};

/** Starts the demo on each engine, measures and prints. */
export const measureLatency = async (rounds: number): Promise<void> => {
  for (const engine of ['weft', 'envoy'] as const) {
    const mesh = await startMesh({ engine });
    try {
      const rows = [...(await measureEdits(mesh)), ...(await measureDeaths(mesh, engine, rounds))];
      console.log(`how soon the mesh follows, ${engine} engine`);
      console.table(rows);
    } finally {
      await mesh.stop();
    }
  }
};
