// Picks endpoints of a cluster, in constant time: by priority, by health, then by the cluster's policy. Called by the proxy
// for every request.
import { isDeepStrictEqual } from 'node:util';
import { formatHostPort } from '../../lib/host-port.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import { EndpointState } from './endpoint-state.ts';
import { type BalancerSettings, type ChoiceContext, Tier } from './tier.ts';
import { zoneShares } from './zone-shares.ts';

export interface EndpointChange<Pool> {
  readonly added: readonly EndpointState<Pool>[];
  /** Gone from the cluster: no longer picked, to be drained by the owner. */
  readonly removed: readonly EndpointState<Pool>[];
}

/** Of requests that have none. */
export const NO_HASH = -1;

export interface Balancer<Pool = unknown> {
  /** Every endpoint, picked or not. */
  readonly endpoints: readonly EndpointState<Pool>[];
  /** Picks depend on the hash. */
  readonly hashes: boolean;
  /**
   * An endpoint that is not in `exclude`: available ones first, then draining, then unhealthy ones. Undefined when
   * there is none; then a caller that retries may pick again without `exclude`.
   */
  pick(exclude?: ReadonlySet<EndpointState<Pool>>, hash?: number): EndpointState<Pool> | undefined;
  /** By address and port, where it is available. */
  find(place: string): EndpointState<Pool> | undefined;
  /** Takes the present set of endpoints. An address and port named twice counts once: the first. */
  update(endpoints: readonly Endpoint[]): EndpointChange<Pool>;
  /** Other settings for the same endpoints. */
  configure(settings: BalancerSettings): void;
  /** The availability of an endpoint has changed. */
  changed(): void;
}

/** Endpoints of one priority, and how much of the traffic they get. */
interface Level<Pool> {
  readonly tier: Tier<Pool>;
  /** The shares of this level and of those before it together, of 100. */
  readonly upTo: number;
}

interface Plan<Pool> {
  readonly levels: readonly Level<Pool>[];
  /** Where all of the levels are excluded. */
  readonly others: readonly Tier<Pool>[];
}

/** A priority with this share of healthy endpoints, in percent, gets all of its traffic: Envoy's overprovisioning of 1.4. */
const HEALTHY_ENOUGH = 100 / 1.4;
const PANIC_THRESHOLD = 1;

interface Priority<Pool> {
  readonly all: readonly EndpointState<Pool>[];
  readonly available: readonly EndpointState<Pool>[];
  /** How much of all traffic it could take, up to 100. */
  readonly capacity: number;
}

const prioritiesOf = <Pool>(states: readonly EndpointState<Pool>[]): Priority<Pool>[] => {
  const byPriority = new Map<number, EndpointState<Pool>[]>();
  for (const state of states) {
    const priority = state.endpoint.priority ?? 0;
    const found = byPriority.get(priority);
    if (found) found.push(state);
    else byPriority.set(priority, [state]);
  }
  return [...byPriority.keys()]
    .sort((a, b) => a - b)
    .map((priority) => {
      const all = byPriority.get(priority)!;
      const available = all.filter((state) => state.available);
      const capacity = Math.min(100, (100 * ((100 * available.length) / all.length)) / HEALTHY_ENOUGH);
      return { all, available, capacity };
    });
};

class LiveBalancer<Pool> implements Balancer<Pool> {
  #settings: BalancerSettings;
  readonly #context: ChoiceContext;
  #states = new Map<string, EndpointState<Pool>>();
  #list: readonly EndpointState<Pool>[] = [];
  /** Made when it is next needed. */
  #plan: Plan<Pool> | undefined;

  constructor(settings: BalancerSettings, context: ChoiceContext) {
    this.#settings = settings;
    this.#context = context;
  }

  get endpoints(): readonly EndpointState<Pool>[] {
    return this.#list;
  }

  get hashes(): boolean {
    const { loadBalancing } = this.#settings;
    return loadBalancing === 'maglev' || loadBalancing === 'ring-hash';
  }

  pick(exclude?: ReadonlySet<EndpointState<Pool>>, hash = NO_HASH): EndpointState<Pool> | undefined {
    this.#plan ??= this.#makePlan();
    const { levels } = this.#plan;
    const level = levels.length === 1 ? levels[0] : this.#chooseLevel(levels, hash);
    return level?.tier.pick(exclude, hash) ?? (exclude && this.#pickElsewhere(this.#plan, exclude, hash));
  }

  find(place: string): EndpointState<Pool> | undefined {
    const state = this.#states.get(place);
    return state?.available ? state : undefined;
  }

  #chooseLevel(levels: readonly Level<Pool>[], hash: number): Level<Pool> | undefined {
    const at = hash < 0 ? this.#context.random.next() * 100 : hash % 100;
    return levels.find(({ upTo }) => at < upTo) ?? levels.at(-1);
  }

