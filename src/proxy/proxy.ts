// The data plane of one process: takes snapshots, listens, passes traffic on, tells of it. Opened by app/.
import type { Clock, Timer } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { SvidSource } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import type { Listener, Snapshot } from '../model/snapshot.ts';
import type { Direction, EndpointInspection, ProxyInspection } from './admin/inspection.ts';
import { PartVersions } from './admin/versions.ts';
import {
  type ClaimPort,
  DEFAULT_LIMITS,
  makeParser,
  openKept,
  type ProxyContext,
  type ProxyLimits,
  ProxyStats,
} from './context.ts';
import { Deadlines } from './deadlines.ts';
import { SelfPeer } from './events.ts';
import { IdSource } from './exchange/request-headers.ts';
import { HboneDialer } from './hbone/dialer.ts';
import { FlushQueue } from './http1/flush-queue.ts';
import { type Bound, type BoundAddress, placeOf } from './listen/bound.ts';
import type { LiveChain } from './listen/chain.ts';
import { BoundListener } from './listen/listener.ts';
import { Preparation, type PreparedTable } from './prepare.ts';
import { withoutKey } from './tls/shown-svid.ts';
import { UpstreamTlsContexts } from './tls/upstream-tls.ts';
import { TrafficCounts } from './traffic-counts.ts';
import { UdpListener } from './udp/listener.ts';
import { Clusters } from './upstream/clusters.ts';
import { openDialer } from './upstream/dial.ts';
import type { PoolEndpoint } from './upstream/pool.ts';
import { type Resolve, resolveBySystem } from './upstream/resolver.ts';

export interface ProxyOptions {
  readonly node: ProxyNode;
  /** Needed for mesh TLS, on either side. */
  readonly svid?: SvidSource;
  /** Called for every finished request and connection; must be quick and must not throw. */
  onEvent(event: TrafficEvent): void;
  /** Called for every line of an access log of the configuration; must be quick and must not throw. */
  readonly onLogLine?: ((path: string, line: string) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<ProxyLimits>;
  readonly resolve?: Resolve;
  /** Where several event loops share the ports. */
  readonly claimPort?: ClaimPort;
  /** Absent: there is no rate limit server, and what asks it goes by how it is to fail. */
  readonly askRateLimit?: AskRateLimit | undefined;
}

export interface ClusterCounts {
  readonly requests: number;
  readonly failures: number;
  readonly active: number;
  readonly endpoints: number;
  /** Connections to endpoints, in use or idle. */
  readonly connections: number;
}

export interface ProxyCounts {
  readonly connections: number;
  readonly totalConnections: number;
  readonly requests: number;
  readonly activeRequests: number;
  readonly clusters: Readonly<Record<string, ClusterCounts>>;
}

export interface Proxy {
  /** Prepares everything, binds new ports, then swaps. What can't be used stays as it was and is told. */
  apply(snapshot: Snapshot): Promise<Problem[]>;
  /** Resolves after the first snapshot was applied. */
  readonly ready: Promise<void>;
  listeners(): BoundAddress[];
  stats(): ProxyCounts;
  /** Everything that the admin pages show. */
  inspect(): ProxyInspection;
  /** While it is not healthy it says so, goes on to serve, and tells clients to go. */
  setHealthy(isHealthy: boolean): void;
  /** Closes its ports for good, or those of one direction; what is open goes on. Resolves when they are free. */
  stopListening(direction?: Direction): Promise<void>;
  /** Counters begin at 0 again; gauges stay. */
  resetCounters(): void;
  /** Stops accepting, lets requests finish and tells clients to go; closes what is left after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
  /** At once. */
  close(): Promise<void>;
}

/** What the owner of the process sees of a proxy, be it in this thread or in workers. */
export interface RunningProxy extends Omit<Proxy, 'stats' | 'inspect'> {
  inspect(): ProxyInspection | Promise<ProxyInspection>;
}

/** How long unused connections get for a next request, which is answered and told to close, before they are closed. */
const IDLE_GRACE_MS = 1000;

const DIRECTIONS: readonly Direction[] = ['inbound', 'outbound', 'gateway'];

class LiveProxy implements Proxy {
  readonly ready: Promise<void>;
  readonly #context: ProxyContext;
  readonly #clusters: Clusters;
  readonly #servers = new UpstreamTlsContexts();
  readonly #counts = new TrafficCounts();
  readonly #hbone: HboneDialer;
  readonly #openedAt: number;
  readonly #self: SelfPeer;
  /** By address and port, or by name where the system chooses the port. */
  readonly #bound = new Map<string, Bound>();
  readonly #leaving = new Set<Bound>();
  readonly #timers = new Set<Timer>();
  readonly #stopWatch: (() => void) | undefined;
  readonly #versions: PartVersions;
  #snapshot: Snapshot | undefined;
  #tables: ReadonlyMap<string, PreparedTable> = new Map();
  #queue: Promise<unknown> = Promise.resolve();
  #setReady!: () => void;
  #leaves = false;
  #closed = false;
  readonly #stopped = new Set<Direction>();

