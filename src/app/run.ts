// `weft run`: starts any program as a workload of the mesh, with a proxy and an identity of its own. The proxy starts
// first, so that the program's first call finds it; the workload gets traffic once its port answers.
import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, pause } from '../lib/clock.ts';
import { systemCode, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type Random, randomSuffix } from '../lib/random.ts';
import { findFreePort } from './ports.ts';
import { announceReady, type Child, onEnd, startChild, weftCommand } from './process.ts';

export interface RunOptions {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name?: string;
  readonly labels: readonly string[];
  /** What the program listens on: `9080`, `http=9080`; port 0 is any free one, told to the program as PORT. */
  readonly ports: readonly string[];
  readonly appAddress: string;
  /** `15432=postgres:5432`: a local port that leads to a service. */
  readonly localPorts: readonly string[];
  readonly engine: 'weft' | 'envoy';
  /** Passed on to the proxy as they are: how to find the control plane, Envoy… */
  readonly proxyFlags: readonly string[];
  readonly command: readonly string[];
}

export interface RunDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
}

/** What the proxy of a workload tells `weft run`, and the other way round. */
export type WorkloadMessage =
  | { readonly type: 'health'; readonly healthy: boolean; readonly message: string }
  | { readonly type: 'drained' };
export type ProxyCommand = { readonly type: 'app'; readonly pid: number } | { readonly type: 'drain' };

const LOOPBACK = '127.0.0.1';
const DRAIN_MS = 5_000;
const APP_GRACE_MS = 10_000;

/** Environment that leads a program's plain HTTP calls into its proxy; its own TLS calls go their own way. */
const meshEnvironment = (env: NodeJS.ProcessEnv, outbound: number, ports: readonly string[]): NodeJS.ProcessEnv => {
  const proxy = `http://${LOOPBACK}:${outbound}`;
  const direct = 'localhost,127.0.0.1,::1';
  const port = ports.length === 1 ? ports[0]!.split('=').at(-1) : undefined;
  return {
    ...(port && { PORT: port }),
    ...env,
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
  };
};

/** `http=0` with the 0 replaced by a free port. */
const withFreePort = async (port: string, address: string, random: Random): Promise<string> =>
  /(^|=)0$/.test(port) ? port.replace(/0$/, String(await findFreePort(address, random))) : port;

const proxyArguments = (options: RunOptions, name: string, inbound: number, outbound: number): string[] => [
  'proxy',
  '--role=sidecar',
  `--engine=${options.engine}`,
  `--name=${name}`,
  `--namespace=${options.namespace}`,
  `--service-account=${options.serviceAccount}`,
  `--label=app=${options.service}`,
  `--label=version=${options.version}`,
  ...options.labels.map((label) => `--label=${label}`),
  ...options.ports.map((port) => `--port=${port}`),
  ...options.localPorts.map((port) => `--local-port=${port}`),
  `--app-address=${options.appAddress}`,
  `--inbound=${LOOPBACK}:${inbound}`,
  `--outbound=${LOOPBACK}:${outbound}`,
  ...options.proxyFlags,
];

/** Starts the program; a user's slip (no such program) is a clear error. */
const startProgram = (command: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const program = spawn(command[0]!, command.slice(1), { stdio: 'inherit', env });
    program.once('spawn', () => resolve(program));
    program.once('error', (cause) => {
      const what = systemCode(cause) === 'ENOENT' ? 'is not found' : `can't be started (${systemCode(cause)})`;
      reject(
        new WeftError('PROGRAM_NOT_STARTED', `${command[0]} ${what}`, {
          hint: 'write the program and its arguments behind "--", e.g. weft run --service a --port 9080 -- node a.js',
          cause,
        }),
      );
    });
  });

const exitOf = (program: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    program.once('exit', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });

/** Takes the workload out of the mesh and lets its requests end. */
const drainProxy = (proxy: Child, clock: Clock, drained: Promise<void>): Promise<void> => {
  proxy.send({ type: 'drain' } satisfies ProxyCommand);
  return Promise.race([drained, pause(clock, DRAIN_MS)]);
};

/** Runs until the program ends or is told to; answers its exit code. */
export const runWorkload = async (options: RunOptions, deps: RunDeps): Promise<number> => {
  const { clock, random, log } = deps;
  const name = options.name ?? `${options.service}-${options.version}-${randomSuffix()}`;
  const ports = await Promise.all(options.ports.map((port) => withFreePort(port, options.appAddress, random)));
  const [inbound, outbound] = [await findFreePort(LOOPBACK, random), await findFreePort(LOOPBACK, random)];
  const drained = Promise.withResolvers<void>();
  let program: ChildProcess | undefined;

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
      if (told.type !== 'health') return;
      if (told.healthy) announceReady({ name });
      log.info(told.healthy ? 'serving in the mesh' : 'not serving', {
        workload: name,
        ...(!told.healthy && { reason: told.message }),
      });
    },
  });

  let ending = false;
  const end = async () => {
    ending = true;
    await drainProxy(proxy, clock, drained.promise);
    if (!program) return;
    const running = program;
    running.kill('SIGTERM');
    const kill = clock.after(APP_GRACE_MS, () => running.kill('SIGKILL'), true);
    running.once('exit', () => kill.cancel());
  };
  onEnd(() => void end());

  try {
    await proxy.ready;
    if (ending) return 0;
    program = await startProgram(options.command, meshEnvironment(deps.env, outbound, ports));
    const exit = exitOf(program);
    proxy.send({ type: 'app', pid: program.pid ?? 0 } satisfies ProxyCommand);
    const code = await exit;
    return ending ? 0 : code;
  } finally {
    await proxy.stop();
  }
};
