// Tables from hashes to endpoints that change little when the endpoints do: Maglev's, and a ring. Called by tier.ts.
import { hashText, mixHash } from '../../lib/hash.ts';

export interface Hashed {
  /** What stays the same about it: address and port. */
  readonly key: string;
  /** Over 0. */
  readonly weight: number;
}

/** From a hash of 32 bits to the index of an item. */
export type HashChoice = (hash: number) => number;

export const DEFAULT_TABLE_SIZE = 65_537;

const OFFSET_SEED = 1;
const SKIP_SEED = 2;

/** The same table for the same items, in whatever order they are told. */
const orderOf = (items: readonly Hashed[]): number[] =>
  items.map((_, i) => i).sort((a, b) => (items[a]!.key < items[b]!.key ? -1 : 1));

/**
 * Each item fills the free slots of its own permutation of the table in turn, as often as its weight says. `size` must be
 * a prime number (Eisenbud et al., Maglev, NSDI 2016, 3.4).
 */
export const prepareMaglev = (items: readonly Hashed[], size: number): HashChoice => {
  const table = new Int32Array(size).fill(-1);
  const order = orderOf(items);
  const at = Int32Array.from(order, (i) => hashText(items[i]!.key, OFFSET_SEED) % size);
  const skip = Int32Array.from(order, (i) => (hashText(items[i]!.key, SKIP_SEED) % (size - 1)) + 1);
  const heaviest = items.reduce((most, { weight }) => Math.max(most, weight), 1);
  const share = Float64Array.from(order, (i) => items[i]!.weight / heaviest);
  const credit = new Float64Array(items.length);
  for (let filled = 0; filled < size; ) {
    for (let turn = 0; turn < order.length && filled < size; turn++) {
      credit[turn]! += share[turn]!;
      if (credit[turn]! < 1) continue;
      credit[turn]! -= 1;
      const step = skip[turn]!;
      let slot = at[turn]!;
      // Without a division, which would take most of the time.
      while (table[slot]! >= 0) {
        slot += step;
        if (slot >= size) slot -= size;
      }
      table[slot] = order[turn]!;
      at[turn] = slot;
      filled++;
    }
  }
  return (hash) => table[hash % size]!;
};

/** Of all items together, whatever their weights are. */
const MAX_POINTS = 500_000;
/** A point's owner stands below its place on the ring; both fit into a number's 53 bits. */
const OWNERS = 2 ** 20;

/** Points of items on a ring of 32 bits; a hash is for the next one. `size`: how many points there are at least. */
export const prepareRing = (items: readonly Hashed[], size: number): HashChoice => {
  const total = items.reduce((sum, { weight }) => sum + weight, 0);
  const points = Math.min(MAX_POINTS, Math.max(size, items.length));
  // A power of two, so that what each has hardly ever depends on how many others there are.
  const each = 2 ** Math.ceil(Math.log2(points / total));
  const counts = items.map(({ weight }) => Math.max(1, Math.round(weight * each)));
  const ring = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let filled = 0;
  items.forEach(({ key }, i) => {
    const [first, step] = [hashText(key, OFFSET_SEED), hashText(key, SKIP_SEED) | 1];
    for (let k = 0; k < counts[i]!; k++) ring[filled++] = mixHash(first + Math.imul(k, step)) * OWNERS + i;
  });
  ring.sort();
  return (hash) => {
    const wanted = hash * OWNERS;
    let low = 0;
    let high = ring.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ring[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return ring[low === ring.length ? 0 : low]! % OWNERS;
  };
};
