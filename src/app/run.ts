// `weft run`: starts any program as a workload of the mesh, with a proxy and an identity of its own. The proxy starts
// first, so that the program's first call finds it; the workload gets traffic once its port answers.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { systemCode, WeftError } from '../lib/errors.ts';
import { formatHostPort } from '../lib/host-port.ts';
import type { Log } from '../lib/log.ts';
import { randomSuffix } from '../lib/random.ts';
import type { LocalPort } from '../model/node.ts';
import { type DrainSettings, drainTimeOf } from './drain.ts';
import { ensureService } from './local-api.ts';
import { proxyOf } from './lost-program.ts';
import { findFreePort } from './ports.ts';
import { announceReady, type Child, onEnd, startChild, weftCommand } from './process.ts';

export interface RunOptions {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name?: string;
  /** `app` and `version` among them: by these a Service selects it. */
  readonly labels: Readonly<Record<string, string>>;
  /** What the program listens on, by name; port 0 is any free one, told to the program as PORT. */
  readonly ports: Readonly<Record<string, number>>;
  readonly appAddress: string;
  readonly localPorts: readonly LocalPort[];
  readonly engine: 'weft' | 'envoy';
  readonly drain?: DrainSettings;
  /** Set where the control plane runs on this machine: makes a Service for a name that has none. */
  readonly dataDir?: string | undefined;
  /** Passed on to the proxy as they are: how to find the control plane, Envoy… */
  readonly proxyFlags: readonly string[];
  /** The program and its arguments. */
  readonly program: readonly string[];
}

export interface RunDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** One line for the user, beside what the program writes. */
  readonly tell: (line: string, severity: 'info' | 'warn') => void;
}

/** What the proxy of a workload tells `weft run`, and the other way round. */
export type WorkloadMessage =
  | { readonly type: 'health'; readonly healthy: boolean; readonly message: string }
  /** Where the names of the mesh are answered. */
  | { readonly type: 'dns'; readonly address: string; readonly port: number }
  | { readonly type: 'drained' };
export type ProxyCommand = { readonly type: 'app'; readonly pid: number } | { readonly type: 'drain' };

const LOOPBACK = '127.0.0.1';
/** Beyond what the drain itself may take. */
const DRAIN_GRACE_MS = 2_000;
const APP_GRACE_MS = 10_000;

type Ports = RunOptions['ports'];

/** Environment that leads a program's plain HTTP calls into its proxy; its own TLS calls go their own way. */
const meshEnvironment = (
  env: NodeJS.ProcessEnv,
  outbound: number,
  ports: Ports,
  dns: string | undefined,
): NodeJS.ProcessEnv => {
  const proxy = proxyOf({ address: LOOPBACK, port: outbound });
  const direct = 'localhost,127.0.0.1,::1';
  const [port, ...others] = Object.values(ports);
  return {
    ...env,
    ...(port !== undefined && others.length === 0 && { PORT: String(port) }),
    ...(dns !== undefined && { WEFT_DNS: dns }),
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
  };
};

const settlePorts = async (ports: Ports, address: string): Promise<Ports> => {
  const settled: Record<string, number> = {};
  for (const [name, port] of Object.entries(ports)) settled[name] = port || (await findFreePort(address));
  return settled;
};

const proxyArguments = (options: RunOptions, name: string, inbound: number, outbound: number): string[] => [
  'proxy',
  '--role=sidecar',
  `--engine=${options.engine}`,
  `--name=${name}`,
  `--namespace=${options.namespace}`,
  `--service-account=${options.serviceAccount}`,
  ...Object.entries(options.labels).map(([key, value]) => `--label=${key}=${value}`),
  ...Object.entries(options.ports).map(([key, port]) => `--port=${key}=${port}`),
  ...options.localPorts.map(({ port, host, servicePort }) => `--local-port=${port}=${host}:${servicePort}`),
  `--app-address=${options.appAddress}`,
  `--inbound=${LOOPBACK}:${inbound}`,
  `--outbound=${LOOPBACK}:${outbound}`,
  ...options.proxyFlags,
];

const notStarted = (program: string, what: string, cause?: unknown): WeftError =>
  new WeftError('PROGRAM_NOT_STARTED', `${program} ${what}`, {
    hint: 'write the program and its arguments behind "--", e.g. weft run --service a --port 9080 -- node a.js',
    cause,
  });

