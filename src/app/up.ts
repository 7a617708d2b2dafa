// `weft up`: everything on this machine under one supervisor: control plane, ingress gateway, and the demo.

import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, pause } from '../lib/clock.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { request } from '../lib/http.ts';
import type { Log } from '../lib/log.ts';
import { type ControlInfo, type DataDir, isRunning, openDataDir, readControlInfo } from './data-dir.ts';
import { type DemoProgram, demoDir, demoGatewayUrl, demoPrograms, installDemo } from './demo.ts';
import { openLocalClient } from './local-api.ts';
import { findFreePort, requireFreePort } from './ports.ts';
import { announceReady, type Child, onEnd, startChild, weftCommand } from './process.ts';

export interface UpOptions {
  readonly dataDir: string;
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  /** Of the gateway; a sidecar has enough with one core. */
  readonly concurrency?: number | 'auto';
  readonly apiPort: number;
  readonly browserPort: number;
  readonly xdsPort: number;
  readonly xdsTlsPort: number;
  readonly gatewayPort: number;
  /** How long certificates of workloads live. */
  readonly svidTtlMs?: number;
  /** A block, for Gateways that ask for no address. */
  readonly gatewayAddresses?: string;
  /** A block, for Gateways that ask for an address that only the cluster reaches. */
  readonly clusterAddresses?: string;
  readonly demo: boolean;
}

export interface UpDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** One line for the user. */
  readonly print: (line: string) => void;
}

/** What `weft control` says of itself when it serves. */
interface ControlReady {
  readonly api: string;
  readonly browserLink: string;
}

const LOOPBACK = '127.0.0.1';

type Ports = Pick<UpOptions, 'apiPort' | 'browserPort' | 'xdsPort' | 'xdsTlsPort' | 'gatewayPort'>;

const USES: Readonly<Record<keyof Ports, readonly [use: string, flag: string]>> = {
  apiPort: ['API', '--api-port'],
  browserPort: ['console', '--browser-port'],
  xdsPort: ['xDS', '--xds-port'],
  xdsTlsPort: ['xDS over TLS', '--xds-tls-port'],
  gatewayPort: ['gateway', '--gateway-port'],
};

/** Checks that the ports are free, and chooses one where any will do: a restarted process must find its port again. */
const settlePorts = async (options: UpOptions): Promise<UpOptions> => {
  const settled: { -readonly [name in keyof Ports]?: number } = {};
  for (const [name, [use, flag]] of Object.entries(USES) as [keyof Ports, readonly [string, string]][]) {
    if (options[name] === 0) settled[name] = await findFreePort(LOOPBACK);
    else if (name !== 'gatewayPort' || (options.demo && options.gatewayAddresses === undefined))
      await requireFreePort(LOOPBACK, options[name], use, flag);
  }
  return { ...options, ...settled };
};

/** A damaged file is of one that is gone; the lock on the store is what decides in the end. */
const readControlInfoIfSound = (dir: DataDir): ControlInfo | undefined => {
  try {
    return readControlInfo(dir);
  } catch (error) {
    if (isWeftError(error, 'CONTROL_NOT_FOUND')) return undefined;
    throw error;
  }
};

/** Two supervisors on one state would fight over it. */
const requireOnlyOne = (dir: DataDir): void => {
  if (!existsSync(dir.control)) return;
  const known = readControlInfoIfSound(dir);
  if (!known || !isRunning(known.pid)) return;
  const { pid, api } = known;
  throw new WeftError('ALREADY_UP', `weft runs already on ${dir.root}: ${api} (pid ${pid})`, {
    hint: 'use it, end it with Ctrl-C where it runs, or start another with --data-dir and other ports',
  });
};

/** The log of one child; what it wrote last time stays beside it. */
const logFile = (dir: DataDir, name: string): string => {
  const file = join(dir.logs, `${name}.log`);
  if (existsSync(file)) renameSync(file, `${file}.1`);
  return file;
};

class Supervisor {
  readonly #dir: DataDir;
  readonly #options: UpOptions;
  readonly #deps: UpDeps;
  readonly #children: Child[] = [];

  constructor(dir: DataDir, options: UpOptions, deps: UpDeps) {
    this.#dir = dir;
    this.#options = options;
    this.#deps = deps;
  }

