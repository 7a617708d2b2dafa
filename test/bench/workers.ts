// What several workers give and cost: Weft's gateway with one worker and with two, on one core and on both, Envoy beside it.
// Load and backend are always on core 1, so that on both cores the proxy has what these leave. Called by bench.ts.
import type { Case } from './cases.ts';
import { type Effort, measure, median, type Target } from './compare.ts';
import { ADDRESS, Machine, untilOpen } from './machine.ts';
import type { Peer } from './peers.ts';

const BACKEND_PORT = 18_280;

const ROWS = [
  { peer: 'weft', workers: 1, cores: '0' },
  { peer: 'weft', workers: 2, cores: '0' },
  { peer: 'weft', workers: 2, cores: '0,1' },
  { peer: 'envoy', workers: 1, cores: '0' },
  { peer: 'envoy', workers: 2, cores: '0,1' },
] as const;

/** The work that one CPU-second does must not become less by sharing; then cores add up. */
export const compareWorkers = async (what: Case, peers: ReadonlyMap<string, Peer>, effort: Effort): Promise<void> => {
  const machine = new Machine();
  try {
    const backend = { address: ADDRESS, port: BACKEND_PORT };
    what.backend(machine, backend);
    await untilOpen('the backend', BACKEND_PORT);
    const targets: Target[] = [];
    for (const { peer: name, workers, cores } of ROWS) {
      const peer = peers.get(name);
      if (!peer) continue;
      const listen = { address: ADDRESS, port: BACKEND_PORT + 1 + targets.length };
      const title = `${name}, ${workers} on ${cores === '0' ? 'one core' : 'both cores'}`;
      const dir = machine.folder(title.replaceAll(/\W+/g, '-'));
      const resources = what.resources({ listen, backend, tls: undefined });
      const command = peer.command({ dir, listen, backend, tls: undefined, resources, logs: false, http2: false });
      const pid = machine.start(cores, [...command, `--concurrency=${workers}`, '--ready-port=0']);
      await untilOpen(title, listen.port);
      const url = `http://${ADDRESS}:${listen.port}/`;
      what.load(url, 1, machine.dir);
      targets.push({ name: title, url, dir: machine.dir, pids: peer.measured(pid), runs: [] });
    }
    measure(targets, what.load, 1, effort);
    console.table(
      targets.map(({ name, runs }) => ({
        proxy: name,
        'req/CPU-s': Math.round(median(runs.map((run) => run.perCpuSecond))),
        'req/s': Math.round(median(runs.map((run) => run.perSecond))),
        'RSS MiB': Math.round(median(runs.map((run) => run.rssMiB))),
      })),
    );
  } finally {
    await machine.close();
  }
};
