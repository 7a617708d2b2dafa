// Compares gateways per CPU-second: the proxy alone on core 0, wrk and the backend on core 1, rounds alternating.
// Called by bench.ts.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nginx, type Peer, type Task } from './peers.ts';
import { cpuSeconds, treeRssMiB } from './process-stats.ts';

export interface Comparison {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly tls: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
}

interface Run {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
}

const ADDRESS = '127.0.0.1';
const BACKEND_PORT = 18_180;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, ADDRESS, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const untilOpen = async (name: string, port: number): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (await isOpen(port)) return;
    await sleep(100);
  }
  throw new Error(`${name} does not listen on port ${port} after 30 s`);
};

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

/** One wrk run; any answer but 2xx is an error. */
const wrk = (url: string, seconds: number, connections: number): { requests: number; p99Ms: number } => {
  const args = ['-c', '1', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url];
  const out = execFileSync('taskset', args, { encoding: 'utf8' });
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1];
  if (bad) throw new Error(`${url}: ${bad} answers were not 2xx`);
  const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(out);
  return {
    requests: Number(/(\d+) requests in/.exec(out)?.[1] ?? 0),
    p99Ms: p99 ? Number(p99[1]) * UNIT_MS[p99[2]!]! : Number.NaN,
  };
};

/** A self-signed certificate for localhost, as files and as text. */
const makeCertificate = (dir: string): NonNullable<Task['tls']> => {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...algorithm, '-keyout', key, '-out', cert, '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  return { key, cert, keyPem: readFileSync(key, 'utf8'), certPem: readFileSync(cert, 'utf8') };
};

class Bench {
  readonly #dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  readonly #children: ChildProcess[] = [];

  folder(name: string): string {
    const dir = join(this.#dir, name);
    mkdirSync(dir);
    return dir;
  }

  start(core: number, command: readonly string[]): number {
    const child = spawn('taskset', ['-c', String(core), ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#children.push(child);
    return child.pid!;
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGTERM');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

const summary = (name: string, runs: readonly Run[]) => {
  const each = runs.map((run) => run.perCpuSecond);
  return {
    proxy: name,
    'req/CPU-s min': Math.round(Math.min(...each)),
    median: Math.round(median(each)),
    max: Math.round(Math.max(...each)),
    'req/s': Math.round(median(runs.map((run) => run.perSecond))),
    'p99 ms': Number(median(runs.map((run) => run.p99Ms)).toFixed(2)),
    'RSS MiB': Math.round(median(runs.map((run) => run.rssMiB))),
  };
};

/** Runs the comparison and prints its table. */
export const compareGateways = async ({ peers, tls, rounds, seconds, connections }: Comparison): Promise<void> => {
  const bench = new Bench();
  try {
    const backend = { address: ADDRESS, port: BACKEND_PORT };
    const origin = { dir: bench.folder('backend'), listen: backend, backend, tls: undefined };
    bench.start(1, nginx(origin, 'default_type text/plain; return 200 "hello\\n";'));
    await untilOpen('the backend', BACKEND_PORT);
    const certificate = tls ? makeCertificate(bench.folder('tls')) : undefined;
    const targets = [...peers].map(([name, peer], i) => {
      const listen = { address: ADDRESS, port: BACKEND_PORT + 1 + i };
      const pid = bench.start(0, peer({ dir: bench.folder(name), listen, backend, tls: certificate }));
      return {
        name,
        port: listen.port,
        pid,
        url: `${tls ? 'https' : 'http'}://${ADDRESS}:${listen.port}/`,
        runs: [] as Run[],
      };
    });
    for (const target of targets) {
      await untilOpen(target.name, target.port);
      wrk(target.url, 1, connections);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { pid, url, runs } of targets) {
        const before = cpuSeconds(pid);
        const { requests, p99Ms } = wrk(url, seconds, connections);
        const cpu = cpuSeconds(pid) - before;
        runs.push({ perCpuSecond: requests / cpu, perSecond: requests / seconds, p99Ms, rssMiB: treeRssMiB(pid) });
      }
    }
    console.table(targets.map(({ name, runs }) => summary(name, runs)));
    const [own, ...others] = targets;
    for (const other of others) {
      const ratios = own!.runs.map((run, i) => run.perCpuSecond / other.runs[i]!.perCpuSecond);
      const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
      console.log(`${own!.name} / ${other.name} per CPU-second: median ${median(ratios).toFixed(2)} (${range})`);
    }
  } finally {
    bench.close();
  }
};
