// Envoy as the engine of a gateway without a control plane: this process compiles, and is Envoy's xDS server over a
// private unix socket. Loaded by standalone.ts only when it is asked for: it brings gRPC and Envoy's types.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEnvoyEngine } from '../envoy/engine.ts';
import type { Envoy } from '../envoy/envoy.ts';
import { type FoundEnvoy, findEnvoy } from '../envoy/find.ts';
import { type GrpcServer, openGrpcServer } from '../grpc/server.ts';
import type { GrpcService } from '../grpc/service.ts';
import { pause, systemClock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { rateLimitService } from '../limits/service.ts';
import { formatSpiffeId } from '../model/identity.ts';
import type { SocketAddress } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Cluster, Listener, Snapshot } from '../model/snapshot.ts';
import type { Admin } from '../proxy/admin/server.ts';
import { telemetryServices } from '../telemetry/ingest.ts';
import { encodeNode } from '../xds/node-metadata.ts';
import { openXdsServer, type XdsServer } from '../xds/server.ts';
import { ENVOY } from '../xds/type-urls.ts';
import { openEnvoyAdmin } from './envoy-admin.ts';
import { reopenOnSignal } from './log-files.ts';
import { coresOf } from './own-proxy.ts';
import { requireFreePort } from './ports.ts';
import type { StandaloneEngine, StandaloneEngineOptions } from './standalone-engine.ts';

const EMPTY: Snapshot = {
  revision: 0,
  listeners: new Map(),
  routes: new Map(),
  clusters: new Map(),
  endpoints: new Map(),
  secrets: new Map(),
};

/** What Envoy is to have: the newest snapshot, for the one client there is. */
class Feed {
  #snapshot = EMPTY;
  readonly #listeners = new Set<() => void>();