  start(name: string, args: readonly string[], program: readonly string[] = []): Child {
    const { clock, log, print } = this.#deps;
    const file = logFile(this.#dir, name);
    const child = startChild({
      name,
      command: weftCommand(...args, `--data-dir=${this.#dir.root}`, ...(program.length ? ['--', ...program] : [])),
      output: { file },
      restart: true,
      clock,
      log,
      onCrash: (code, signal, againInMs) => {
        if (againInMs !== undefined)
          print(`${name} ended (${signal ?? `exit code ${code}`}), starts again; log: ${file}`);
      },
    });
    this.#children.push(child);
    return child;
  }

  startControl(): Child {
    const { apiPort, browserPort, xdsPort, xdsTlsPort, svidTtlMs, gatewayAddresses, clusterAddresses } = this.#options;
    const ports = { api: apiPort, browser: browserPort, xds: xdsPort, 'xds-tls': xdsTlsPort };
    const flags = Object.entries(ports).map(([name, port]) => `--${name}-port=${port}`);
    if (svidTtlMs !== undefined) flags.push(`--svid-ttl=${svidTtlMs / 1000}s`);
    if (gatewayAddresses !== undefined) flags.push(`--gateway-addresses=${gatewayAddresses}`);
    if (clusterAddresses !== undefined) flags.push(`--cluster-addresses=${clusterAddresses}`);
    return this.start('control', ['control', ...flags]);
  }

  startGateway(): Child {
    return this.start('gateway', [
      'proxy',
      '--role=gateway',
      '--name=gateway',
      '--namespace=weft-system',
      '--service-account=gateway',
      ...this.#engineFlags(),
      ...(this.#options.concurrency ? [`--concurrency=${this.#options.concurrency}`] : []),
    ]);
  }

  startDemo(program: DemoProgram): Child {
    const { service, version, file } = program;
    const flags = [
      `--service=${service}`,
      `--version=${version}`,
      '--port=http=0',
      '--verbose',
      ...this.#engineFlags(),
    ];
    const command = ['env', `VERSION=${version}`, process.execPath, join(demoDir(), file)];
    return this.start(`${service}-${version}`, ['run', ...flags], command);
  }

  #engineFlags(): string[] {
    const { engine, envoy } = this.#options;
    return [`--engine=${engine}`, ...(envoy ? [`--envoy=${envoy}`] : [])];
  }

  /** In reverse: who calls ends before who is called, the control plane last. */
  async stop(): Promise<void> {
    const [control, gateway, ...programs] = this.#children;
    await gateway?.stop(GATEWAY_GRACE_MS);
    await Promise.all(programs.map((program) => program.stop()));
    await control?.stop();
  }
}

/** True once the page that takes all five services comes through the gateway. */
const servesPage = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const call = request(url, { timeout: 2_000 }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode === 200 && answer.headers['x-shop'] === 'whole'));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.end();
  });

/** A gateway that a load balancer watches waits for it, then for its requests. */
const GATEWAY_GRACE_MS = 20_000;
const PAGE_WAIT_MS = 60_000;

/** Waits for the shop's front page, and tells where it is; its gateway may get its address meanwhile. */
const untilPage = async (
  locate: () => Promise<string | undefined>,
  clock: Clock,
): Promise<{ url: string | undefined; served: boolean }> => {
  const end = clock.monotonic() + PAGE_WAIT_MS;
  for (;;) {
    const url = await locate();
    const served = url !== undefined && (await servesPage(url));
    if (served || url === undefined || clock.monotonic() >= end) return { url, served };
    await pause(clock, 100);
  }
};

const startDemo = async (supervisor: Supervisor, dir: DataDir, options: UpOptions, deps: UpDeps) => {
  const client = openLocalClient(dir.root);
  try {
    await installDemo(client, options.gatewayPort);
    const programs = demoPrograms.map((program) => supervisor.startDemo(program).ready);
    // One that can't start is told by its log; the others go on.
    await Promise.allSettled(programs);
    const { url, served } = await untilPage(() => demoGatewayUrl(client), deps.clock);
    if (url && !served) {
      deps.print(`the shop does not answer yet; look at the logs in ${dir.logs}`);
    }
    return url;
  } finally {
    client.close();
  }
};

const printWelcome = (print: UpDeps['print'], dir: DataDir, control: ControlReady, gateway: string | undefined) => {
  if (gateway) print(`gateway  ${gateway}`);
  print(`console  ${control.browserLink}`);
  print(`api      ${control.api}  (kubeconfig: ${dir.kubeconfig})`);
  print(`state    ${dir.root}`);
  print('');
  print('try next:');
  if (gateway) print(`  curl ${gateway}`);
  print('  weft get workloads');
  print('  weft flows');
  print('Ctrl-C stops everything.');
};

/** Runs until it is told to end; answers the exit code. */
export const runUp = async (wanted: UpOptions, deps: UpDeps): Promise<number> => {
  const dir = openDataDir(wanted.dataDir);
  requireOnlyOne(dir);
  const options = await settlePorts(wanted);
  const told = Promise.withResolvers<void>();
  onEnd(() => told.resolve());
  const supervisor = new Supervisor(dir, options, deps);
  try {
    const serve = async () => {
      const control = (await supervisor.startControl().ready) as unknown as ControlReady;
      const gateway = supervisor.startGateway();
      const url = options.demo ? await startDemo(supervisor, dir, options, deps) : undefined;
      await gateway.ready;
      printWelcome(deps.print, dir, control, url);
      announceReady();
    };
    await Promise.race([serve().then(() => told.promise), told.promise]);
    return 0;
  } finally {
    deps.print('stopping');
    await supervisor.stop();
  }
};
