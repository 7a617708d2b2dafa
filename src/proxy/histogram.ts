// Times in milliseconds, counted as Envoy's histograms count them: two significant digits, whole milliseconds. Kept by
// traffic-counts.ts, shown by the admin's /stats pages.

/** Plain data: counts by bucket, up to the last that was used. */
export interface HistogramData {
  readonly sum: number;
  readonly counts: readonly number[];
}

export const NO_TIMES: HistogramData = { sum: 0, counts: [] };

/** Below 100 each millisecond has a bucket; above, each decade has 90. */
const EXACT = 100;
const PER_DECADE = 90;
const MAX_MS = 9_999_999;

const bucketOf = (ms: number): number => {
  if (ms < EXACT) return ms;
  let base = EXACT;
  let scaled = ms;
  while (scaled >= EXACT * 10) {
    scaled /= 10;
    base += PER_DECADE;
  }
  return base + Math.floor(scaled / 10) - 10;
};

/** Where a bucket begins, and how wide it is: the first digits 10 to 99 of each decade, as circllhist has them. */
const rangeOf = (bucket: number): readonly [low: number, width: number] => {
  if (bucket === 0) return [0, 0];
  if (bucket < EXACT) return [bucket, bucket < 10 ? 0.1 : 1];
  const scale = 10 ** (Math.floor((bucket - EXACT) / PER_DECADE) + 1);
  return [(((bucket - EXACT) % PER_DECADE) + 10) * scale, scale];
};

export class Histogram {
  #sum = 0;
  #counts: number[] = [];

  record(ms: number): void {
    const whole = Math.min(MAX_MS, Math.max(0, Math.floor(ms)));
    const bucket = bucketOf(whole);
    const counts = this.#counts;
    // Without holes, which would make it a slow kind of array.
    while (counts.length <= bucket) counts.push(0);
    counts[bucket]!++;
    this.#sum += whole;
  }

  reset(): void {
    this.#sum = 0;
    this.#counts = [];
  }

  get data(): HistogramData {
    return { sum: this.#sum, counts: [...this.#counts] };
  }
}

export const addHistograms = (a: HistogramData, b: HistogramData): HistogramData => {
  const [long, short] = a.counts.length >= b.counts.length ? [a.counts, b.counts] : [b.counts, a.counts];
  return { sum: a.sum + b.sum, counts: long.map((count, i) => count + (short[i] ?? 0)) };
};

export const countOf = ({ counts }: HistogramData): number => counts.reduce((sum, count) => sum + count, 0);

/** Values at these percentiles, interpolated within their bucket; undefined where nothing was recorded. */
export const percentilesOf = (data: HistogramData, percentiles: readonly number[]): number[] | undefined => {
  const total = countOf(data);
  if (total === 0) return undefined;
  let bucket = 0;
  let below = 0;
  return percentiles.map((percentile) => {
    const wanted = (percentile / 100) * total;
    while (bucket < data.counts.length - 1 && (below + data.counts[bucket]! < wanted || data.counts[bucket] === 0)) {
      below += data.counts[bucket]!;
      bucket++;
    }
    const [low, width] = rangeOf(bucket);
    return low + (width * (wanted - below)) / data.counts[bucket]!;
  });
};

/** How many are at most so long, as Prometheus' buckets want it. */
export const countUpTo = ({ counts }: HistogramData, limitMs: number): number =>
  counts.reduce((sum, count, bucket) => {
    const [low, width] = rangeOf(bucket);
    return low + width <= limitMs || (width === 0 && low <= limitMs) ? sum + count : sum;
  }, 0);