  constructor(options: ProxyOptions) {
    const { node, svid, clock, random, log } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const deadlines = new Deadlines(clock);
    this.#openedAt = clock.monotonic();
    this.#versions = new PartVersions(clock.now());
    this.#hbone = new HboneDialer(openDialer(deadlines, svid, this.#servers), svid, () => this.#context);
    this.#context = {
      node,
      svid,
      onEvent: (event) => {
        this.#counts.add(event);
        options.onEvent(event);
      },
      clock,
      random,
      log,
      limits,
      ...makeParser(limits),
      ids: new IdSource(random),
      deadlines,
      flushes: new FlushQueue(),
      dialer: this.#counts.counting(this.#hbone),
      stats: new ProxyStats(),
      kept: openKept(),
      askRateLimit: options.askRateLimit,
      onLogLine: options.onLogLine,
      claimPort: options.claimPort,
      draining: false,
    };
    this.#clusters = new Clusters(this.#context, options.resolve ?? resolveBySystem);
    this.#self = new SelfPeer(node);
    this.ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    this.#stopWatch = svid?.watch(() => this.#renew());
  }

  apply(snapshot: Snapshot): Promise<Problem[]> {
    const done = this.#queue.then(() => this.#apply(snapshot));
    this.#queue = done.catch(() => {});
    return done;
  }

