// Many routes: what it takes to apply them, how soon an edit is followed while others are edited too and requests go on, what
// is burnt when nothing happens, what it weighs, and how a control plane comes back. Both engines. Called by bench.ts.
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/client.ts';
import { until } from '../e2e/until.ts';
import { cpuSecondsOf, pssMiB, rssMiB } from './process-stats.ts';
import {
  GATEWAY,
  HTTP_ROUTE,
  hostnameOf,
  LOOPBACK,
  namespaceOf,
  openRouteMesh,
  pathOf,
  probeResource,
  type RouteMesh,
  routeResource,
  SYSTEM,
} from './route-mesh.ts';

export interface RouteScale {
  readonly routes: number;
  /** Routes that are made, then edited, one after the other. */
  readonly probes: number;
  /** Edits of other routes, per second. */
  readonly churn: number;
  /** Requests for other routes, per second. */
  readonly load: number;
}

const CLIENTS = 8;
const LIMIT_MS = 30_000;
const APPLY_LIMIT_MS = 600_000;
const IDLE_MS = 20_000;
const ROLES = ['control', 'gateway', 'envoy'] as const;

const agent = new Agent({ keepAlive: true });

const ask = (port: number, host: string, path: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get({ host: LOOPBACK, port, path, agent, headers: { host } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response)).on('error', reject);
    }).on('error', reject);
  });

const portOf = ({ ports }: RouteMesh, i: number): number => ports[i % ports.length]!;

const askRoute = async (scene: RouteMesh, i: number): Promise<number> =>
  (await ask(portOf(scene, i), hostnameOf(i), pathOf(i))).statusCode ?? 0;

/** Several clients at once, each with one call at a time, as that many `kubectl` would. */
const forEach = async (count: number, call: (i: number) => Promise<unknown>): Promise<void> => {
  let next = 0;
  const client = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
};

const cpuOf = (scene: RouteMesh) => {
  const pids = ROLES.map((role) => scene.pid(role));
  return () => Object.fromEntries(ROLES.map((role, i) => [role, pids[i] ? cpuSecondsOf([pids[i]]) : 0]));
};

const cost = (before: Record<string, number>, after: Record<string, number>): string =>
  ROLES.filter((role) => after[role])
    .map((role) => `${role} ${((after[role] ?? 0) - (before[role] ?? 0)).toFixed(1)}`)
    .join(', ');

/** Counts the writes of the Gateways' statuses, and says how many routes they tell of. */
const followGateways = (client: Client) => {
  const stop = new AbortController();
  const attached = new Map<string, number>();
  let writes = 0;
  const follow = async () => {
    for await (const change of client.watch(GATEWAY, { namespace: SYSTEM }, { signal: stop.signal })) {
      if (change.type !== 'MODIFIED' && change.type !== 'ADDED') continue;
      writes++;
      const { listeners = [] } = (change.object.status ?? {}) as { listeners?: { attachedRoutes: number }[] };
      attached.set(change.object.metadata.name, listeners[0]?.attachedRoutes ?? 0);
    }
  };
  const done = follow().catch(() => {});
  return {
    attached: () => [...attached.values()].reduce((sum, count) => sum + count, 0),
    writes: () => writes,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
};

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

const changeAll = async (scene: RouteMesh, routes: number, what: 'apply' | 'delete') => {
  const cpu = cpuOf(scene);
  const [before, start] = [cpu(), performance.now()];
  const gateways = followGateways(scene.client);
  const name = (i: number) => `route-${i}`;
  await forEach(routes, (i) =>
    what === 'apply'
      ? scene.client.create(HTTP_ROUTE, routeResource(i))
      : scene.client.delete(HTTP_ROUTE, name(i), { namespace: namespaceOf(i) }),
  );
  const answered = seconds(start);
  const wanted = what === 'apply' ? 200 : 404;
  const isFollowed = async () => {
    for (let i = routes - 20; i < routes; i++) if ((await askRoute(scene, i)) !== wanted) return false;
    return true;
  };
  await until(`the gateway to follow`, isFollowed, APPLY_LIMIT_MS);
  const served = seconds(start);
  const count = what === 'apply' ? routes : 0;
  await until(`${count} attached routes to be told`, () => gateways.attached() === count, LIMIT_MS).catch(() => {});
  const told = gateways.attached() === count ? seconds(start) : `only ${gateways.attached()}`;
  await gateways.stop();
  return {
    what: `${what} ${routes} routes, ${CLIENTS} clients`,
    answered,
    served,
    'attachedRoutes right': told,
    'writes of Gateways': gateways.writes(),
    'CPU-s': cost(before, cpu()),
  };
};

/** Requests at a steady pace, whatever else happens; a failure is any answer but 200, or none. */
const startLoad = (scene: RouteMesh, routes: number, perSecond: number) => {
  const failures: string[] = [];
  let [count, isStopping] = [0, false];
  const worker = async () => {
    while (!isStopping) {
      const i = (count++ * 7919) % routes;
      await askRoute(scene, i).then(
        (status) => status !== 200 && failures.push(`${i}: ${status}`),
        (error) => failures.push(`${i}: ${error}`),
      );
      await sleep((1000 * CLIENTS) / perSecond);
    }
  };
  const workers = Array.from({ length: CLIENTS }, worker);
  return async () => {
    isStopping = true;
    await Promise.all(workers);
    return { count, failures };
  };
};

const startChurn = (scene: RouteMesh, routes: number, perSecond: number) => {
  let [edits, isStopping] = [0, false];
  const work = async () => {
    while (!isStopping) {
      const i = (edits++ * 6007) % routes;
      const { spec } = routeResource(i, edits);
      await scene.client.patch(HTTP_ROUTE, { name: `route-${i}`, namespace: namespaceOf(i) }, { spec });
      await sleep(1000 / perSecond);
    }
  };
  const working = perSecond > 0 ? work() : Promise.resolve();
  return async () => {
    isStopping = true;
    await working;
    return edits;
  };
};

/** From the request and from the API's answer to the first answer of the gateway that follows it. */
const measureOne = async (scene: RouteMesh, i: number, edit: number) => {
  const resource = probeResource(i, edit);
  const { name, namespace } = resource.metadata;
  const start = performance.now();
  let answeredAt = 0;
  const written = (
    edit === 0
      ? scene.client.create(HTTP_ROUTE, resource)
      : scene.client.patch(HTTP_ROUTE, { name, namespace }, { spec: resource.spec })
  ).then(() => {
    answeredAt = performance.now();
  });
  for (;;) {
    const { headers } = await ask(portOf(scene, i), `probe-${i}.example.com`, '/');
    if (headers.location?.includes(`edit-${edit}.`)) break;
    if (performance.now() - start > LIMIT_MS) throw new Error('the gateway does not follow an edit');
    await sleep(1);
  }
  const followedAt = performance.now();
  await written;
  return { request: followedAt - start, answer: Math.max(0, followedAt - answeredAt), api: answeredAt - start };
};

const summary = (what: string, timesMs: readonly number[]) => {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]?.toFixed(1));
  return { what, runs: sorted.length, 'p50 ms': at(0.5), 'p99 ms': at(0.99), 'max ms': at(1) };
};

