// Asks endpoints how they are, each in its own rhythm, and tells the balancer which of them to use. Owned by clusters.ts.
import type { Timer } from '../../lib/clock.ts';
import { formatHostPort } from '../../lib/host-port.ts';
import { type HealthCheck, RECOVERY_MS, unusedIntervalMs } from '../../model/balancing.ts';
import type { Cluster } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import type { Balancer } from './balancer.ts';
import { openProber, type ProbeResult, type Prober } from './health-probes.ts';
import type { EndpointPool, PoolEndpoint } from './pool.ts';

/** Asked at one time, of one cluster. */
const MAX_UNDER_WAY = 64;
const FULL_WAIT_MS = 50;

interface Watched {
  readonly state: PoolEndpoint;
  readonly prober: Prober;
  passes: number;
  fails: number;
  timer: Timer | undefined;
  /** Set while it is being asked. */
  cancel: (() => void) | undefined;
}

export interface HealthChecksOwner {
  readonly cluster: Cluster;
  readonly balancer: Balancer<EndpointPool>;
  /** Requests so far. */
  readonly requests: number;
  /** It answers: whatever was held against it is over. */
  onAnswering(state: PoolEndpoint): void;
}

export class HealthChecks {
  readonly #context: ProxyContext;
  readonly #owner: HealthChecksOwner;
  #settings: HealthCheck;
  readonly #watched = new Map<PoolEndpoint, Watched>();
  #underWay = 0;
  #wasUsed = false;

  constructor(context: ProxyContext, owner: HealthChecksOwner, settings: HealthCheck) {
    this.#context = context;
    this.#owner = owner;
    this.#settings = settings;
  }

  configure(settings: HealthCheck): void {
    this.#settings = settings;
  }

  /** The endpoints, or how they are reached, may have changed. */
  sync(): void {
    const { endpoints } = this.#owner.balancer;
    const present = new Set(endpoints);
    for (const [state, watched] of this.#watched) if (!present.has(state)) this.#drop(watched);
    for (const state of endpoints) {
      const known = this.#watched.get(state);
      if (known) known.prober.update(this.#owner.cluster);
      else this.#watch(state);
    }
  }

  #watch(state: PoolEndpoint): void {
    const prober = openProber(this.#context, state, this.#owner.cluster);
    const watched: Watched = { state, prober, passes: 0, fails: 0, timer: undefined, cancel: undefined };
    state.check = 'pending';
    this.#watched.set(state, watched);
    this.#plan(watched, this.#context.random.next() * (this.#settings.jitterMs ?? 0));
    this.#owner.balancer.changed();
  }

  /** It was left out: it is asked now, not when its turn comes. */
  hurry(state: PoolEndpoint): void {
    const watched = this.#watched.get(state);
    if (!watched || watched.cancel) return;
    this.#plan(watched, Math.min(RECOVERY_MS, this.#settings.intervalMs));
  }

  /** The cluster gets requests: from now on its endpoints are asked as often as they should be. */
  used(): void {
    if (this.#wasUsed) return;
    this.#wasUsed = true;
    for (const watched of this.#watched.values()) if (watched.timer) this.#plan(watched, this.#intervalOf(watched));
  }

  #plan(watched: Watched, ms: number): void {
    watched.timer?.cancel();
    watched.timer = this.#context.clock.after(ms, () => this.#ask(watched));
  }

  #ask(watched: Watched): void {
    watched.timer = undefined;
    if (this.#underWay >= MAX_UNDER_WAY) {
      this.#plan(watched, FULL_WAIT_MS);
      return;
    }
    this.#underWay++;
    let over = false;
    const end = () => {
      if (over) return false;
      over = true;
      this.#underWay--;
      watched.cancel = undefined;
      timeout.cancel();
      return true;
    };
    const timeout = this.#context.clock.after(this.#settings.timeoutMs, () => {
      if (!end()) return;
      stop();
      this.#told(watched, 'failed');
    });
    const stop = watched.prober.ask(this.#settings.probe, (result) => {
      if (end()) this.#told(watched, result);
    });
    if (!over)
      watched.cancel = () => {
        if (end()) stop();
      };
  }

  #told(watched: Watched, result: ProbeResult): void {
    const { state } = watched;
    const { check: before, ejected } = state;
    if (result === 'passed') {
      watched.fails = 0;
      watched.passes++;
      if (before === 'pending' || watched.passes >= this.#settings.healthyThreshold) this.#pass(state);
    } else {
      watched.passes = 0;
      watched.fails++;
      const enough = watched.fails >= this.#settings.unhealthyThreshold;
      // A server that says that it is not well is believed at once, as Envoy does.
      if (before === 'pending' || result === 'refused' || enough) state.check = 'failed';
    }
    if (state.check !== before || state.ejected !== ejected) this.#changed(state, before);
    this.#plan(watched, this.#intervalOf(watched));
  }

  #pass(state: PoolEndpoint): void {
    if (state.check === 'failed') state.newSince = this.#context.deadlines.now();
    state.check = 'passed';
    this.#owner.onAnswering(state);
  }

  #changed({ endpoint, check }: PoolEndpoint, before: PoolEndpoint['check']): void {
    this.#owner.balancer.changed();
    if (check === before || (before === 'pending' && check === 'passed')) return;
    const place = formatHostPort(endpoint.address, endpoint.port);
    const fields = { cluster: this.#owner.cluster.name, endpoint: place };
    if (check === 'passed') this.#context.log.info('an endpoint passes its checks', fields);
    else this.#context.log.warn('an endpoint fails its checks', fields);
  }

  /** Half of a tenth is left to chance, so that the checks of many endpoints, and proxies, don't stay together. */
  #intervalOf({ state }: Watched): number {
    const { intervalMs } = this.#settings;
    const isUsed = this.#wasUsed || this.#owner.requests > 0;
    if (!isUsed) return unusedIntervalMs(this.#settings);
    const ms = state.available ? intervalMs : Math.min(RECOVERY_MS, intervalMs);
    return ms * (0.95 + this.#context.random.next() / 20);
  }

  #drop(watched: Watched): void {
    watched.timer?.cancel();
    watched.cancel?.();
    watched.prober.close();
    watched.state.check = undefined;
    this.#watched.delete(watched.state);
  }

  close(): void {
    for (const watched of [...this.#watched.values()]) this.#drop(watched);
    this.#owner.balancer.changed();
  }
}
