// The one loop of the control plane: watches the store, holds off a moment, compiles, publishes, writes statuses back. Opened by app.
import { type Compiled, openCompiler } from '../compile/compiler.ts';
import { gateway } from '../kinds/gateway/schema.ts';
import { workloadEntry } from '../kinds/workload-entry/schema.ts';
import type { Cidr } from '../lib/cidr.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import { type Resource, withoutManagedFields } from '../model/resource.ts';
import type { SnapshotFeed } from '../model/snapshot.ts';
import { type Store, type StoreEvent, storeKey } from '../store/store.ts';
import { bootstrap, createDefaultAccount } from './bootstrap.ts';
import { denialPolicies } from './denials.ts';
import { GatewayAccounts } from './gateway-accounts.ts';
import { ProblemLog } from './problem-log.ts';
import { StatusWriter } from './statuses.ts';
import { isRegistered } from './workload-entry.ts';
import { WorkloadRegistry, type Workloads } from './workloads.ts';

export interface ControlOptions {
  readonly store: Store;
  readonly trustDomain: string;
  /** Policies of this namespace are for the whole mesh; `weft-system` unless told otherwise. */
  readonly rootNamespace?: string;
  /** For Gateways that ask for no address. */
  readonly gatewayAddresses?: Cidr;
  /** For Gateways that ask for one that only the cluster reaches. */
  readonly clusterAddresses?: Cidr;
  /** Requests whose global rate limit can't be asked for are refused. */
  readonly rateLimitFailClosed?: boolean | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Control {
  /** The newest Mesh that could be compiled. */
  mesh(): Mesh;
  /** Why resources, or parts of them, are not used at present. */
  problems(): readonly Problem[];
  readonly feed: SnapshotFeed;
  readonly workloads: Workloads;
  /** The gateway processes that are connected. */
  gateways(): readonly ProxyNode[];
  /** The policies that denied a request, for proxies that only say that it was denied. */
  denialPolicies(event: TrafficEvent): string[];
  close(): Promise<void>;
}

/** Several changes in the time that a run takes, and at most in this, are compiled as one: half of all time is left for others. */
export const HOLD_OFF_MS = 5;
export const MIN_HOLD_OFF_MS = 1;
/** A status that was just written is what compile wanted: nothing follows from it. */
const OWN_STATUS_MS = 500;
const STATUS_RETRY_MS = 5000;

/** Opens the loop on what the store holds; on the first start it fills in what a mesh starts with. */
export const openControl = async (options: ControlOptions): Promise<Control> => {
  const { store, clock, rootNamespace = 'weft-system' } = options;
  await bootstrap(store, clock, rootNamespace);
  const { entries, revision } = await store.list('/');
  return new ControlLoop(
    { ...options, rootNamespace },
    new Map(entries.map(({ key, value }) => [key, withoutManagedFields(value)])),
    revision,
  );
};

type ControlSettings = ControlOptions & Required<Pick<ControlOptions, 'rootNamespace'>>;

class ControlLoop implements Control {
  readonly #options: ControlSettings;
  readonly #resources: Map<string, Resource>;
  readonly #compiler;
  readonly #registry: WorkloadRegistry;
  readonly #statuses: StatusWriter;
  readonly #accounts: GatewayAccounts;
  readonly #problemLog: ProblemLog;
  readonly #listeners = new Set<() => void>();
  readonly #stopWatching: () => void;
  #revision: number;
  #compiled: Compiled;
  #failure: Problem | undefined;
  #timer: Timer | undefined;
  #dueMs = 0;
  /** Of the last run, with what followed from it at once. */
  #tookMs = HOLD_OFF_MS;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: ControlSettings, resources: Map<string, Resource>, revision: number) {
    const { store, trustDomain, rootNamespace, rateLimitFailClosed, gatewayAddresses, clusterAddresses, clock, log } =
      options;
    this.#options = options;
    this.#resources = resources;
    this.#revision = revision;
    this.#compiler = openCompiler({
      trustDomain,
      rootNamespace,
      rateLimitFailClosed,
      ...(gatewayAddresses && { gatewayAddresses }),
      ...(clusterAddresses && { clusterAddresses }),
    });
    this.#problemLog = new ProblemLog(log);
    this.#statuses = new StatusWriter({ store, clock, log, onFailure: () => this.#retryStatuses() });
    const seen = (key: string) => this.#resources.get(key);
    this.#accounts = new GatewayAccounts({ store, clock, log, seen });
    this.#registry = new WorkloadRegistry({
      store,
      clock,
      log: log.child('workloads'),
      seen,
      registered: () => this.#registered(),
      onGateways: () => this.#schedule(),
    });
    this.#compiled = EMPTY(trustDomain);
    for (const resource of resources.values()) if (resource?.kind === 'Namespace') this.#addAccount(resource);
    this.#compile();
    this.#stopWatching = store.watch('/', revision, (events) => this.#take(events));
  }

  readonly feed: SnapshotFeed = {
    current: (node) => this.#compiler.snapshotFor(this.#compiled.mesh, node),
    watch: (listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };

  get workloads(): Workloads {
    return this.#registry;
  }

  mesh(): Mesh {
    return this.#compiled.mesh;
  }

  problems(): readonly Problem[] {
    return this.#failure ? [this.#failure, ...this.#compiled.problems] : this.#compiled.problems;
  }

  denialPolicies(event: TrafficEvent): string[] {
    return denialPolicies(this.#compiled.mesh, event);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWatching();
    this.#timer?.cancel();
    this.#retry?.cancel();
    this.#listeners.clear();
    await this.#registry.close();
    await this.#statuses.close();
    await this.#accounts.close();
  }

  #take(events: readonly StoreEvent[]): void {
    let isOwn = true;
    for (const event of events) {
      const { type, key, value, previous, revision } = event;
      this.#revision = revision;
      isOwn &&= this.#statuses.isOwn(event);
      if (type === 'delete') this.#resources.delete(key);
      else this.#resources.set(key, withoutManagedFields(value));
      if (type === 'put' && !previous && value?.kind === 'Namespace') this.#addAccount(value);
    }
    this.#schedule(isOwn ? OWN_STATUS_MS : undefined);
  }

  #addAccount({ metadata }: Resource): void {
    if (metadata?.deletionTimestamp || typeof metadata?.name !== 'string') return;
    const { store, clock, log } = this.#options;
    createDefaultAccount(store, clock, metadata.name).catch((error) => {
      log.warn('the default service account could not be created', {
        namespace: metadata.name,
        error: messageOf(error),
      });
    });
  }

  #registered(): string[] {
    const prefix = `/${workloadEntry.group}/${workloadEntry.plural}/`;
    return [...this.#resources]
      .filter(([key, value]) => key.startsWith(prefix) && isRegistered(value))
      .map(([key]) => key);
  }

  /** The first change starts the wait, further ones do not lengthen it. */
  #schedule(delayMs = Math.max(MIN_HOLD_OFF_MS, Math.min(HOLD_OFF_MS, this.#tookMs))): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonic() + delayMs;
    if (this.#closed || (this.#timer && this.#dueMs <= dueMs)) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      const startMs = clock.monotonic();
      if (this.#compile()) for (const listener of this.#listeners) this.#notify(listener);
      this.#tookMs = clock.monotonic() - startMs;
    });
  }

  #notify(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.log.error('a listener failed', { error: messageOf(error) });
    }
  }

  /** False when it failed: what was compiled last stays. */
  #compile(): boolean {
    const { clock, log } = this.#options;
    try {
      this.#compiled = this.#compiler.compile(this.#resources.values(), {
        revision: this.#revision,
        nowMs: clock.now(),
        gatewayAddresses: this.#gatewayAddresses(),
        settling: !this.#registry.settled,
      });
      this.#failure = undefined;
    } catch (error) {
      const message = `the resources could not be compiled, the last good state stays: ${messageOf(error)}`;
      this.#failure = {
        code: 'COMPILE_FAILED',
        severity: 'error',
        message,
        hint: 'this is a fault of Weft: please report it',
      };
      log.error(message, { stack: error instanceof Error ? error.stack : undefined });
      return false;
    }
    this.#problemLog.update(this.#compiled.problems);
    this.#statuses.write(this.#compiled.statuses.values());
    this.#accounts.update(this.#servedGateways());
    return true;
  }

  gateways(): readonly ProxyNode[] {
    return this.#registry.gateways.map(({ node }) => node);
  }

  #gatewayAddresses() {
    return this.#registry.gateways.map(({ node: { gateway, bindAddress = '127.0.0.1' }, refusals }) => ({
      address: bindAddress,
      refusals,
      ...(gateway === undefined ? {} : { gateway }),
    }));
  }

  #servedGateways(): Resource[] {
    const { group, plural } = gateway;
    return [...this.#compiled.mesh.gateways.values()].flatMap(
      ({ namespace, name }) => this.#resources.get(storeKey(group, plural, namespace, name)) ?? [],
    );
  }

  #retryStatuses(): void {
    if (this.#closed) return;
    this.#retry ??= this.#options.clock.after(STATUS_RETRY_MS, () => {
      this.#retry = undefined;
      this.#statuses.write(this.#compiled.statuses.values());
    });
  }
}

const EMPTY = (trustDomain: string): Compiled => ({
  mesh: {
    revision: 0,
    trustDomain,
    services: new Map(),
    workloads: new Map(),
    gateways: new Map(),
    backendTls: new Map(),
    backendTraffic: new Map(),
    policies: [],
    peerModes: [],
  },
  statuses: new Map(),
  problems: [],
});