/** A slip in the program's name is told before anything joins the mesh. */
const requireProgram = (program: string, { PATH = '' }: NodeJS.ProcessEnv): void => {
  const files = program.includes('/') ? [program] : PATH.split(delimiter).map((dir) => join(dir || '.', program));
  if (!files.some((file) => existsSync(file))) throw notStarted(program, 'is not found');
};

/** Starts the program, and tells its number at once; a user's slip (not a program) is a clear error. */
const startProgram = (
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  tell: (pid: number) => void,
): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const program = spawn(command[0]!, command.slice(1), { stdio: 'inherit', env });
    if (program.pid !== undefined) tell(program.pid);
    program.once('spawn', () => resolve(program));
    program.once('error', (cause) => {
      const what = systemCode(cause) === 'ENOENT' ? 'is not found' : `can't be started (${systemCode(cause)})`;
      reject(notStarted(command[0]!, what, cause));
    });
  });

const exitOf = (program: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    // As a shell says it: 137 for SIGKILL.
    program.once('exit', (code, signal) => resolve(code ?? (signal ? 128 + constants.signals[signal] : 1)));
  });

/** Takes the workload out of the mesh and lets its requests end. */
const drainProxy = (
  proxy: Child,
  clock: Clock,
  drained: PromiseWithResolvers<void>,
  drain: DrainSettings = {},
): Promise<void> => {
  proxy.send({ type: 'drain' } satisfies ProxyCommand);
  const limitMs = (drain.delayMs ?? 0) + drainTimeOf('sidecar', drain) + DRAIN_GRACE_MS;
  const limit = clock.after(limitMs, drained.resolve, true);
  return drained.promise.then(() => limit.cancel());
};

/** Runs until the program ends or is told to; answers its exit code. */
export const runWorkload = async (options: RunOptions, deps: RunDeps): Promise<number> => {
  const { clock, log, tell } = deps;
  requireProgram(options.program[0]!, deps.env);
  const name = options.name ?? `${options.service}-${options.version}-${randomSuffix()}`;
  const ports = await settlePorts(options.ports, options.appAddress);
  const [inbound, outbound] = [await findFreePort(LOOPBACK), await findFreePort(LOOPBACK)];
  const drained = Promise.withResolvers<void>();
  let program: ChildProcess | undefined;
  let hasServed = false;
  let dns: string | undefined;
  if (options.dataDir && Object.keys(ports).length > 0)
    await ensureService({ ...options, dataDir: options.dataDir, ports });

  const proxy = startChild({
    name: `${name} proxy`,
    command: weftCommand(...proxyArguments({ ...options, ports }, name, inbound, outbound)),
    output: 'inherit',
    restart: true,
    clock,
    log,
    onReady: () => program?.pid && proxy.send({ type: 'app', pid: program.pid } satisfies ProxyCommand),
    onMessage: (message) => {
      const told = message as WorkloadMessage;
      if (told.type === 'drained') drained.resolve();
      if (told.type === 'dns') {
        const place = formatHostPort(told.address, told.port);
        if (place !== dns) tell(`${name} finds names at ${place}: dig @${told.address} -p ${told.port} NAME`, 'info');
        dns = place;
      }
      if (told.type !== 'health') return;
      if (told.healthy) announceReady({ name });
      hasServed ||= told.healthy;
      if (!told.healthy)
        tell(`${name} gets no requests: ${told.message}${hasServed ? '' : '; is --port right?'}`, 'warn');
      else tell(`${name} is in the mesh as ${options.namespace}/${options.serviceAccount}`, 'info');
    },
  });

  let ending = false;
  const early = Promise.withResolvers<void>();
  const end = async () => {
    ending = true;
    // Before the program has started nothing is under way that could be drained.
    if (!program) return early.resolve();
    await drainProxy(proxy, clock, drained, options.drain);
    const running = program;
    running.kill('SIGTERM');
    const kill = clock.after(APP_GRACE_MS, () => running.kill('SIGKILL'), true);
    running.once('exit', () => kill.cancel());
  };
  onEnd(() => void end());

  try {
    await Promise.race([proxy.ready, early.promise]);
    if (ending) return 0;
    const tellPid = (pid: number) => proxy.send({ type: 'app', pid } satisfies ProxyCommand);
    program = await startProgram(options.program, meshEnvironment(deps.env, outbound, ports, dns), tellPid);
    const exit = exitOf(program);
    if (ending) program.kill('SIGTERM');
    const code = await exit;
    return ending ? 0 : code;
  } finally {
    await proxy.stop();
  }
};
