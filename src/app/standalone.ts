// A gateway without a control plane: compiles the manifests of a folder by itself and follows their changes. Run by
// `weft proxy --resources`.
import { resolve } from 'node:path';
import type { AccessLogConfig } from '../filters/access-log/schema.ts';
import { type Clock, systemClock, type Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import type { Listener, Snapshot } from '../model/snapshot.ts';
import { type AccessLog, openAccessLog } from './access-log.ts';
import { announceEnd, type DrainSettings, drainTimeOf } from './drain.ts';
import { endStart } from './end-of-start.ts';
import { openFolderCompiler } from './folder-compiler.ts';
import type { Concurrency } from './own-proxy.ts';
import { announceReady, onEnd } from './process.ts';
import type { AdminSettings } from './proxy-admin.ts';
import { openRateLimits, type RateLimitSettings } from './rate-limits.ts';
import { openReadiness } from './readiness.ts';
import { openResourceFolder, type ResourceFolder } from './resource-folder.ts';
import type { StandaloneEngine, StandaloneEngineOptions } from './standalone-engine.ts';

export interface StandaloneOptions extends AdminSettings, RateLimitSettings {
  readonly resources: string;
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  readonly name: string;
  readonly namespace: string;
  readonly gateway?: string;
  readonly bindAddress: string;
  readonly locality?: string;
  /** A file, or `-` for standard output. */
  readonly accessLog?: string;
  /** In place of events as JSON: lines of this format string of Envoy. */
  readonly accessLogFormat?: string;
  readonly concurrency?: Concurrency;
  readonly drain?: DrainSettings;
  /** Of `/healthz/ready`. Absent: 15021, or any free one where that is taken. */
  readonly readyPort?: number;
}

const LOG_CLOSE_MS = 2_000;
/** Until a port that another program has, or an address that is not there yet, is tried again. */
const RETRY_MS = 1_000;
const RETRIED = new Set(['PORT_TAKEN', 'LISTEN_FAILED']);
const TRUST_DOMAIN = 'cluster.local';

const nodeOf = ({ engine, name, namespace, gateway, bindAddress, locality }: StandaloneOptions): ProxyNode => ({
  id: nodeId('gateway', bindAddress, name, namespace),
  role: 'gateway',
  engine,
  name,
  namespace,
  serviceAccount: name,
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
  bindAddress,
  ...(gateway && { gateway }),
  ...(locality && { locality }),
});

// Only what is needed is loaded: gRPC and Envoy's types weigh more than the whole gateway.
const openEngine = async (engine: 'weft' | 'envoy', options: StandaloneEngineOptions): Promise<StandaloneEngine> =>
  engine === 'envoy'
    ? (await import('./standalone-envoy.ts')).openStandaloneEnvoy(options)
    : (await import('./standalone-weft.ts')).openStandaloneWeft(options);

/** Gives an engine the newest snapshot, one at a time, and tells what became of it. */
class Publisher {
  readonly #engine: StandaloneEngine;
  readonly #clock: Clock;
  readonly #log: Log;
  #target: Snapshot | undefined;
  #work: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #told = new Set<string>();
  #listening = new Set<string>();
  #closed = false;

  constructor(engine: StandaloneEngine, clock: Clock, log: Log) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the snapshot, or a newer one, is served. */
  publish(snapshot: Snapshot): Promise<void> {
    this.#target = snapshot;
    const done = this.#work.then(() => this.#apply());
    this.#work = done.catch(() => {});
    return done;
  }

  async #apply(): Promise<void> {
    const snapshot = this.#target;
    // Edits that came while one was taken are taken together.
    if (!snapshot || this.#closed) return;
    this.#target = undefined;
    this.#retry?.cancel();
    const problems = await this.#engine.apply(snapshot);
    this.#tellProblems(problems);
    this.#tellListeners();
    if (this.#closed || !problems.some(({ code }) => RETRIED.has(code))) return;
    this.#retry = this.#clock.after(
      RETRY_MS,
      () => {
        this.publish(this.#target ?? snapshot).catch((error) => this.tellFailure(error));
      },
      true,
    );
  }

  tellFailure(error: unknown): void {
    this.#log.error('the last good configuration goes on', { reason: messageOf(error) });
  }

  #tellProblems(problems: readonly Problem[]): void {
    const current = new Set<string>();
    for (const { code, severity, message, path, hint } of problems) {
      // The program that has a port may be another one each time.
      const key = `${code} ${path ?? ''} ${message}`;
      current.add(key);
      if (this.#told.has(key)) continue;
      const fields = { code, ...(path && { at: path }), ...(hint && { try: hint }) };
      if (severity === 'error') this.#log.error(message, fields);
      else this.#log.warn(message, fields);
    }
    this.#told = current;
  }

  #tellListeners(): void {
    const current = new Set(this.#engine.listeners().map(({ address, port }) => `${address}:${port}`));
    for (const address of current) if (!this.#listening.has(address)) this.#log.info('listening', { address });
    for (const address of this.#listening)
      if (!current.has(address)) this.#log.info('no longer listening', { address });
    this.#listening = current;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
  }
}

/** Every listener for HTTP writes the log of the command line too. Equal listeners stay the same. */
const addsLog = ({ accessLog, accessLogFormat }: StandaloneOptions): ((snapshot: Snapshot) => Snapshot) => {
  if (accessLog === undefined || accessLogFormat === undefined) return (snapshot) => snapshot;
  const path = accessLog === '-' ? '/dev/stdout' : resolve(accessLog);
  const log: AccessLogConfig = { path, format: { type: 'text', text: accessLogFormat } };
  const known = new WeakMap<Listener, Listener>();
  const logged = (listener: Listener): Listener => {
    const chains = listener.chains.map((chain) =>
      chain.handler.type === 'http'
        ? { ...chain, handler: { ...chain.handler, accessLogs: [...(chain.handler.accessLogs ?? []), log] } }
        : chain,
    );
    const found = known.get(listener) ?? { ...listener, chains };
    known.set(listener, found);
    return found;
  };
  return (snapshot) => {
    const listeners = new Map([...snapshot.listeners].map(([name, listener]) => [name, logged(listener)]));
    return { ...snapshot, listeners };
  };
};

/** From the folder to the engine: compiles each change and publishes it. */
const openPipeline = async (
  options: StandaloneOptions,
  events: AccessLog | undefined,
  askRateLimit: AskRateLimit,
  log: Log,
) => {
  const node = nodeOf(options);
  const { rateLimitFailClosed } = options;
  const compile = openFolderCompiler(node, { trustDomain: TRUST_DOMAIN, rateLimitFailClosed }, systemClock, log);
  const withLog = addsLog(options);
  let publisher: Publisher | undefined;
  let hadListeners = true;
  const next = (folder: ResourceFolder): Snapshot => {
    const snapshot = withLog(compile(folder));
    const hasListeners = snapshot.listeners.size > 0;
    if (!hasListeners && hadListeners) {
      const serves = options.gateway ? `no usable Gateway ${options.gateway}` : 'no usable Gateway of class weft';
      log.warn(`${serves} in the folder yet; it is followed`, { folder: options.resources });
    }
    hadListeners = hasListeners;
    return snapshot;
  };
  const update = async () => {
    // Until there is an engine, nothing is served that could be changed.
    if (publisher) await publisher.publish(next(folder));
  };
  const folder = openResourceFolder(options.resources, systemClock, log, () => {
    update().catch((error) => publisher?.tellFailure(error));
  });
  let engine: StandaloneEngine;
  try {
    engine = await openEngine(options.engine, {
      node,
      trustDomain: TRUST_DOMAIN,
      envoy: options.envoy,
      events,
      askRateLimit,
      concurrency: options.concurrency,
      adminPort: options.adminPort,
      logLevel: options.logLevel,
      log,
    });
  } catch (error) {
    folder.close();
    throw error;
  }
  publisher = new Publisher(engine, systemClock, log);
  let isServing = false;
  const readiness = await openReadiness({
    address: options.bindAddress,
    port: options.readyPort,
    isReady: () => isServing && engine.isReady(),
    clock: systemClock,
    log,
  }).catch(async (error: unknown) => {
    folder.close();
    await engine.close();
    throw error;
  });
  const { drain = {} } = options;
  return {
    async start() {
      await update();
      isServing = true;
    },
    async end() {
      if (isServing) await announceEnd(engine, drain, readiness, systemClock);
      folder.close();
      publisher?.close();
      await engine.drain(drainTimeOf('gateway', drain));
      await engine.close();
      await readiness.close();
    },
  };
};

const openLog = async (path: string | undefined, log: Log): Promise<AccessLog | undefined> => {
  if (path === undefined) return undefined;
  const accessLog = await openAccessLog({ path, clock: systemClock, log });
  process.on('SIGUSR1', () => accessLog.reopen());
  return accessLog;
};

/** Runs until it is told to end; answers the exit code. */
export const runStandalone = async (options: StandaloneOptions, log: Log): Promise<number> => {
  const ended = Promise.withResolvers<void>();
  onEnd(() => ended.resolve());
  const accessLog = options.accessLogFormat === undefined ? await openLog(options.accessLog, log) : undefined;
  const rateLimits = await openRateLimits(options, log.child('rate-limit'));
  const pipeline = await openPipeline(options, accessLog, rateLimits.ask, log);
  try {
    await Promise.race([pipeline.start(), ended.promise]);
    endStart('proxy');
    announceReady();
    await ended.promise;
  } finally {
    await pipeline.end();
    await rateLimits.close();
    await accessLog?.close(LOG_CLOSE_MS);
  }
  return 0;
};
