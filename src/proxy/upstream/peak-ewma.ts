// What an answer of an endpoint is thought to cost: the time that answers took, where a slow one counts at once and is
// forgotten slowly (as Finagle's and linkerd's balancers have it), for each request in work. Called by tier.ts and attempts.ts.
import type { EndpointState } from './endpoint-state.ts';

/** After so long an old time counts for about a third. */
const DECAY_MS = 10_000;
/** What a failure is thought to cost at least, so that failing quickly is no merit. */
const FAILURE_MS = 1000;
/** One that has never answered gets one request, not all. */
const UNKNOWN_MS = 1000;

const decayed = ({ cost, costAt }: EndpointState, now: number): number =>
  cost * Math.exp(-Math.max(0, now - costAt) / DECAY_MS);

/** An answer took so long; or there was none, or a bad one. */
export const observeTime = (state: EndpointState, ms: number, failed: boolean, now: number): void => {
  const seen = failed ? Math.max(ms, FAILURE_MS) : ms;
  const weight = Math.exp(-Math.max(0, now - state.costAt) / DECAY_MS);
  state.cost = seen > state.cost ? seen : state.cost * weight + seen * (1 - weight);
  state.costAt = now;
};

/** With a request more, for its weight. */
export const currentCost = (state: EndpointState, { now }: { readonly now: () => number }): number => {
  const known = state.costAt > 0 ? decayed(state, now()) : state.active > 0 ? UNKNOWN_MS : 0;
  return (known * (state.active + 1)) / state.weight;
};
