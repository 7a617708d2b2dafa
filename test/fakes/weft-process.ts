// Runs the real `weft` as a child process and collects what it prints, for tests of the command line.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export interface WeftResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface WeftOptions {
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export interface RunningWeft {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly result: Promise<WeftResult>;
  /** Resolves with the output so far once it matches; rejects when the process ends before. */
  shows(pattern: RegExp): Promise<string>;
  out(): string;
  err(): string;
}

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

export const startWeft = (args: readonly string[], options: WeftOptions = {}): RunningWeft => {
  const { dataDir, env = {}, input, cwd } = options;
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd ? { cwd } : {}),
    env: {
      PATH: process.env.PATH ?? '',
      HOME: '/nonexistent',
      TZ: 'UTC',
      ...(dataDir ? { WEFT_DATA_DIR: dataDir } : {}),
      ...env,
    },
  });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  const notify = () => {
    for (const check of waiting) check();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    notify();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    notify();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  let hasEnded = false;
  const result = new Promise<WeftResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      hasEnded = true;
      notify();
      resolve({ code, signal, out, err });
    });
  });
  return {
    process: child,
    result,
    out: () => out,
    err: () => err,
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (pattern.test(out + err)) resolve(out + err);
          else if (hasEnded)
            reject(new Error(`weft ${args.join(' ')} ended without showing ${pattern}:\n${out}${err}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
  };
};

export const runWeft = (args: readonly string[], options: WeftOptions = {}): Promise<WeftResult> =>
  startWeft(args, options).result;
