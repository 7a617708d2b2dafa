// Counts in memory: of one control plane, gone with it. Opened by app/.
import type { Clock } from '../lib/clock.ts';
import type { Count, Counts } from './decide.ts';

interface Kept {
  count: number;
  readonly endsAt: number;
}

/** The longest unused make room. */
const MAX_COUNTS = 200_000;
const SWEEP_MS = 10_000;

export const openMemoryCounts = (clock: Clock, maxCounts = MAX_COUNTS): Counts & { readonly size: number } => {
  const kept = new Map<string, Kept>();
  const add = ({ key, hits, ttlSeconds }: Count): number => {
    const known = kept.get(key) ?? { count: 0, endsAt: clock.monotonic() + ttlSeconds * 1000 };
    known.count += hits;
    // The order of a Map is that of insertion.
    kept.delete(key);
    if (kept.size >= maxCounts) kept.delete(kept.keys().next().value!);
    kept.set(key, known);
    return known.count;
  };
  const sweep = clock.every(SWEEP_MS, () => {
    const now = clock.monotonic();
    for (const [key, { endsAt }] of kept) if (endsAt <= now) kept.delete(key);
  });
  return {
    get size() {
      return kept.size;
    },
    add: async (counts) => counts.map(add),
    close: async () => sweep.cancel(),
  };
};
