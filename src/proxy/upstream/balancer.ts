// Picks endpoints of a cluster and targets of a route, in constant time. Called by the proxy for every request.
import type { Random } from '../../lib/random.ts';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';

/** A live endpoint. The same object for as long as its address and port stay in the cluster. */
export class EndpointState<Pool = unknown> {
  /** As last published; weight, health and identity may change. */
  endpoint: Endpoint;
  /** Requests or connections now in work; whoever picks counts it up and down. */
  active = 0;
  /** All that were ever given to it. */
  total = 0;
  /** Requests that ended with an answer below 500, those that did not, and those of these that took too long. */
  successes = 0;
  errors = 0;
  timeouts = 0;
  /** No longer in the cluster. */
  gone = false;
  /** Free for the owner of connections. */
  pool: Pool | undefined = undefined;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  resetCounters(): void {
    this.total = this.successes = this.errors = this.timeouts = 0;
  }
}

export interface EndpointChange<Pool> {
  readonly added: readonly EndpointState<Pool>[];
  /** Gone from the cluster: no longer picked, to be drained by the owner. */
  readonly removed: readonly EndpointState<Pool>[];
}

export interface Balancer<Pool = unknown> {
  /** Every endpoint, picked or not. */
  readonly endpoints: readonly EndpointState<Pool>[];
  /**
   * An endpoint that is not in `exclude`: healthy ones first, then draining, then unhealthy ones. Undefined when
   * there is none; then a caller that retries may pick again without `exclude`.
   */
  pick(exclude?: ReadonlySet<EndpointState<Pool>>): EndpointState<Pool> | undefined;
  /** Takes the present set of endpoints. An address and port named twice counts once: the first. */
  update(endpoints: readonly Endpoint[]): EndpointChange<Pool>;
}

type Choice = () => number;

/** An index in proportion to its weight, in constant time (Vose's alias method). Weights must be over 0. */
const prepareWeightedIndex = (weights: readonly number[], random: Random): Choice => {
  const n = weights.length;
  if (weights.every((weight) => weight === weights[0])) return () => Math.floor(random.next() * n);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const share = weights.map((weight) => (weight * n) / total);
  const alias = Array.from({ length: n }, (_, i) => i);
  const small: number[] = [];
  const large: number[] = [];
  share.forEach((s, i) => {
    (s < 1 ? small : large).push(i);
  });
  while (small.length && large.length) {
    const less = small.pop()!;
    const more = large.at(-1)!;
    alias[less] = more;
    share[more] = share[more]! + share[less]! - 1;
    if (share[more]! < 1) small.push(large.pop()!);
  }
  // What is left differs from a full share only by rounding.
  for (const i of [...small, ...large]) share[i] = 1;
  return () => {
    const at = random.next() * n;
    const i = Math.floor(at);
    return at - i < share[i]! ? i : alias[i]!;
  };
};

// Longest round of a weighted round-robin; weights that need more are rounded.
const MAX_ROUND = 10_000;

/** The order of one weighted round: each index as often as its weight says, evenly spread. */
const weightedRound = (weights: readonly number[]): readonly number[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scale = Math.min(1, MAX_ROUND / total);
  const slots: { time: number; index: number }[] = [];
  weights.forEach((weight, index) => {
    const count = Math.max(1, Math.round(weight * scale));
    for (let k = 0; k < count; k++) slots.push({ time: (k + 0.5) / count, index });
  });
  return slots.sort((a, b) => a.time - b.time || a.index - b.index).map((slot) => slot.index);
};

const prepareRound = (weights: readonly number[], random: Random): Choice => {
  const n = weights.length;
  const equal = weights.every((weight) => weight === weights[0]);
  const round = equal ? undefined : weightedRound(weights);
  const length = round?.length ?? n;
  // Proxies that start together must not all begin with the same endpoint.
  let at = Math.floor(random.next() * length);
  return () => {
    at = at + 1 < length ? at + 1 : 0;
    return round ? round[at]! : at;
  };
};

/** The endpoints of one degree of health. */
class Tier<Pool> {
  readonly states: readonly EndpointState<Pool>[];
  readonly #kind: Cluster['loadBalancing'];
  readonly #choose: Choice;