  current(): Snapshot {
    return this.#snapshot;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}

/** Takes what Envoy tells of its traffic, where nobody wants to know of it. */
const unread = ({ definition }: GrpcService): GrpcService => {
  const ignore = (call: NodeJS.ReadableStream, answer: (error: null, value: Buffer) => void) => {
    call.on('error', () => {});
    call.on('end', () => answer(null, Buffer.alloc(0)));
    call.resume();
  };
  return { definition, implementation: Object.fromEntries(Object.keys(definition).map((name) => [name, ignore])) };
};

type Clusters = Snapshot['clusters'];

/** There is no identity here to prove to a mesh; Envoy would wait for one before it serves. Equal parts stay the same. */
const openPlainClusters = () => {
  const plain = new WeakMap<Cluster, Cluster>();
  const plainOf = (cluster: Cluster): Cluster => {
    if (cluster.tls.mode === 'none') return cluster;
    const known = plain.get(cluster) ?? { ...cluster, tls: { mode: 'none' } };
    plain.set(cluster, known);
    return known;
  };
  const whole = new WeakMap<Clusters, Clusters>();
  return (clusters: Clusters): Clusters => {
    const known = whole.get(clusters) ?? new Map([...clusters].map(([name, cluster]) => [name, plainOf(cluster)]));
    whole.set(clusters, known);
    return known;
  };
};

const placeOf = ({ address, port }: SocketAddress): string => `${address}:${port}`;

/** Why a listener can't be bound now, as the own engine would say it. */
const bindProblem = async (listener: Listener): Promise<Problem | undefined> => {
  const { address, port, name } = listener;
  try {
    await requireFreePort(address, port, name);
    return undefined;
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const { code, message, hint } = error;
    return { code, severity: 'error', message, path: name, ...(hint && { hint }) };
  }
};

const POLL_MS = 20;
/** Envoy answers within milliseconds; one that is being started again takes longer. */
const ANSWER_MS = 3_000;

class EnvoyGateway implements StandaloneEngine {
  readonly #options: StandaloneEngineOptions;
  readonly #found: FoundEnvoy;
  readonly #dir: string;
  readonly #feed: Feed;
  readonly #xds: XdsServer;
  readonly #server: GrpcServer;
  readonly #log: Log;
  readonly #plain = openPlainClusters();
  readonly #admin: Admin;
  #envoy: Envoy | undefined;
  #revision = 0;
  #served: ReadonlyMap<string, Listener> = new Map();
  readonly #stopReopening = reopenOnSignal(() => void this.#envoy?.reopenLogs());
  #closed = false;

  constructor(parts: {
    options: StandaloneEngineOptions;
    found: FoundEnvoy;
    dir: string;
    feed: Feed;
    xds: XdsServer;
    server: GrpcServer;
    admin: Admin;
  }) {
    this.#options = parts.options;
    this.#found = parts.found;
    this.#dir = parts.dir;
    this.#feed = parts.feed;
    this.#xds = parts.xds;
    this.#server = parts.server;
    this.#admin = parts.admin;
    this.#log = parts.options.log;
  }

  get envoy(): Envoy | undefined {
    return this.#envoy;
  }

  async apply(snapshot: Snapshot): Promise<readonly Problem[]> {
    const problems: Problem[] = [];
    const usable = new Map(snapshot.listeners);
    const ownPorts = new Set([...this.#served.values()].map(({ port }) => port));
    for (const [name, listener] of snapshot.listeners) {
      // Envoy itself has it, be it at another address: it knows how to change over.
      if (ownPorts.has(listener.port)) continue;
      const problem = await bindProblem(listener);
      if (!problem) continue;
      problems.push(problem);
      usable.delete(name);
    }
    if (this.#closed) return problems;
    problems.push(...(await this.#publish({ ...snapshot, clusters: this.#plain(snapshot.clusters) }, usable)));
    return problems;
  }

  /** Gives Envoy the snapshot with these of its listeners; answers which of them it could not bind after all. */
  async #publish(snapshot: Snapshot, usable: ReadonlyMap<string, Listener>): Promise<Problem[]> {
    const before = new Set([...this.#served.values()].map(placeOf));
    const fresh = [...usable.values()].filter((listener) => !before.has(placeOf(listener)));
    const revision = ++this.#revision;
    const listeners = usable.size === snapshot.listeners.size ? snapshot.listeners : usable;
    this.#feed.publish({ ...snapshot, revision, listeners });
    this.#served = listeners;
    if (!this.#envoy) await this.#start();
    if (fresh.length === 0) return [];
    const refusal = await this.#answer(revision);
    const unbound = fresh.filter((listener) => refusal?.includes(`cannot bind '${placeOf(listener)}'`));
    if (unbound.length === 0) return [];
    const left = new Map([...listeners].filter(([, listener]) => !unbound.includes(listener)));
    this.#feed.publish({ ...snapshot, revision: ++this.#revision, listeners: left });
    this.#served = left;
    return unbound.map((listener) => ({
      code: 'LISTEN_FAILED',
      severity: 'error',
      message: `Envoy can not listen on ${placeOf(listener)}: ${refusal}`,
      path: listener.name,
    }));
  }

  async #start(): Promise<void> {
    const { node, concurrency, log } = this.#options;
    const { path, version } = this.#found;
    log.info('starting Envoy', { version, path });
    this.#envoy = await openEnvoyEngine({
      path,
      concurrency: coresOf(concurrency),
      dir: this.#dir,
      xds: { socketPath: socketOf(this.#dir) },
      node: { id: node.id, cluster: node.name, metadata: encodeNode(node, { registers: false }) },
      clock: systemClock,
      log: log.child('envoy'),
    });
    // Ended meanwhile.
    if (this.#closed) await this.#envoy.close();
    else await this.#envoy.ready;
  }

  /** Waits until Envoy has answered the listeners of this revision; its reason where it refused them. */
  async #answer(revision: number): Promise<string | undefined> {
    const end = systemClock.monotonic() + ANSWER_MS;
    while (systemClock.monotonic() < end && !this.#closed) {
      const types = this.#xds.status().flatMap((client) => client.types);
      const listeners = types.find(({ typeUrl }) => typeUrl === ENVOY.listener);
      if (listeners && Number(listeners.sentVersion) >= revision) {
        if (listeners.ackedVersion === listeners.sentVersion) return undefined;
        if (listeners.refusal?.version === listeners.sentVersion) return listeners.refusal.message;
      }
      await pause(systemClock, POLL_MS);
    }
    if (!this.#closed) this.#log.warn('Envoy has not answered its new listeners yet');
    return undefined;
  }

  listeners(): readonly SocketAddress[] {
    return [...this.#served.values()];
  }

  async isReady(): Promise<boolean> {
    return (await this.#envoy?.isReady()) ?? false;
  }

  async setHealthy(isHealthy: boolean): Promise<void> {
    await this.#envoy?.setHealthy(isHealthy);
  }

  async drain(timeoutMs: number): Promise<void> {
    await this.#envoy?.drain(timeoutMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopReopening();
    await this.#envoy?.close();
    this.#xds.close();
    await this.#server.close();
    await this.#admin.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

const socketOf = (dir: string): string => join(dir, 'xds.sock');

/** Throws ENVOY_NOT_FOUND, ENVOY_TOO_OLD. Envoy starts with the first snapshot. */
export const openStandaloneEnvoy = async (options: StandaloneEngineOptions): Promise<StandaloneEngine> => {
  const { node, trustDomain, events, envoy, log } = options;
  const found = await findEnvoy({ option: envoy, env: process.env });
  // Of this user alone (mode 0700): whoever reaches the socket in it is this gateway's own Envoy, and may have the keys
  // of its certificates.
  const dir = mkdtempSync(join(tmpdir(), 'weft-gateway-'));
  const self = formatSpiffeId({ trustDomain, namespace: node.namespace, serviceAccount: node.serviceAccount });
  const peerOf = () => self;
  const feed = new Feed();
  const session = { setHealth: () => {}, close: () => {} };
  const xds = openXdsServer({
    feed,
    sessions: { open: async () => session },
    peerOf,
    trustDomain,
    clock: systemClock,
    log: log.child('xds'),
  });
  const logs = telemetryServices({ hub: { add: (event) => events?.add(event) }, peerOf, log: log.child('access-log') });
  // Who reaches its socket is this gateway's own Envoy.
  const limits = rateLimitService({ ask: options.askRateLimit, mayAsk: () => true, log: log.child('rate-limit') });
  const services = [xds.authenticated, limits, ...(events ? logs : logs.map(unread))];
  let server: GrpcServer | undefined;
  try {
    server = await openGrpcServer(`unix:${socketOf(dir)}`, services);
    let gateway: EnvoyGateway | undefined;
    const admin = await openEnvoyAdmin(() => gateway?.envoy, options.adminPort, log);
    gateway = new EnvoyGateway({ options, found, dir, feed, xds, server, admin });
    return gateway;
  } catch (error) {
    await server?.close();
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
};
