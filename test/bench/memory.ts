// What Weft's own proxy weighs: a gateway with one route and with 5,000, alone on a folder, and idle under a control plane.
// Called by bench.ts.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findFreePort } from '../../src/app/ports.ts';
import { pause, systemClock } from '../../src/lib/clock.ts';
import type { Verdict } from './compare.ts';
import { commandOf, rssMiB, treeOf } from './process-stats.ts';
import { gatewayAndBackend, manyRoutes, oneRoute, toYaml } from './resources.ts';

const WEFT = join(import.meta.dirname, '..', '..', 'bin', 'weft');
const LOOPBACK = '127.0.0.1';
const ROUTES = 5_000;
/** What a start leaves behind is given back by then. */
const SETTLE_MS = 3_000;
const BARS = { idle: 70, full: 120 };

const verdict = (gateway: string, routes: number, rss: number): Verdict => {
  const bar = routes === 1 ? BARS.idle : BARS.full;
  const measured = Math.round(rss);
  const what = `RSS, ${routes === 1 ? 'idle' : `${routes} routes`}, ${gateway}`;
  return { case: what, bar: `≤ ${bar} MiB`, measured: `${measured} MiB`, met: measured <= bar ? 'yes' : 'no' };
};

const setup = async (routes: number): Promise<{ port: number; yaml: string }> => {
  const port = await findFreePort(LOOPBACK);
  const base = gatewayAndBackend({ listen: { address: LOOPBACK, port }, backend: { address: LOOPBACK, port: 9 } });
  return { port, yaml: toYaml([...base, ...(routes === 1 ? oneRoute() : manyRoutes(routes))]) };
};

const isAnswering = (port: number): Promise<boolean> =>
  fetch(`http://${LOOPBACK}:${port}/`, { headers: { connection: 'close' } }).then(
    (answer) => answer.status > 0,
    () => false,
  );

const untilServing = async (port: number): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (await isAnswering(port)) return;
    await pause(systemClock, 100);
  }
  throw new Error('the gateway does not answer');
};

/** `weft proxy --role gateway --resources DIR`. */
const measureAlone = async (routes: number) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-memory-'));
  const { port, yaml } = await setup(routes);
  writeFileSync(join(dir, 'all.yaml'), yaml);
  const args = ['proxy', '--role', 'gateway', '--resources', dir, '--admin-port', '0', '--ready-port', '0', '-q'];
  const proxy = spawn(WEFT, args, { stdio: 'inherit' });
  const ended = new Promise((resolve) => proxy.once('exit', resolve));
  try {
    await untilServing(port);
    await pause(systemClock, SETTLE_MS);
    return verdict('alone', routes, rssMiB(proxy.pid!));
  } finally {
    proxy.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
};

const FREE_PORTS = ['api', 'browser', 'xds', 'xds-tls', 'gateway'].map((name) => `--${name}-port=0`);

/** The ingress gateway of `weft up`, as it starts. */
const measureControlled = async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-memory-'));
  const up = spawn(WEFT, ['up', '--no-demo', `--data-dir=${dir}`, ...FREE_PORTS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => up.once('exit', resolve));
  try {
    for await (const line of createInterface({ input: up.stdout })) if (/^state\s/.test(line)) break;
    await pause(systemClock, SETTLE_MS);
    const gateway = treeOf(up.pid!).find((pid) => / proxy .*gateway/.test(commandOf(pid))) ?? 0;
    return verdict('under a control plane', 1, rssMiB(gateway));
  } finally {
    up.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
};

export const measureMemory = async (): Promise<Verdict[]> => [
  await measureAlone(1),
  await measureAlone(ROUTES),
  await measureControlled(),
];