  constructor(states: readonly EndpointState<Pool>[], kind: Cluster['loadBalancing'], random: Random) {
    const weights = states.map((state) => Math.max(1, state.endpoint.weight));
    this.states = states;
    this.#kind = kind;
    this.#choose = kind === 'round-robin' ? prepareRound(weights, random) : prepareWeightedIndex(weights, random);
  }

  pick(exclude: ReadonlySet<EndpointState<Pool>> | undefined): EndpointState<Pool> | undefined {
    const { states } = this;
    let index = this.#pickIndex();
    if (!exclude?.has(states[index]!)) return states[index];
    for (let tries = 0; tries < 3; tries++) {
      index = this.#pickIndex();
      if (!exclude.has(states[index]!)) return states[index];
    }
    // Most are excluded: go through them, from where chance stopped.
    for (let i = 1; i < states.length; i++) {
      const next = states[(index + i) % states.length]!;
      if (!exclude.has(next)) return next;
    }
    return undefined;
  }

  #pickIndex(): number {
    const { states } = this;
    if (states.length === 1) return 0;
    const first = this.#choose();
    if (this.#kind !== 'least-request') return first;
    const chosen = this.#choose();
    // Always two different ones; the first wins a tie, so that idle endpoints get shares by weight.
    const second = chosen === first ? (first + 1) % states.length : chosen;
    const a = states[first]!;
    const b = states[second]!;
    const weightOf = (state: EndpointState<Pool>) => Math.max(1, state.endpoint.weight);
    return a.active * weightOf(b) <= b.active * weightOf(a) ? first : second;
  }
}

const TIERS: readonly Endpoint['health'][] = ['healthy', 'draining', 'unhealthy'];

class LiveBalancer<Pool> implements Balancer<Pool> {
  readonly #kind: Cluster['loadBalancing'];
  readonly #random: Random;
  #states = new Map<string, EndpointState<Pool>>();
  #list: readonly EndpointState<Pool>[] = [];
  #tiers: readonly Tier<Pool>[] = [];

  constructor(kind: Cluster['loadBalancing'], random: Random) {
    this.#kind = kind;
    this.#random = random;
  }

  get endpoints(): readonly EndpointState<Pool>[] {
    return this.#list;
  }

  pick(exclude?: ReadonlySet<EndpointState<Pool>>): EndpointState<Pool> | undefined {
    for (const tier of this.#tiers) {
      const picked = tier.pick(exclude);
      if (picked) return picked;
    }
    return undefined;
  }

  update(endpoints: readonly Endpoint[]): EndpointChange<Pool> {
    const before = this.#states;
    const states = new Map<string, EndpointState<Pool>>();
    const added: EndpointState<Pool>[] = [];
    for (const endpoint of endpoints) {
      const key = `${endpoint.address}:${endpoint.port}`;
      if (states.has(key)) continue;
      const known = before.get(key);
      const state = known ?? new EndpointState<Pool>(endpoint);
      state.endpoint = endpoint;
      if (!known) added.push(state);
      states.set(key, state);
    }
    const removed = [...before].filter(([key]) => !states.has(key)).map(([, state]) => state);
    for (const state of removed) state.gone = true;
    this.#states = states;
    this.#list = [...states.values()];
    this.#tiers = TIERS.map((health) => this.#list.filter((state) => state.endpoint.health === health))
      .filter((tier) => tier.length > 0)
      .map((tier) => new Tier(tier, this.#kind, this.#random));
    return { added, removed };
  }
}

/** A balancer without endpoints; `update` gives it some, and keeps the states of those that stay. */
export const prepareBalancer = <Pool = unknown>(kind: Cluster['loadBalancing'], random: Random): Balancer<Pool> =>
  new LiveBalancer<Pool>(kind, random);

/** Picks one of the items in proportion to their weights; undefined when no weight is over 0. */
export const prepareWeightedPick = <T extends { readonly weight: number }>(
  items: readonly T[],
  random: Random,
): (() => T | undefined) => {
  const live = items.filter((item) => item.weight > 0);
  if (live.length <= 1) return () => live[0];
  const choose = prepareWeightedIndex(
    live.map((item) => item.weight),
    random,
  );
  return () => live[choose()];
};
