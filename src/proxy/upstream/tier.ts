// Endpoints among which one is chosen by the cluster's policy alone. Called by balancer.ts for every request.

import { mixHash } from '../../lib/hash.ts';
import { formatHostPort } from '../../lib/host-port.ts';
import type { Random } from '../../lib/random.ts';
import type { LoadBalancing } from '../../model/balancing.ts';
import type { Cluster } from '../../model/snapshot.ts';
import type { EndpointState } from './endpoint-state.ts';
import { DEFAULT_TABLE_SIZE, type HashChoice, prepareMaglev, prepareRing } from './hash-tables.ts';
import { currentCost } from './peak-ewma.ts';
import { type Choice, prepareRound, prepareWeightedIndex } from './weighted-choice.ts';
import { zoneOf } from './zone-shares.ts';

export type BalancerSettings = Pick<
  Cluster,
  'loadBalancing' | 'tableSize' | 'slowStartMs' | 'panicThreshold' | 'zoneWeights'
>;

/** What a choice depends on besides the endpoints. */
export interface ChoiceContext {
  readonly random: Random;
  /** Monotonic milliseconds; near enough. */
  readonly now: () => number;
}

const DRAWS = 3;
/** Of an endpoint that is new, as Envoy has it. */
const LEAST_SHARE = 0.1;
/** New endpoints that are passed over for one choice. */
const MAX_PASSED = 8;
const HASHES = 2 ** 32;

const keyOf = ({ endpoint }: EndpointState): string => formatHostPort(endpoint.address, endpoint.port);

export class Tier<Pool> {
  readonly states: readonly EndpointState<Pool>[];
  readonly #choose: Choice | undefined;
  readonly #byHash: HashChoice | undefined;
  /** Of two the better one is taken. */
  readonly #isWorse: ((a: EndpointState, b: EndpointState) => boolean) | undefined;
  readonly #context: ChoiceContext;
  readonly #slowStartMs: number;
  #warmUntil = 0;

  /** `shares`: in place of the endpoints' own weights. */
  constructor(
    states: readonly EndpointState<Pool>[],
    settings: BalancerSettings,
    context: ChoiceContext,
    shares?: readonly number[],
  ) {
    this.states = states;
    this.#context = context;
    const { loadBalancing, tableSize = DEFAULT_TABLE_SIZE } = settings;
    const weights = shares ?? states.map(({ weight }) => weight);
    if (loadBalancing === 'maglev' || loadBalancing === 'ring-hash') {
      const items = states.map((state, i) => ({ key: keyOf(state), weight: weights[i]! }));
      const prepare = loadBalancing === 'maglev' ? prepareMaglev : prepareRing;
      if (states.length > 1) this.#byHash = prepare(items, tableSize);
    } else {
      const prepare = loadBalancing === 'round-robin' ? prepareRound : prepareWeightedIndex;
      this.#choose = prepare(weights, context.random);
    }
    const isWorse = comparisonOf(loadBalancing, context);
    // Only within a zone, so that zones keep their shares.
    this.#isWorse = isWorse && shares ? (a, b) => zoneOf(a) === zoneOf(b) && isWorse(a, b) : isWorse;
    this.#slowStartMs = settings.slowStartMs ?? 0;
    if (this.#slowStartMs > 0 && (loadBalancing === 'least-request' || loadBalancing === 'round-robin')) {
      const newest = states.reduce((latest, { newSince }) => Math.max(latest, newSince), 0);
      if (newest > 0) this.#warmUntil = newest + this.#slowStartMs;
    }
  }

  /** One that is not in `exclude`; undefined where all are. `hash`: below 0 for none. */
  pick(exclude: ReadonlySet<EndpointState<Pool>> | undefined, hash: number): EndpointState<Pool> | undefined {
    const { states } = this;
    let index = this.#pickIndex(hash);
    if (!exclude?.has(states[index]!)) return states[index];
    for (let draw = 1; draw <= DRAWS; draw++) {
      index = this.#pickIndex(hash < 0 ? hash : mixHash(hash + draw));
      if (!exclude.has(states[index]!)) return states[index];
    }
    // Most are excluded: go through them, from where chance stopped.
    for (let i = 1; i < states.length; i++) {
      const next = states[(index + i) % states.length]!;
      if (!exclude.has(next)) return next;
    }
    return undefined;
  }

  #pickIndex(hash: number): number {
    const { states } = this;
    if (states.length === 1) return 0;
    if (this.#byHash) return this.#byHash(hash < 0 ? Math.floor(this.#context.random.next() * HASHES) : hash);
    const first = this.#warmUntil > 0 ? this.#chooseWarm() : this.#choose!();
    if (!this.#isWorse) return first;
    const chosen = this.#warmUntil > 0 ? this.#chooseWarm() : this.#choose!();
    // Always two different ones; the first wins a tie, so that idle endpoints get shares by weight.
    const second = chosen === first ? (first + 1) % states.length : chosen;
    return this.#isWorse(states[first]!, states[second]!) ? second : first;
  }

  /** New endpoints are passed over by chance, the less often the longer they are there. */
  #chooseWarm(): number {
    const now = this.#context.now();
    if (now >= this.#warmUntil) {
      this.#warmUntil = 0;
      return this.#choose!();
    }
    let index = this.#choose!();
    for (let passed = 0; passed < MAX_PASSED; passed++) {
      const { newSince } = this.states[index]!;
      if (newSince === 0) break;
      const share = Math.max(LEAST_SHARE, (now - newSince) / this.#slowStartMs);
      if (share >= 1 || this.#context.random.next() < share) break;
      index = this.#choose!();
    }
    return index;
  }
}

const comparisonOf = (kind: LoadBalancing, context: ChoiceContext) => {
  if (kind === 'least-request') return hasMoreInWork;
  if (kind !== 'peak-ewma') return undefined;
  return (a: EndpointState, b: EndpointState) => currentCost(a, context) > currentCost(b, context);
};

const hasMoreInWork = (a: EndpointState, b: EndpointState): boolean => a.active * b.weight > b.active * a.weight;
