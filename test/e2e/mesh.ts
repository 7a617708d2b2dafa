// A whole mesh as a user starts it: `bin/weft up` in a folder of its own, on free ports. Used by the end-to-end tests.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, openClient } from '../../src/client/client.ts';
import { parseKubeconfig } from '../../src/client/kubeconfig.ts';
import { type MarkedProcess, markedProcesses } from './processes.ts';
import { until } from './until.ts';

export const ROOT = join(import.meta.dirname, '../..');
const WEFT = join(ROOT, 'bin/weft');
const READY_LIMIT_MS = 120_000;
const FREE_PORTS = ['api', 'browser', 'xds', 'xds-tls', 'gateway'].map((name) => `--${name}-port=0`);

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs, and what it has said so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly finished: Promise<Finished>;
}

export const startProgram = (command: string, args: readonly string[], env: NodeJS.ProcessEnv): Running => {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  child.on('error', (error) => {
    stderr += error.message;
  });
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, stdout: () => stdout, stderr: () => stderr, finished };
};

const COMMAND_LIMIT_MS = 90_000;

/** Runs a program to its end; one that does not end is killed, and says so. */
export const runProgram = async (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Finished> => {
  const { child, finished } = startProgram(command, args, env);
  let hasHung = false;
  const limit = setTimeout(() => {
    hasHung = true;
    // Gently, so that what it has started ends with it.
    child.kill('SIGINT');
  }, COMMAND_LIMIT_MS);
  const result = await finished;
  clearTimeout(limit);
  if (!hasHung) return result;
  const what = `${command} ${args.join(' ')} did not end within ${COMMAND_LIMIT_MS / 1000} s`;
  throw new Error(`${what}\n${result.stdout}${result.stderr}`);
};

export interface Mesh {
  /** As the readiness lines name them. */
  readonly gateway: string;
  readonly console: string;
  readonly api: string;
  readonly state: string;
  /** Environment in which the README's commands mean this mesh, as they stand. */
  readonly env: NodeJS.ProcessEnv;
  readonly up: Running;
  /** Runs `weft …` to its end. */
  weft(...args: string[]): Promise<Finished>;
  /** Runs `weft …` to its end and returns what it printed; fails when it does. */
  weftOk(...args: string[]): Promise<string>;
  /** Starts `weft …` and leaves it running. */
  start(...args: string[]): Running;
  client(): Client;
  /** Every process that runs because of this mesh, what tests have started in it included. */
  processes(): MarkedProcess[];
  /** The last lines of each log, for the report of a failure. */
  logs(): string;
  /** Ctrl-C; fails when it does not end with success, or leaves a process behind. */
  stop(): Promise<void>;
}

export interface MeshOptions {
  readonly engine?: 'weft' | 'envoy';
  /** A folder to go on from; absent: a new one, removed at the end. */
  readonly dataDir?: string;
  readonly flags?: readonly string[];
}

/** A new folder for state. */
export const newDataDir = (): string => mkdtempSync(join(tmpdir(), 'weft-e2e-'));

/** An environment in which `weft` finds this folder, and nothing of the machine's own. */
export const environmentFor = (dataDir: string, mark = `WEFT_TEST_RUN=${randomUUID()}`): NodeJS.ProcessEnv => {
  const { NODE_TEST_CONTEXT: _, KUBECONFIG: __, ...inherited } = process.env;
  const [name, value] = mark.split('=') as [string, string];
  return { ...inherited, WEFT_DATA_DIR: dataDir, NO_COLOR: '1', [name]: value };
};

const lineOf = (output: string, name: string): string | undefined =>
  new RegExp(`^${name} {2,}(\\S+)`, 'm').exec(output)?.[1];

const logTails = (dataDir: string): string => {
  const dir = join(dataDir, 'logs');
  if (!existsSync(dir)) return '';
  return readdirSync(dir)
    .map((name) => `--- ${name}\n${readFileSync(join(dir, name), 'utf8').split('\n').slice(-12).join('\n')}`)
    .join('\n');
};

/** Starts the mesh and waits until it says that all of it serves. */
export const startMesh = async (options: MeshOptions = {}): Promise<Mesh> => {
  const dataDir = options.dataDir ?? newDataDir();
  const mark = `WEFT_TEST_RUN=${randomUUID()}`;
  const env = environmentFor(dataDir, mark);
  const engine = options.engine ? [`--engine=${options.engine}`] : [];
  const up = startProgram(WEFT, ['up', ...FREE_PORTS, ...engine, ...(options.flags ?? [])], env);
  const clients: Client[] = [];

  const endAll = () => {
    for (const { pid } of markedProcesses(mark)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  process.once('exit', endAll);

  const stop = async () => {
    for (const client of clients) client.close();
    up.child.kill('SIGINT');
    const limit = setTimeout(endAll, 60_000);
    const { code } = await up.finished;
    clearTimeout(limit);
    try {
      assert.equal(code, 0, `weft up ends with success on Ctrl-C\n${up.stdout()}${up.stderr()}`);
      await until('every process of the mesh to end', () => markedProcesses(mark).length === 0, 10_000).catch(() => {
        const left = markedProcesses(mark).map(({ pid, args }) => `${pid} ${args.join(' ')}`);
        assert.deepEqual(left, [], 'nothing is left behind');
      });
    } finally {
      endAll();
      process.off('exit', endAll);
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    }
  };

  const isReady = () => /^Ctrl-C stops everything/m.test(up.stdout());
  const ended = up.finished.then(() => true);
  await Promise.race([until('weft up to be ready', isReady, READY_LIMIT_MS), ended]).catch(() => {});
  if (!isReady()) {
    endAll();
    throw new Error(`weft up is not ready\n${up.stdout()}${up.stderr()}\n${logTails(dataDir)}`);
  }

  const start = (...args: string[]) => startProgram(WEFT, args, env);
  const weft = (...args: string[]) => runProgram(WEFT, args, env);
  return {
    gateway: lineOf(up.stdout(), 'gateway') ?? '',
    console: lineOf(up.stdout(), 'console') ?? '',
    api: lineOf(up.stdout(), 'api') ?? '',
    state: lineOf(up.stdout(), 'state') ?? '',
    env,
    up,
    weft,
    weftOk: async (...args) => {
      const { code, stdout, stderr } = await weft(...args);
      assert.equal(code, 0, `weft ${args.join(' ')}\n${stdout}${stderr}`);
      return stdout;
    },
    start,
    client: () => {
      const file = join(dataDir, 'kubeconfig');
      const client = openClient(parseKubeconfig(readFileSync(file, 'utf8'), file));
      clients.push(client);
      return client;
    },
    processes: () => markedProcesses(mark),
    logs: () => logTails(dataDir),
    stop,
  };
};
