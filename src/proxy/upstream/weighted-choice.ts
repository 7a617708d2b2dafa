// Choices in proportion to weights, in constant time. Called by tier.ts for endpoints, by routes and chains for clusters.
import type { Random } from '../../lib/random.ts';

/** An index. */
export type Choice = () => number;

const areEqual = (weights: readonly number[]): boolean => weights.every((weight) => weight === weights[0]);

/** By chance (Vose's alias method). Weights must be over 0. */
export const prepareWeightedIndex = (weights: readonly number[], random: Random): Choice => {
  const n = weights.length;
  if (areEqual(weights)) return () => Math.floor(random.next() * n);
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

/** In turn. */
export const prepareRound = (weights: readonly number[], random: Random): Choice => {
  const n = weights.length;
  const round = areEqual(weights) ? undefined : weightedRound(weights);
  const length = round?.length ?? n;
  // Proxies that start together must not all begin with the same endpoint.
  let at = Math.floor(random.next() * length);
  return () => {
    at = at + 1 < length ? at + 1 : 0;
    return round ? round[at]! : at;
  };
};

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