const measureProbes = async (scene: RouteMesh, { routes, probes, churn, load }: RouteScale) => {
  const cpu = cpuOf(scene);
  const [before, start] = [cpu(), performance.now()];
  const stopLoad = startLoad(scene, routes, load);
  const stopChurn = startChurn(scene, routes, churn);
  const times: Record<'creation' | 'edit', Awaited<ReturnType<typeof measureOne>>[]> = { creation: [], edit: [] };
  for (const [edit, what] of (['creation', 'edit', 'edit'] as const).entries()) {
    for (let i = 0; i < probes; i++) {
      times[what].push(await measureOne(scene, i, edit));
      await sleep(20);
    }
  }
  const edits = await stopChurn();
  const { count, failures } = await stopLoad();
  const lasted = (performance.now() - start) / 1000;
  for (const what of ['creation', 'edit'] as const) {
    console.log(`${what} of a route, while ${(edits / lasted).toFixed(0)} others are edited per second`);
    console.table([
      summary(
        'the request → followed',
        times[what].map(({ request }) => request),
      ),
      summary(
        "the API's answer → followed",
        times[what].map(({ answer }) => answer),
      ),
      summary(
        'the request → answer of the API',
        times[what].map(({ api }) => api),
      ),
    ]);
  }
  console.log(`${count} requests meanwhile, ${failures.length} failed ${failures.slice(0, 3).join('; ')}`);
  console.log(`CPU-s in ${lasted.toFixed(0)} s: ${cost(before, cpu())}`);
};

const measureRest = async (scene: RouteMesh, what: string) => {
  const cpu = cpuOf(scene);
  const before = cpu();
  await sleep(IDLE_MS);
  const after = cpu();
  console.log(what);
  console.table(
    ROLES.filter((role) => scene.pid(role)).map((role) => ({
      process: role,
      'RSS MiB': Math.round(rssMiB(scene.pid(role)!)),
      'PSS MiB': Math.round(pssMiB(scene.pid(role)!)),
      'idle CPU %': Number(((((after[role] ?? 0) - (before[role] ?? 0)) * 100_000) / IDLE_MS).toFixed(2)),
    })),
  );
};

/** kill -9 of the control plane under load: when an edit is answered again, and when it is followed. */
const measureRestart = async (scene: RouteMesh, { routes, load }: RouteScale): Promise<void> => {
  const stopLoad = startLoad(scene, routes, load);
  await sleep(500);
  const start = performance.now();
  process.kill(scene.pid('control')!, 'SIGKILL');
  const { spec } = probeResource(0, 9);
  const target = { name: 'probe-0', namespace: namespaceOf(0) };
  await until('the control plane to answer', () => scene.client.patch(HTTP_ROUTE, target, { spec }), LIMIT_MS);
  const answered = seconds(start);
  const isFollowed = async () =>
    (await ask(portOf(scene, 0), 'probe-0.example.com', '/')).headers.location?.includes('edit-9.');
  await until('the edit to be followed', isFollowed, LIMIT_MS);
  const followed = seconds(start);
  const { count, failures } = await stopLoad();
  console.log(
    `kill -9 of the control plane → an edit is answered: ${answered}, followed: ${followed}; ${count} requests, ${failures.length} failed ${failures.slice(0, 3).join('; ')}`,
  );
};

export const measureRoutes = async (engine: 'weft' | 'envoy', scale: RouteScale): Promise<void> => {
  console.log(`\n${scale.routes} HTTPRoutes, ${engine} engine`);
  const scene = await openRouteMesh(engine);
  try {
    const applied = await changeAll(scene, scale.routes, 'apply');
    console.table([applied]);
    await measureRest(scene, 'after it, at rest');
    await measureProbes(scene, scale);
    await measureRest(scene, 'after that, at rest');
    await measureRestart(scene, scale);
    await measureRest(scene, 'with the new control plane, at rest');
    await forEach(scale.probes, (i) => scene.client.delete(HTTP_ROUTE, `probe-${i}`, { namespace: namespaceOf(i) }));
    console.table([await changeAll(scene, scale.routes, 'delete')]);
  } finally {
    await scene.close();
  }
};
