// The proxy on several cores: workers that share the ports, each a whole proxy in a thread of its own, behind one interface.
// This thread has the orders and the answers; it moves no bytes. Opened by app/ for `--concurrency`.
import type { Clock } from '../../lib/clock.ts';
import type { Level, Log } from '../../lib/log.ts';
import type { SvidSource } from '../../model/identity.ts';
import type { ProxyNode } from '../../model/node.ts';
import type { Problem } from '../../model/problem.ts';
import type { AskRateLimit, RateLimitQuestion } from '../../model/rate-limit.ts';
import type { Cluster, Listener, Snapshot } from '../../model/snapshot.ts';
import type { Direction, ProxyInspection } from '../admin/inspection.ts';
import { PartVersions } from '../admin/versions.ts';
import { DEFAULT_LIMITS, type ProxyLimits } from '../context.ts';
import { type BoundAddress, bindProblem } from '../listen/bound.ts';
import type { RunningProxy } from '../proxy.ts';
import { withoutKey } from '../tls/shown-svid.ts';
import { mergeInspections } from './merge.ts';
import type { Applied, EventBatch, LogLine, LogLines, WorkerInspection, WorkerStart } from './messages.ts';
import { SharedPorts } from './shared-ports.ts';
import { type OpenThread, Slot } from './slot.ts';

export interface ProxyGroupOptions {
  readonly count: number;
  readonly node: ProxyNode;
  readonly svid?: SvidSource;
  /** Gets events as JSON, one text each. Absent: nobody wants to know of the traffic. */
  readonly onLogLine?: ((path: string, line: string) => void) | undefined;
  readonly askRateLimit?: AskRateLimit | undefined;
  readonly onEvents?: (events: readonly string[]) => void;
  /** Inbound requests could not be passed on to the workload's program. */
  readonly onUnreachable?: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly logLevel: Level;
  readonly limits?: Partial<ProxyLimits>;
  /** Absent: a thread of worker_threads. */
  readonly openThread?: OpenThread;
}

export interface ProxyGroup extends RunningProxy {
  /** Of what workers log. */
  setLogLevel(level: Level): void;
}

/** What all workers together may have, each has its share of. */
const shareOf = (total: number, count: number): number => Math.ceil(total / count);

const problemKey = ({ code, path, message }: Problem): string => `${code} ${path} ${message}`;

class WorkerGroup implements ProxyGroup {
  readonly ready: Promise<void>;
  readonly #options: ProxyGroupOptions;
  readonly #ports = new SharedPorts();
  readonly #slots: readonly Slot[];
  readonly #bound = new Map<Slot, readonly BoundAddress[]>();
  readonly #shares = new WeakMap<Cluster, Cluster>();
  readonly #openedAt: number;
  readonly #stopWatch: (() => void) | undefined;
  readonly #versions: PartVersions;
  #snapshot: Snapshot | undefined;
  #isHealthy = true;
  #leaves = false;
  #logLevel: Level;
  #queue: Promise<unknown> = Promise.resolve();
  #setReady!: () => void;

