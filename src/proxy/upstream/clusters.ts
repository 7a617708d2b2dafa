// Live clusters: endpoints, balancing and pools that survive config changes. Called by prepare.ts, attempts.ts and tcp.ts.
import { isDeepStrictEqual } from 'node:util';
import { RetryAllowance } from '../../filters/retry/budget.ts';
import { type Cluster, DEFAULT_RETRY_BUDGET, type Endpoint, type Snapshot } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Histogram } from '../histogram.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import { OriginPools } from '../proxy-protocol/pools.ts';
import { secretsFor } from '../tls/upstream-tls.ts';
import { type Balancer, prepareBalancer } from './balancer.ts';
import type { EndpointState } from './endpoint-state.ts';
import { HealthChecks } from './health-checks.ts';
import { NO_ANSWER, Outliers } from './outliers.ts';
import { observeTime } from './peak-ewma.ts';
import { type EndpointPool, Http1Pool, type PoolEndpoint } from './pool.ts';
import { Http2Pool } from './pool-http2.ts';
import { Resolution, type Resolve } from './resolver.ts';
import { VersionPools } from './version-pools.ts';

const isSamePeer = (a: Endpoint, b: Endpoint): boolean =>
  a.mesh === b.mesh && a.identity === b.identity && a.hbone?.port === b.hbone?.port;

export class ClusterState {
  cluster: Cluster;
  readonly balancer: Balancer<EndpointPool>;
  requests = 0;
  /** Requests and connections given to endpoints, repeated ones too. */
  attempts = 0;
  failures = 0;
  budget: RetryAllowance;
  /** Retries that the budget did not let be. */
  overBudget = 0;
  /** From a request's first byte to its endpoint to the end of the answer. */
  readonly times = new Histogram();
  readonly #context: ProxyContext;
  readonly #resolve: Resolve;
  #outliers: Outliers<EndpointPool> | undefined;
  #checks: HealthChecks | undefined;
  #resolution: Resolution | undefined;
  #published: readonly Endpoint[] = [];
  #trust: readonly unknown[] = [];
  /** What the last update was made of. */
  #given: readonly unknown[] = [];
  /** Of endpoints that are gone and still at work. */
  readonly #leaving = new Set<EndpointPool>();

  constructor(context: ProxyContext, cluster: Cluster, resolve: Resolve) {
    this.#context = context;
    this.#resolve = resolve;
    this.cluster = cluster;
    this.budget = new RetryAllowance(cluster.retryBudget ?? DEFAULT_RETRY_BUDGET);
    const { random, deadlines } = context;
    this.balancer = prepareBalancer<EndpointPool>(cluster, { random, now: () => deadlines.now() });
  }

  /** Set while the first addresses of a name are being looked up. */
  get resolving(): Promise<void> | undefined {
    return this.#resolution?.first;
  }