  async #apply(snapshot: Snapshot): Promise<Problem[]> {
    if (this.#closed || this.#leaves) return [];
    this.#servers.use(snapshot.secrets);
    this.#clusters.update(snapshot);
    const preparation = new Preparation(this.#context, this.#clusters, snapshot, this.#tables);
    const { problems } = preparation;
    const usable = [...snapshot.listeners.values()].filter(({ direction }) => !this.#stopped.has(direction));
    const wanted = new Map(usable.map((listener) => [placeOf(listener), listener]));
    const swaps: [Bound, Listener, LiveChain[]][] = [];
    for (const [place, listener] of wanted) {
      const bound = this.#bound.get(place);
      const chains = preparation.chains(listener, bound?.chains ?? []);
      if (bound) swaps.push([bound, listener, chains]);
      else await this.#bind(place, listener, chains, wanted, problems);
    }
    if (this.#closed) return problems;
    // From here on nothing waits: all of it becomes true at once.
    for (const [bound, listener, chains] of swaps) bound.update(listener, chains);
    const retired = [...this.#bound.keys()].filter((place) => !wanted.has(place)).map((place) => this.#retire(place));
    this.#tables = preparation.tables;
    this.#clusters.retire(snapshot);
    this.#counts.keep(snapshot.clusters);
    this.#snapshot = snapshot;
    this.#versions.note(snapshot, this.#context.clock.now());
    this.#setReady();
    await Promise.all(retired);
    return problems;
  }

  async #bind(
    place: string,
    listener: Listener,
    chains: readonly LiveChain[],
    wanted: ReadonlyMap<string, Listener>,
    problems: Problem[],
  ): Promise<void> {
    const { port, transport } = listener;
    const isInWay = (bound: Bound) => bound.listener.port === port && bound.listener.transport === transport;
    // A listener that goes may hold the port under another address, such as 0.0.0.0.
    for (const [other, bound] of this.#bound) if (!wanted.has(other) && isInWay(bound)) await this.#retire(other);
    // Unlike connections, sessions of UDP can't go on without their port.
    if (transport === 'udp') for (const bound of this.#leaving) if (isInWay(bound)) bound.destroy();
    const kind = transport === 'udp' ? UdpListener : BoundListener;
    const result = await kind.open(this.#context, this.#self, listener, chains);
    if ('severity' in result) problems.push(result);
    else if (this.#closed) result.destroy();
    else this.#bound.set(place, result);
  }

  /** Resolves when the port is free. */
  #retire(place: string): Promise<void> {
    const bound = this.#bound.get(place)!;
    this.#bound.delete(place);
    this.#leaving.add(bound);
    const timer = this.#context.clock.after(IDLE_GRACE_MS, () => bound.closeIdle());
    this.#timers.add(timer);
    const free = bound.retire();
    void free
      .then(() => bound.empty())
      .then(() => {
        timer.cancel();
        this.#timers.delete(timer);
        this.#leaving.delete(bound);
      });
    return free;
  }

  /** New connections prove the new certificate; those that are open stay. */
  #renew(): void {
    for (const bound of this.#bound.values()) {
      for (const { terminator } of bound.chains) if (terminator?.mode === 'mesh') terminator.renew();
    }
  }

  listeners(): BoundAddress[] {
    return [...this.#bound.values()].filter((bound) => bound.accepting).map((bound) => bound.bound);
  }

  stats(): ProxyCounts {
    const { connections, totalConnections, requests, activeRequests } = this.#context.stats;
    const clusters: Record<string, ClusterCounts> = {};
    for (const state of this.#clusters.values()) {
      const { endpoints } = state.balancer;
      clusters[state.cluster.name] = {
        requests: state.requests,
        failures: state.failures,
        active: state.active,
        endpoints: endpoints.length,
        connections: endpoints.reduce((sum, endpoint) => sum + (endpoint.pool?.open ?? 0), 0),
      };
    }
    return { connections, totalConnections, requests, activeRequests, clusters };
  }

  inspect(): ProxyInspection {
    const { node, stats, clock, svid, draining } = this.#context;
    const { by, connections } = stats;
    const bound = [...this.#bound.values()].filter(({ accepting }) => accepting);
    return {
      node,
      state: draining || this.#closed ? 'DRAINING' : this.#snapshot ? 'LIVE' : 'PRE_INITIALIZING',
      uptimeMs: clock.monotonic() - this.#openedAt,
      concurrency: 1,
      connections,
      snapshot: this.#snapshot,
      versions: this.#versions,
      listeners: bound.map((one) => ({
        ...one.bound,
        active: one.connections,
        total: one.total,
        overflows: one.overflows,
      })),
      clusters: [...this.#clusters.values()].map((state) => ({
        cluster: state.cluster,
        endpoints: state.balancer.endpoints.map((one) => this.#inspectEndpoint(one)),
        ejections: state.ejections,
        attempts: state.attempts,
        active: state.active,
        counts: { ...this.#counts.cluster(state.cluster.name) },
        times: state.times.data,
      })),
      directions: DIRECTIONS.map((direction) => ({
        direction,
        requests: by[direction].total,
        activeRequests: by[direction].active,
        http2: { ...by[direction].http2 },
        counters: { ...this.#counts.traffic[direction] },
        limits: { ...by[direction].limits },
        times: this.#counts.times[direction].data,
      })),
      svid: withoutKey(svid),
    };
  }

  setHealthy(isHealthy: boolean): void {
    this.#context.draining = this.#leaves || !isHealthy;
  }

  async stopListening(direction?: Direction): Promise<void> {
    await this.#queue;
    for (const one of direction ? [direction] : DIRECTIONS) this.#stopped.add(one);
    const stopped = [...this.#bound.values()].filter(({ listener }) => this.#stopped.has(listener.direction));
    await Promise.all(stopped.map((bound) => bound.stopAccepting()));
  }

  resetCounters(): void {
    this.#counts.reset();
    this.#context.stats.reset();
    for (const bound of this.#bound.values()) bound.total = 0;
    for (const state of this.#clusters.values()) state.resetCounters();
  }

  #inspectEndpoint({ endpoint, pool, ...state }: PoolEndpoint): EndpointInspection {
    const { active, total, successes, errors, timeouts, ejected, check } = state;
    const requests = { active, total, successes, errors, timeouts, pending: pool?.waiting ?? 0 };
    return {
      endpoint,
      ejected,
      ...(check && { check }),
      ...requests,
      ...this.#counts.host(endpoint),
      connections: pool ? pool.open : active,
    };
  }

  async drain(timeoutMs: number): Promise<void> {
    await this.#queue;
    this.#leaves = true;
    this.#context.draining = true;
    const all = [...this.#bound.values(), ...this.#leaving];
    await Promise.all(all.map((bound) => bound.stopAccepting()));
    const { clock } = this.#context;
    const timers: Timer[] = [];
    const timeout = new Promise<void>((resolve) => {
      timers.push(clock.after(timeoutMs, resolve, true));
    });
    const closeIdle = () => {
      for (const bound of all) bound.closeIdle();
    };
    timers.push(clock.after(Math.min(IDLE_GRACE_MS, timeoutMs / 2), closeIdle, true));
    await Promise.race([timeout, Promise.all(all.map((bound) => bound.empty()))]);
    for (const timer of timers) timer.cancel();
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    this.#stopWatch?.();
    for (const timer of this.#timers) timer.cancel();
    const all = [...this.#bound.values(), ...this.#leaving];
    for (const bound of all) bound.destroy();
    await Promise.all(all.map((bound) => bound.empty()));
    this.#bound.clear();
    this.#leaving.clear();
    this.#clusters.close();
    this.#hbone.close();
    this.#context.deadlines.close();
  }
}

export const openProxy = (options: ProxyOptions): Proxy => new LiveProxy(options);