  constructor(options: ProxyGroupOptions) {
    const { count, svid, clock, log } = options;
    this.#options = options;
    this.#logLevel = options.logLevel;
    this.#openedAt = clock.monotonic();
    this.#versions = new PartVersions(clock.now());
    this.ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    const handlers = {
      claimPort: (listener: Listener) => this.#ports.claim(listener),
      logLines: ({ lines, dropped }: LogLines) => {
        for (const [path, line] of lines) options.onLogLine?.(path, line);
        if (dropped > 0) options.log.warn('lines of access logs were left out', { lines: dropped });
      },
      askRateLimit: ({ questions, timeoutMs }: { questions: readonly RateLimitQuestion[]; timeoutMs: number }) => {
        if (!options.askRateLimit) throw new Error('there is no rate limit server');
        return options.askRateLimit(questions, timeoutMs);
      },
      events: (batch: EventBatch) => this.#takeEvents(batch),
      log: (line: LogLine) => this.#writeLog(line),
    };
    this.#slots = Array.from(
      { length: count },
      (_, index) =>
        new Slot({
          index,
          clock,
          log,
          handlers,
          openThread: options.openThread,
          start: () => this.#start(),
          onRestart: (slot) => void this.#bringUp(slot),
          onEnd: (slot) => {
            this.#bound.delete(slot);
            this.#ports.forget(slot);
          },
        }),
    );
    this.#stopWatch = svid?.watch((next) => this.#tellAll('renewSvid', next));
  }

  #start(): WorkerStart {
    const { node, svid, limits, count, onEvents, onUnreachable } = this.#options;
    const { maxConnections = DEFAULT_LIMITS.maxConnections, ...others } = limits ?? {};
    return {
      node,
      svid: svid?.current(),
      limits: { ...others, maxConnections: shareOf(maxConnections, count) },
      logLevel: this.#logLevel,
      tellsEvents: onEvents !== undefined || onUnreachable !== undefined,
    };
  }

  #tellAll(name: string, argument?: unknown): void {
    for (const { calls } of this.#slots) calls?.tell(name, argument);
  }

  /** Asks every worker; one that ends over it gives no answer. */
  async #askAll<T>(name: string, argument?: unknown): Promise<T[]> {
    const asked = this.#slots.flatMap(({ calls }) => (calls ? [calls.call<T>(name, argument)] : []));
    const answers = await Promise.allSettled(asked);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  #takeEvents({ lines, unreachable, dropped }: EventBatch): void {
    const { onEvents, onUnreachable, log } = this.#options;
    if (dropped > 0) log.warn('events were left out, as they come faster than they are taken', { events: dropped });
    onEvents?.(lines.split('\n'));
    if (unreachable) onUnreachable?.();
  }

  #writeLog({ components, level, message, fields }: LogLine): void {
    const log = components.reduce((parent, name) => parent.child(name), this.#options.log);
    log[level](message, fields);
  }

  apply(snapshot: Snapshot): Promise<Problem[]> {
    return this.#inTurn(() => this.#apply(snapshot));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #apply(snapshot: Snapshot): Promise<Problem[]> {
    if (this.#leaves) return [];
    this.#ports.beginRound();
    this.#snapshot = snapshot;
    this.#versions.note(snapshot, this.#options.clock.now());
    const problems = await this.#applyToAll(snapshot);
    const stolen = this.#ports.stolen(snapshot.listeners);
    if (stolen.length > 0) {
      const listeners = new Map([...snapshot.listeners].filter(([, listener]) => !stolen.includes(listener)));
      this.#snapshot = { ...snapshot, listeners };
      await this.#applyToAll(this.#snapshot);
      const taken = Object.assign(new Error('another program shares it'), { code: 'EADDRINUSE' });
      for (const listener of stolen) problems.push(bindProblem(listener, taken));
    }
    return problems;
  }

  async #applyToAll(snapshot: Snapshot): Promise<Problem[]> {
    const all = await Promise.all(this.#slots.map((slot) => this.#applyTo(slot, snapshot)));
    const problems = new Map(all.flatMap((one) => one?.problems ?? []).map((one) => [problemKey(one), one]));
    // Of those that are missing, each takes it as soon as it is there again.
    if (all.every((one) => one !== undefined)) this.#setReady();
    return [...problems.values()];
  }

  async #applyTo(slot: Slot, snapshot: Snapshot): Promise<Applied | undefined> {
    const applied = await slot.apply(this.#shareFor(slot, snapshot));
    if (!applied) return undefined;
    this.#bound.set(slot, applied.bound);
    this.#ports.setBound(slot, applied.bound, snapshot.listeners);
    return applied;
  }

  /** A worker's part: of limits its share, so that all together keep to them; what has no connections the first has. */
  #shareFor({ index }: Slot, snapshot: Snapshot): Snapshot {
    const clusters = new Map([...snapshot.clusters].map(([name, cluster]) => [name, this.#shareOfCluster(cluster)]));
    const isOwn = ({ transport }: Listener): boolean => index === 0 || transport !== 'udp';
    const listeners = new Map([...snapshot.listeners].filter(([, listener]) => isOwn(listener)));
    return { ...snapshot, clusters, listeners };
  }

  #shareOfCluster(cluster: Cluster): Cluster {
    let share = this.#shares.get(cluster);
    if (!share) {
      const { count } = this.#options;
      const { maxConnections, maxPendingRequests } = cluster;
      share = {
        ...cluster,
        maxConnections: shareOf(maxConnections, count),
        maxPendingRequests: shareOf(maxPendingRequests, count),
      };
      this.#shares.set(cluster, share);
    }
    return share;
  }

  /** For a thread in the place of one that ended. */
  #bringUp(slot: Slot): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isHealthy) slot.calls?.tell('setHealthy', false);
      if (!this.#snapshot || this.#leaves) return;
      const applied = await this.#applyTo(slot, this.#snapshot);
      if (applied) this.#options.log.info('the worker serves again', { worker: slot.index });
      if (this.#bound.size === this.#slots.length) this.#setReady();
    });
  }

  listeners(): BoundAddress[] {
    const byPlace = new Map<string, BoundAddress>();
    for (const one of [...this.#bound.values()].flat()) byPlace.set(`${one.name} ${one.address} ${one.port}`, one);
    return [...byPlace.values()];
  }

  async inspect(): Promise<ProxyInspection> {
    const { node, svid, clock } = this.#options;
    const own = { node, snapshot: this.#snapshot, versions: this.#versions, svid: withoutKey(svid) };
    const all = await this.#askAll<WorkerInspection>('inspect');
    const merged = all.length > 0 ? mergeInspections(all) : NOTHING;
    const state = this.#leaves || !this.#isHealthy ? 'DRAINING' : merged.state;
    const clusters = merged.clusters.map((one) => ({
      ...one,
      cluster: this.#snapshot?.clusters.get(one.cluster.name) ?? one.cluster,
    }));
    return { ...merged, clusters, ...own, state, uptimeMs: clock.monotonic() - this.#openedAt };
  }

  setHealthy(isHealthy: boolean): void {
    this.#isHealthy = isHealthy;
    this.#tellAll('setHealthy', isHealthy);
  }

  setLogLevel(level: Level): void {
    this.#logLevel = level;
    this.#tellAll('setLogLevel', level);
  }

  async stopListening(direction?: Direction): Promise<void> {
    await this.#askAll('stopListening', direction);
  }

  resetCounters(): void {
    this.#tellAll('resetCounters');
  }

  async drain(timeoutMs: number): Promise<void> {
    await this.#queue;
    this.#leaves = true;
    await this.#askAll('drain', timeoutMs);
    await this.#end();
  }

  async close(): Promise<void> {
    this.#leaves = true;
    await this.#askAll('close');
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#stopWatch?.();
    await Promise.all(this.#slots.map((slot) => slot.end()));
  }
}

/** While no worker is there. */
const NOTHING: WorkerInspection = {
  state: 'PRE_INITIALIZING',
  uptimeMs: 0,
  concurrency: 0,
  connections: 0,
  listeners: [],
  clusters: [],
  directions: [],
};

export const openProxyGroup = (options: ProxyGroupOptions): ProxyGroup => new WorkerGroup(options);
