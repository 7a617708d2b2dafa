// Weft's own processes: how a parent starts, watches and restarts them, and what a child tells its parent.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { startFlags } from './end-of-start.ts';

/** What a child sends when it serves: whatever its parent needs to know. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly info: Readonly<Record<string, unknown>>;
}

/** A user's mistake that ends the child: shown by the parent as it stands. */
export interface FailedMessage {
  readonly type: 'failed';
  readonly code: string;
  readonly message: string;
  readonly at?: string | undefined;
  readonly hint?: string | undefined;
}

/** The command line that starts this same program again. */
export const weftCommand = (...args: string[]): string[] => [
  process.execPath,
  ...process.execArgv,
  ...startFlags(args[0]),
  process.argv[1] ?? '',
  ...args,
];

/** Sends a message to the parent, if there is one. */
export const tellParent = (message: object): void => {
  if (process.connected) process.send?.(message);
};

/** Tells the parent, if there is one, that this process serves. */
export const announceReady = (info: Readonly<Record<string, unknown>> = {}): void => {
  tellParent({ type: 'ready', info } satisfies ReadyMessage);
};

/** Tells the parent why this process ends; resolves when it is told. False: there is no parent to tell. */
export const announceFailure = (error: WeftError): Promise<boolean> => {
  if (!process.connected || !process.send) return Promise.resolve(false);
  const { code, message, at, hint } = error;
  const failed: FailedMessage = { type: 'failed', code, message, at, hint };
  return new Promise((resolve) => process.send?.(failed, undefined, {}, () => resolve(true)));
};

/** Calls `end` once for the first of SIGTERM, SIGINT, or the parent's death (kill -9 included). */
export const onEnd = (end: (reason: 'signal' | 'parent') => void): void => {
  let ended = false;
  const once = (reason: 'signal' | 'parent') => () => {
    if (ended) return;
    ended = true;
    end(reason);
  };
  process.on('SIGTERM', once('signal'));
  process.on('SIGINT', once('signal'));
  if (process.connected) process.on('disconnect', once('parent'));
};

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Where its output goes; `inherit` shows it. */
  readonly output: { readonly file: string } | 'inherit';
  /** Restart it when it ends by itself; otherwise it ends for good. */
  readonly restart: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Each time it serves, the first time included. */
  readonly onReady?: (info: Readonly<Record<string, unknown>>) => void;
  /** Any other message of it. */
  readonly onMessage?: (message: { readonly type: string }) => void;
  /** Each time it ended by itself. */
  readonly onCrash?: (code: number | null, signal: NodeJS.Signals | null, againInMs: number | undefined) => void;
}

export interface Child {
  /** The first time that it serves. Rejects when it says why it can't, or ends again and again before. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  pid(): number | undefined;
  send(message: object): void;
  /** SIGTERM, and SIGKILL after the grace. */
  stop(graceMs?: number): Promise<void>;
}

const BACKOFF_MS = [200, 400, 1_000, 3_000, 10_000];
const STEADY_MS = 30_000;
/** Of restarts before it served for the first time. */
const MAX_STARTS = 3;

/** Starts a child in a process group of its own (so that Ctrl-C reaches only the parent) and keeps it running. */
export const startChild = (options: ChildOptions): Child => {
  const { name, clock, log } = options;
  let child: ChildProcess | undefined;
  let stopping = false;
  let attempts = 0;
  let isReady = false;
  let failure: FailedMessage | undefined;
  const ready = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  // Whoever awaits it sees the failure; nobody has to.
  ready.promise.catch(() => {});

  const stdio = (): StdioOptions => {
    if (options.output === 'inherit') return ['ignore', 'inherit', 'inherit', 'ipc'];
    const fd = openSync(options.output.file, 'a', 0o600);
    return ['ignore', fd, fd, 'ipc'];
  };

  const run = () => {
    const startedAt = clock.monotonic();
    const [command, ...args] = options.command;
    child = spawn(command!, args, {
      stdio: stdio(),
      detached: true,
      env: options.env ?? process.env,
      cwd: options.cwd,
    });
    child.on('message', (message: ReadyMessage | FailedMessage) => {
      if (message.type === 'failed') failure = message;
      else if (message.type === 'ready') {
        isReady = true;
        ready.resolve(message.info);
        options.onReady?.(message.info);
      } else options.onMessage?.(message);
    });
    child.on('error', (error) => ready.reject(error));
    child.on('exit', (code, signal) => {
      child = undefined;
      if (stopping) return;
      if (clock.monotonic() - startedAt > STEADY_MS) attempts = 0;
      const again = options.restart && (isReady || !failure);
      // Killed while it starts, it is started again; one that never gets that far is given up.
      if (!isReady && (!again || attempts >= MAX_STARTS)) ready.reject(startError(name, code, signal, failure));
      const delay = again ? BACKOFF_MS[Math.min(attempts++, BACKOFF_MS.length - 1)] : undefined;
      const reason = failure && { reason: `${failure.message} (${failure.code})` };
      failure = undefined;
      // What ends for good before it served is told by whoever waits for it.
      if (again) log.warn('process ended', { process: name, code, signal, ...reason, againInMs: delay });
      options.onCrash?.(code, signal, delay);
      if (delay !== undefined) clock.after(delay, () => stopping || run(), true);
    });
  };
  run();

  return {
    ready: ready.promise,
    pid: () => child?.pid,
    send: (message) => {
      if (child?.connected) child.send(message);
    },
    stop: (graceMs = 10_000) =>
      new Promise((resolve) => {
        stopping = true;
        if (!child) return resolve();
        const running = child;
        const kill = clock.after(graceMs, () => running.kill('SIGKILL'), true);
        running.once('exit', () => {
          kill.cancel();
          resolve();
        });
        running.kill('SIGTERM');
      }),
  };
};

const startError = (name: string, code: number | null, signal: string | null, failure?: FailedMessage): WeftError =>
  failure
    ? new WeftError(failure.code, failure.message, {
        ...(failure.at && { at: failure.at }),
        ...(failure.hint && { hint: failure.hint }),
      })
    : new WeftError('PROCESS_ENDED', `${name} ended before it served (${signal ?? `exit code ${code}`})`, {
        hint: 'look at its log in the state directory',
      });
