// Compares proxies per CPU-second: the proxy alone on core 0, load and backend on core 1, rounds alternating. Called by bench.ts.
import type { Case } from './cases.ts';
import type { Loaded } from './load.ts';
import { paced } from './load.ts';
import { ADDRESS, Machine, PROXY_CORE, untilOpen } from './machine.ts';
import type { Peer } from './peers.ts';
import { cpuSecondsOf, rssMiB } from './process-stats.ts';

export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** A line of the table at the end. */
export interface Verdict {
  readonly case: string;
  readonly bar: string;
  readonly measured: string;
  readonly met: 'yes' | 'no';
}

interface Run extends Loaded {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly rssMiB: number;
}

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly dir: string;
  /** The processes whose work counts. */
  readonly pids: readonly number[];
  readonly runs: Run[];
}

const BACKEND_PORT = 18_180;

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const rounded = (value: number): number => (value < 100 ? Number(value.toFixed(1)) : Math.round(value));

const tableRow = ({ name, runs }: Target, unit: string) => {
  const each = runs.map((run) => run.perCpuSecond);
  const p99 = median(runs.map((run) => run.p99Ms));
  return {
    proxy: name,
    [`${unit}/CPU-s min`]: rounded(Math.min(...each)),
    median: rounded(median(each)),
    max: rounded(Math.max(...each)),
    [`${unit}/s`]: rounded(median(runs.map((run) => run.perSecond))),
    ...(!Number.isNaN(p99) && { 'p99 ms': Number(p99.toFixed(2)) }),
    'RSS MiB': Math.round(median(runs.map((run) => run.rssMiB))),
  };
};

/** Rounds over all targets, one after the other; the machine's noise hits them alike. */
export const measure = (targets: readonly Target[], load: Case['load'], perRequest: number, effort: Effort): void => {
  for (let round = 0; round < effort.rounds; round++) {
    for (const { url, dir, pids, runs } of targets) {
      const before = cpuSecondsOf(pids);
      const loaded = load(url, effort.seconds, dir);
      const cpu = cpuSecondsOf(pids) - before;
      const moved = loaded.requests * perRequest;
      const rss = pids.reduce((sum, pid) => sum + rssMiB(pid), 0);
      runs.push({ ...loaded, perCpuSecond: moved / cpu, perSecond: moved / effort.seconds, rssMiB: rss });
    }
  }
};

/** The first target beside the others. */
export const judge = (what: Pick<Case, 'name' | 'bars' | 'unit'>, targets: readonly Target[]): Verdict[] => {
  console.table(targets.map((target) => tableRow(target, what.unit?.name ?? 'req')));
  const [own, ...others] = targets;
  const verdicts: Verdict[] = [];
  for (const other of others) {
    const ratios = own!.runs.map((run, i) => run.perCpuSecond / other.runs[i]!.perCpuSecond);
    const middle = median(ratios);
    const measured = `${middle.toFixed(2)}x (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`;
    console.log(`${own!.name} / ${other.name} per CPU-second: ${measured}`);
    const bar = what.bars[other.name];
    if (bar === undefined) continue;
    verdicts.push({ case: what.name, bar: `≥ ${bar}x ${other.name}`, measured, met: middle >= bar ? 'yes' : 'no' });
  }
  return verdicts;
};

/** Starts the backend and every peer of a case. */
const startTargets = async (machine: Machine, what: Case, peers: ReadonlyMap<string, Peer>): Promise<Target[]> => {
  const backend = { address: ADDRESS, port: BACKEND_PORT };
  what.backend(machine, backend);
  await untilOpen('the backend', BACKEND_PORT);
  const tls = what.tls ? machine.certificate() : undefined;
  const targets: Target[] = [];
  for (const name of ['weft', ...what.peers]) {
    const peer = peers.get(name);
    if (!peer) continue;
    const listen = { address: ADDRESS, port: BACKEND_PORT + 1 + targets.length };
    const dir = machine.folder(name.replaceAll(' ', '-'));
    const { appProtocol, logs = false, http2 = false } = what;
    const resources = what.resources({ listen, backend, tls, ...(appProtocol && { appProtocol }) });
    const pid = machine.start(PROXY_CORE, peer.command({ dir, listen, backend, tls, resources, logs, http2 }));
    await untilOpen(name, listen.port);
    const url = `${tls ? 'https' : 'http'}://${ADDRESS}:${listen.port}${what.path ?? '/'}`;
    what.load(url, 1, machine.dir);
    targets.push({ name, url, dir: machine.dir, pids: peer.measured(pid), runs: [] });
  }
  return targets;
};

export const compare = async (what: Case, peers: ReadonlyMap<string, Peer>, effort: Effort): Promise<Verdict[]> => {
  const machine = new Machine();
  try {
    const targets = await startTargets(machine, what, peers);
    measure(targets, what.load, what.unit?.perRequest ?? 1, effort);
    return judge(what, targets);
  } finally {
    await machine.close();
  }
};

/** What latency is when each proxy has half of what Envoy can do at most. */
export const compareLatency = async (
  what: Case,
  peers: ReadonlyMap<string, Peer>,
  { rounds, seconds }: Effort,
): Promise<Verdict[]> => {
  const machine = new Machine();
  try {
    const targets = await startTargets(machine, what, peers);
    const envoy = targets.find(({ name }) => name === 'envoy');
    if (!envoy)
      throw new Error('the latency is measured at half of what Envoy can do: envoy has to be among the peers');
    const rate = what.load(envoy.url, seconds, machine.dir).requests / seconds / 2;
    console.log(`half of Envoy's own maximum: ${Math.round(rate)} requests per second`);
    measure(targets, paced(rate), 1, { rounds, seconds });
    console.table(
      targets.map(({ name, runs }) => {
        const each = runs.map(({ p99Ms }) => p99Ms);
        return { proxy: name, 'p99 ms min': Math.min(...each), median: median(each), max: Math.max(...each) };
      }),
    );
    const [own, other] = [targets[0]!, envoy].map(({ runs }) => median(runs.map(({ p99Ms }) => p99Ms)));
    const measured = `${own!.toFixed(2)} ms, Envoy ${other!.toFixed(2)} ms`;
    return [{ case: 'p99', bar: "no worse than Envoy's", measured, met: own! <= other! ? 'yes' : 'no' }];
  } finally {
    await machine.close();
  }
};