  /** For requests of one client's connection; all share the pool where no PROXY protocol header tells of it. */
  poolOf(state: PoolEndpoint, origin: Origin, version: 'http1' | 'http2'): EndpointPool {
    const kind = this.cluster.protocol === 'http2' ? Http2Pool : Http1Pool;
    if (!this.cluster.proxyProtocol && this.cluster.keepsVersion) {
      state.pool ??= new VersionPools(
        this.cluster,
        (own, cluster) => new (own === 'http2' ? Http2Pool : Http1Pool)(this.#context, state, cluster),
      );
      return (state.pool as VersionPools).of(version);
    }
    if (!this.cluster.proxyProtocol) {
      state.pool ??= new kind(this.#context, state, this.cluster);
      return state.pool;
    }
    if (!(state.pool instanceof OriginPools))
      state.pool = new OriginPools(this.cluster, (own, cluster) => new kind(this.#context, state, cluster, own));
    return (state.pool as OriginPools).of(origin);
  }

  get active(): number {
    return this.balancer.endpoints.reduce((sum, state) => sum + state.active, 0);
  }

  /** `trust`: the certificates that connections are made with. */
  update(cluster: Cluster, published: readonly Endpoint[], trust: readonly unknown[] = []): void {
    const given = [cluster, published, ...trust];
    if (given.length === this.#given.length && given.every((part, i) => part === this.#given[i])) return;
    this.#given = given;
    const reconnect =
      trust.some((part, i) => part !== this.#trust[i]) ||
      !isDeepStrictEqual(cluster.tls, this.cluster.tls) ||
      cluster.protocol !== this.cluster.protocol ||
      cluster.keepsVersion !== this.cluster.keepsVersion ||
      cluster.proxyProtocol !== this.cluster.proxyProtocol;
    this.#trust = trust;
    this.cluster = cluster;
    const budget = cluster.retryBudget ?? DEFAULT_RETRY_BUDGET;
    if (!isDeepStrictEqual(budget, this.budget.budget)) this.budget = new RetryAllowance(budget);
    const { discovery } = cluster;
    if (discovery.type === 'dns') this.#follow(discovery.host, discovery.port);
    else {
      this.#resolution?.close();
      this.#resolution = undefined;
      this.#setEndpoints(published);
    }
    for (const state of this.balancer.endpoints) {
      if (reconnect) this.#retire(state);
      else state.pool?.update(cluster);
    }
    this.balancer.configure(cluster);
    this.#watchAnswers(cluster);
    this.#watchHealth(cluster);
  }

  #watchAnswers({ name, outliers }: Cluster): void {
    if (!outliers) this.#outliers?.close();
    if (!outliers) this.#outliers = undefined;
    else if (this.#outliers) this.#outliers.configure(outliers);
    else {
      const onEjected = (state: EndpointState<EndpointPool>) => this.#checks?.hurry(state);
      this.#outliers = new Outliers(this.#context, name, this.balancer, outliers, onEjected);
    }
  }

  #watchHealth({ healthCheck }: Cluster): void {
    if (!healthCheck) this.#checks?.close();
    if (!healthCheck) this.#checks = undefined;
    else if (this.#checks) this.#checks.configure(healthCheck);
    else this.#checks = new HealthChecks(this.#context, this, healthCheck);
    this.#checks?.sync();
  }

  onAnswering(state: PoolEndpoint): void {
    this.#outliers?.uneject(state);
  }

  /** A request or connection is for this cluster. */
  began(): void {
    this.requests++;
    this.budget.request(this.#context.deadlines.recent);
    this.#checks?.used();
  }

  /** An attempt was answered with this status; without one it was not answered. */
  report(state: PoolEndpoint, status = NO_ANSWER): void {
    this.#outliers?.report(state, status);
  }

  /** How long an attempt took; `failed`: it had a bad answer, or none. */
  took(state: PoolEndpoint, ms: number, failed: boolean): void {
    if (this.cluster.loadBalancing === 'peak-ewma') observeTime(state, ms, failed, this.#context.deadlines.recent);
  }

  get ejections(): number {
    return this.#outliers?.ejections ?? 0;
  }

  #follow(host: string, port: number): void {
    if (this.#resolution?.host === host && this.#resolution.port === port) return;
    this.#resolution?.close();
    this.#resolution = new Resolution(host, port, this.#context, this.#resolve, (addresses) =>
      this.#setEndpoints(
        addresses.map((address) => ({ address, port, mesh: false, weight: 1, health: 'healthy' as const })),
      ),
    );
  }

  #setEndpoints(endpoints: readonly Endpoint[]): void {
    if (endpoints === this.#published) return;
    this.#published = endpoints;
    const before = new Map(this.balancer.endpoints.map((state) => [state, state.endpoint]));
    const { removed } = this.balancer.update(endpoints);
    for (const state of removed) {
      this.#outliers?.forget(state);
      this.#retire(state);
    }
    this.#checks?.sync();
    for (const state of this.balancer.endpoints) {
      const old = before.get(state);
      // A connection proved the old identity: it must not carry requests for another.
      if (old && !isSamePeer(old, state.endpoint)) this.#retire(state);
    }
  }

  /** Lets its connections finish what they do; new requests get new ones. */
  #retire(state: PoolEndpoint): void {
    const { pool } = state;
    if (!pool) return;
    state.pool = undefined;
    this.#leaving.add(pool);
    pool.drain();
    for (const old of this.#leaving) if (old.open === 0) this.#leaving.delete(old);
  }

  resetCounters(): void {
    this.requests = 0;
    this.attempts = 0;
    this.failures = 0;
    this.times.reset();
    for (const state of this.balancer.endpoints) state.resetCounters();
  }

  drain(): void {
    this.#stopWatching();
    for (const state of this.balancer.endpoints) this.#retire(state);
  }

  #stopWatching(): void {
    this.#resolution?.close();
    this.#outliers?.close();
    this.#checks?.close();
  }

  close(): void {
    this.#stopWatching();
    for (const state of this.balancer.endpoints) state.pool?.close();
    for (const pool of this.#leaving) pool.close();
  }
}

const NO_ENDPOINTS: readonly Endpoint[] = [];

/** All clusters by name. */
export class Clusters {
  readonly #context: ProxyContext;
  readonly #resolve: Resolve;
  readonly #live = new Map<string, ClusterState>();
  readonly #leaving = new Set<ClusterState>();

  constructor(context: ProxyContext, resolve: Resolve) {
    this.#context = context;
    this.#resolve = resolve;
  }

  get(name: string): ClusterState | undefined {
    return this.#live.get(name);
  }

  values(): Iterable<ClusterState> {
    return this.#live.values();
  }

  /** Adds and updates; what is no longer there goes with `retire`, once nothing new leads to it. */
  update(snapshot: Snapshot): void {
    for (const cluster of snapshot.clusters.values()) {
      const { discovery } = cluster;
      const endpoints =
        discovery.type === 'static'
          ? discovery.endpoints
          : discovery.type === 'eds'
            ? (snapshot.endpoints.get(cluster.name)?.endpoints ?? NO_ENDPOINTS)
            : NO_ENDPOINTS;
      let state = this.#live.get(cluster.name);
      if (!state) {
        state = new ClusterState(this.#context, cluster, this.#resolve);
        this.#live.set(cluster.name, state);
      }
      state.update(cluster, endpoints, secretsFor(cluster, snapshot.secrets));
    }
  }

  retire(snapshot: Snapshot): void {
    for (const [name, state] of this.#live) {
      if (snapshot.clusters.has(name)) continue;
      this.#live.delete(name);
      this.#leave(state);
    }
  }

  #leave(state: ClusterState): void {
    state.drain();
    for (const old of this.#leaving) if (old.active === 0) this.#leaving.delete(old);
    this.#leaving.add(state);
  }

  close(): void {
    for (const state of [...this.#live.values(), ...this.#leaving]) state.close();
  }
}
