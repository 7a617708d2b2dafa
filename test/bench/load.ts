// Load generators: what each run sent, and how long answers took. Any answer but 2xx is an error.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOAD_CORE } from './machine.ts';

export interface Loaded {
  readonly requests: number;
  /** Milliseconds; NaN where the generator doesn't tell. */
  readonly p99Ms: number;
}

export type Load = (url: string, seconds: number, dir: string) => Loaded;

const pinned = (...command: string[]): string =>
  execFileSync('taskset', ['-c', String(LOAD_CORE), ...command], { encoding: 'utf8', maxBuffer: 1 << 26 });

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

/** Keep-alive HTTP/1.1; with `paths`, requests go round over them. */
export const wrk =
  (connections: number, paths: readonly string[] = []): Load =>
  (url, seconds, dir) => {
    const script = join(dir, 'paths.lua');
    if (paths.length > 0) {
      const list = paths.map((path) => `wrk.format(nil, "${path}")`).join(', ');
      writeFileSync(
        script,
        `local all, i = nil, 0\nfunction init(args) all = { ${list} } end\nfunction request() i = i % #all + 1 return all[i] end\n`,
      );
    }
    const flags = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...(paths.length ? ['-s', script] : [])];
    const out = pinned('wrk', ...flags, url);
    const bad = /Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1];
    const broken = /Socket errors: (.*)/.exec(out)?.[1];
    if (bad || broken) throw new Error(`${url}: ${bad ? `${bad} answers were not 2xx` : broken}`);
    const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(out);
    return {
      requests: Number(/(\d+) requests in/.exec(out)?.[1] ?? 0),
      p99Ms: p99 ? Number(p99[1]) * UNIT_MS[p99[2]!]! : Number.NaN,
    };
  };

const h2loadRequests = (url: string, out: string): number => {
  const [, done = '0', failed = '0'] =
    /requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed/.exec(out) ?? [];
  const good = /status codes: (\d+) 2xx/.exec(out)?.[1] ?? '0';
  // The last ones are cut off by the end of the time.
  if (Number(failed) > 0 || Number(done) - Number(good) > 256) {
    throw new Error(`${url}: ${failed} requests failed, ${good} of ${done} were answered 2xx`);
  }
  return Number(good);
};

/** HTTP/2: clients × streams at once. `post`: a gRPC message in each. */
export const h2load =
  (clients: number, streams: number, post?: Buffer): Load =>
  (url, seconds, dir) => {
    const body = join(dir, 'message');
    if (post) writeFileSync(body, post);
    const grpc = post ? ['-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers'] : [];
    const out = pinned('h2load', `-c${clients}`, `-m${streams}`, '-t1', `-D${seconds}`, ...grpc, url);
    return { requests: h2loadRequests(url, out), p99Ms: Number.NaN };
  };

/** HTTP/1.1 at a fixed rate over 32 connections, whatever the proxy could do: what latency is at a load that all can bear. */
export const paced =
  (perSecond: number): Load =>
  (url, seconds, dir) => {
    const clients = 32;
    const log = join(dir, 'latencies');
    const rate = Math.max(1, Math.round(perSecond / clients));
    const out = pinned(
      'h2load',
      '--h1',
      `-c${clients}`,
      '-t1',
      `-D${seconds}`,
      `--rps=${rate}`,
      `--log-file=${log}`,
      url,
    );
    const times = readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => Number(line.split('\t')[2]))
      .filter((time) => time > 0)
      .sort((a, b) => a - b);
    rmSync(log);
    return { requests: h2loadRequests(url, out), p99Ms: (times[Math.floor(times.length * 0.99)] ?? Number.NaN) / 1000 };
  };
