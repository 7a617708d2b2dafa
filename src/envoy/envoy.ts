// Runs one Envoy as a child: starts it, starts it again when it crashes, drains and ends it. Used by engine.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, pause, type Timer } from '../lib/clock.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { callAdmin, countActive } from './admin.ts';
import type { AdminAddress, JsonObject } from './bootstrap.ts';
import { type EnvoyOutput, LOG_FORMAT, readOutput } from './output.ts';
import { openWatchdog, type Watchdog } from './watchdog.ts';

export interface EnvoyOptions {
  /** The binary, as `findEnvoy` found it. */
  readonly path: string;
  readonly bootstrap: JsonObject;
  /** As in the bootstrap. */
  readonly admin: AdminAddress;
  /** A private folder for its files, which goes with this process when that is killed. */
  readonly dir: string;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Envoy {
  /** When it serves its first configuration; rejects with ENVOY_FAILED when it does not start at all. */
  readonly ready: Promise<void>;
  /** When it has ended for good: 0 after `close`. */
  readonly exited: Promise<number>;
  readonly adminAddress: AdminAddress;
  /** Of the present process; undefined between a crash and the next start. */
  readonly pid: number | undefined;
  /** It serves its configuration and wants traffic. */
  isReady(): Promise<boolean>;
  /** While it is not healthy it is not ready, goes on to serve, and its answers close their connections. */
  setHealthy(isHealthy: boolean): Promise<void>;
  /** Goes on in new access logs of the same names, for programs that rename them. */
  reopenLogs(): Promise<void>;
  /** Takes no new connections and waits until the requests under way are done, at most this long. */
  drain(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Until a line of an access log is in its file. */
const LOGS_FLUSH_MS = '1000';
const POLL_MS = 50;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 10_000;
/** After a run of this length a crash counts as the first again. */
const STABLE_MS = 30_000;
/** An Envoy that ends this often before it was ever ready has a fault that a restart does not cure. */
const START_ATTEMPTS = 3;
const QUIET_MS = 200;
const KILL_AFTER_MS = 3_000;

class SupervisedEnvoy implements Envoy {
  readonly ready: Promise<void>;
  readonly exited: Promise<number>;
  readonly adminAddress: AdminAddress;
  readonly #options: EnvoyOptions;
  readonly #bootstrapPath: string;
  readonly #watchdog: Watchdog;
  readonly #settleReady = Promise.withResolvers<void>();
  readonly #settleExited = Promise.withResolvers<number>();
  #child: ChildProcess | undefined;
  #output: EnvoyOutput | undefined;
  #startedAt = 0;
  #crashes = 0;
  #wasReady = false;
  #isClosing = false;
  #timer: Timer | undefined;

  constructor(options: EnvoyOptions) {
    this.#options = options;
    this.adminAddress = options.admin;
    this.ready = this.#settleReady.promise;
    this.ready.catch(() => {});
    this.exited = this.#settleExited.promise;
    this.#bootstrapPath = join(options.dir, 'bootstrap.json');
    writeFileSync(this.#bootstrapPath, JSON.stringify(options.bootstrap), { mode: 0o600 });
    this.#watchdog = openWatchdog(options.dir);
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async isReady(): Promise<boolean> {
    const answer = await callAdmin(this.adminAddress, 'GET', '/ready').catch(() => undefined);
    return answer?.status === 200;
  }

  async setHealthy(isHealthy: boolean): Promise<void> {
    try {
      await callAdmin(this.adminAddress, 'POST', `/healthcheck/${isHealthy ? 'ok' : 'fail'}`);
    } catch (error) {
      if (this.#child && !this.#isClosing) {
        this.#options.log.warn('Envoy was not told that it is to go', { reason: messageOf(error) });
      }
    }
  }

  async reopenLogs(): Promise<void> {
    await callAdmin(this.adminAddress, 'POST', '/reopen_logs').catch((error: unknown) => {
      this.#options.log.warn('Envoy goes on in the old files of its access logs', { reason: messageOf(error) });
    });
  }

  async drain(timeoutMs: number): Promise<void> {
    const { clock, log } = this.#options;
    const end = clock.monotonic() + timeoutMs;
    try {
      // Answers from now on close their connections; then no new connections are taken.
      await this.setHealthy(false);
      await callAdmin(this.adminAddress, 'POST', '/drain_listeners');
      let quietSince = clock.monotonic();
      for (;;) {
        const now = clock.monotonic();
        if ((await countActive(this.adminAddress)) > 0) quietSince = now;
        if (now - quietSince >= QUIET_MS || now >= end) return;
        await pause(clock, POLL_MS);
      }
    } catch (error) {
      if (this.#child && !this.#isClosing) log.warn('could not drain Envoy', { reason: messageOf(error) });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing) {
      await this.exited;
      return;
    }
    this.#isClosing = true;
    this.#timer?.cancel();
    const child = this.#child;
    if (!child) this.#end(0);
    else {
      child.kill('SIGTERM');
      this.#timer = this.#options.clock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'), true);
    }
    await this.exited;
  }

  #start(): void {
    const { path, dir, clock, log, admin, concurrency } = this.#options;
    if ('socketPath' in admin) rmSync(admin.socketPath, { force: true });
    this.#startedAt = clock.monotonic();
    const args = [
      '-c',
      this.#bootstrapPath,
      '--disable-hot-restart',
      '--concurrency',
      String(concurrency),
      '--log-level',
      'warn',
    ];
    args.push('--log-format', LOG_FORMAT, '--drain-strategy', 'immediate', '--file-flush-interval-msec', LOGS_FLUSH_MS);
    // Its own session: Ctrl-C on the terminal is for us, who drain it before it ends.
    const child = spawn(path, args, { stdio: ['ignore', 'inherit', 'pipe'], detached: true, cwd: dir });
    this.#watchdog.guard(child.pid);
    this.#child = child;
    this.#output = readOutput(child.stderr, clock, log);
    let hasEnded = false;
    const ended = (reason: string, code: number): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#watchdog.guard(undefined);
      this.#child = undefined;
      this.#timer?.cancel();
      if (this.#isClosing) this.#end(0);
      else this.#recover(reason, code);
    };
    child.on('error', (error) => ended(error.message, 1));
    // `close` comes after `exit`, when all of its output is read.
    child.on('close', (code, signal) => ended(signal ? `killed by ${signal}` : `exit code ${code}`, code ?? 1));
    this.#pollReady(child);
  }

  #pollReady(child: ChildProcess): void {
    this.#timer = this.#options.clock.after(
      POLL_MS,
      () => {
        const again = (): void => {
          if (this.#child === child && !this.#isClosing) this.#pollReady(child);
        };
        callAdmin(this.adminAddress, 'GET', '/ready').then((answer) => {
          if (this.#child !== child || this.#isClosing) return;
          if (answer.status !== 200) return again();
          if (this.#wasReady) this.#options.log.info('Envoy serves again');
          this.#wasReady = true;
          this.#settleReady.resolve();
        }, again);
      },
      !this.#wasReady,
    );
  }

  #recover(reason: string, code: number): void {
    const { clock, log, path } = this.#options;
    if (clock.monotonic() - this.#startedAt > STABLE_MS) this.#crashes = 0;
    this.#crashes += 1;
    const last = this.#output?.last ?? [];
    if (!this.#wasReady && this.#crashes >= START_ATTEMPTS) {
      const said = last.length ? `: ${last.join(' | ').slice(0, 2_000)}` : '';
      this.#settleReady.reject(
        new WeftError('ENVOY_FAILED', `Envoy does not start (${reason})${said}`, {
          at: path,
          hint: 'try it by hand: run this binary with --version; the log above says what it wrote',
        }),
      );
      this.#end(code || 1);
      return;
    }
    const backoffMs = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#crashes - 1));
    log.error('Envoy ended by itself; starting it again', { reason, inMs: backoffMs });
    this.#timer = clock.after(backoffMs, () => this.#start(), true);
  }

  #end(code: number): void {
    this.#isClosing = true;
    this.#timer?.cancel();
    this.#watchdog.close();
    rmSync(this.#bootstrapPath, { force: true });
    if ('socketPath' in this.adminAddress) rmSync(this.adminAddress.socketPath, { force: true });
    this.#settleReady.reject(new WeftError('ENVOY_FAILED', 'Envoy was ended before it was ready'));
    this.#settleExited.resolve(code);
  }
}

/** Starts an Envoy and keeps it running until `close`; it ends with this process, however that ends. */
export const openEnvoy = (options: EnvoyOptions): Envoy => new SupervisedEnvoy(options);