  #pickElsewhere(
    { levels, others }: Plan<Pool>,
    exclude: ReadonlySet<EndpointState<Pool>>,
    hash: number,
  ): EndpointState<Pool> | undefined {
    for (const tier of [...levels.map((level) => level.tier), ...others]) {
      const picked = tier.pick(exclude, hash);
      if (picked) return picked;
    }
    return undefined;
  }

  #makePlan(): Plan<Pool> {
    const { zoneWeights, panicThreshold } = this.#settings;
    const tierOf = (states: readonly EndpointState<Pool>[], all = states) =>
      new Tier(states, this.#settings, this.#context, zoneWeights && zoneShares(states, all, zoneWeights));
    const priorities = prioritiesOf(this.#list);
    const others = [
      this.#list.filter(({ endpoint }) => endpoint.health === 'draining'),
      this.#list.filter((state) => state.endpoint.health !== 'draining' && !state.available),
    ]
      .filter((states) => states.length > 0)
      .map((states) => tierOf(states));
    if (priorities.every(({ available }) => available.length === 0)) {
      if (panicThreshold === 0) return { levels: [], others: [] };
      return { levels: others.slice(0, 1).map((tier) => ({ tier, upTo: 100 })), others: others.slice(1) };
    }
    return { levels: this.#levelsOf(priorities, tierOf), others };
  }

  /** As Envoy shares traffic among priorities, and tells when it panics. */
  #levelsOf(
    priorities: readonly Priority<Pool>[],
    tierOf: (states: readonly EndpointState<Pool>[], all: readonly EndpointState<Pool>[]) => Tier<Pool>,
  ): Level<Pool>[] {
    const whole = Math.min(
      100,
      priorities.reduce((sum, { capacity }) => sum + capacity, 0),
    );
    const threshold = this.#settings.panicThreshold ?? PANIC_THRESHOLD;
    const panics = priorities.map(
      ({ all, available }) => whole < 100 && (100 * available.length) / all.length < threshold,
    );
    const isLost = panics.every(Boolean);
    const count = this.#list.length;
    const levels: Level<Pool>[] = [];
    let upTo = 0;
    priorities.forEach(({ all, available, capacity }, i) => {
      const share = isLost ? (100 * all.length) / count : (100 * capacity) / whole;
      const used = panics[i] ? all : available;
      if (share === 0 || used.length === 0 || upTo >= 100) return;
      upTo = Math.min(100, upTo + share);
      levels.push({ tier: tierOf(used, all), upTo });
    });
    return levels;
  }

  update(endpoints: readonly Endpoint[]): EndpointChange<Pool> {
    const before = this.#states;
    const states = new Map<string, EndpointState<Pool>>();
    const added: EndpointState<Pool>[] = [];
    for (const endpoint of endpoints) {
      const key = formatHostPort(endpoint.address, endpoint.port);
      if (states.has(key)) continue;
      const known = before.get(key);
      const state = known ?? new EndpointState<Pool>(endpoint);
      state.endpoint = endpoint;
      if (!known) added.push(state);
      states.set(key, state);
    }
    const removed = [...before].filter(([key]) => !states.has(key)).map(([, state]) => state);
    for (const state of removed) state.gone = true;
    if (before.size > 0 && this.#settings.slowStartMs !== undefined) {
      for (const state of added) state.newSince = this.#context.now();
    }
    this.#states = states;
    this.#list = [...states.values()];
    this.#plan = undefined;
    return { added, removed };
  }

  configure(settings: BalancerSettings): void {
    const { loadBalancing, tableSize, slowStartMs, panicThreshold, zoneWeights } = this.#settings;
    const isSame =
      settings.loadBalancing === loadBalancing &&
      settings.tableSize === tableSize &&
      settings.slowStartMs === slowStartMs &&
      settings.panicThreshold === panicThreshold &&
      isDeepStrictEqual(settings.zoneWeights, zoneWeights);
    this.#settings = settings;
    if (!isSame) this.#plan = undefined;
  }

  changed(): void {
    this.#plan = undefined;
  }
}

/** A balancer without endpoints; `update` gives it some, and keeps the states of those that stay. */
export const prepareBalancer = <Pool = unknown>(settings: BalancerSettings, context: ChoiceContext): Balancer<Pool> =>
  new LiveBalancer<Pool>(settings, context);
