import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addHistograms, countOf, countUpTo, Histogram, NO_TIMES, percentilesOf } from './histogram.ts';

const of = (...values: number[]) => {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram.data;
};

const PERCENTILES: Record<string, { values: number[]; at: number[]; want: number[] | undefined }> = {
  'nothing has no percentiles': { values: [], at: [50], want: undefined },
  'one value is spread over its bucket, as Envoy does it': { values: [1], at: [0, 50, 100], want: [1, 1.05, 1.1] },
  'zero is zero': { values: [0, 0.4], at: [0, 50, 100], want: [0, 0, 0] },
  'two digits count': { values: [123], at: [0, 100], want: [120, 130] },
  'and in the next decade': { values: [4567], at: [0, 100], want: [4500, 4600] },
  'the first half and the second': { values: [10, 10, 20, 20], at: [25, 50, 75, 100], want: [10.5, 11, 20.5, 21] },
  'what is too long counts as the longest': { values: [1e12], at: [0], want: [9_900_000] },
};

for (const [name, { values, at, want }] of Object.entries(PERCENTILES)) {
  test(`percentiles: ${name}`, () => {
    const rounded = percentilesOf(of(...values), at)?.map((value) => Math.round(value * 1000) / 1000);
    assert.deepEqual(rounded, want);
  });
}

test('every whole number is in the bucket that holds it', () => {
  for (const value of [0, 1, 9, 10, 11, 99, 100, 109, 110, 990, 999, 1000, 1099, 1100, 9999, 10_000, 99_999, 100_000]) {
    const data = of(value);
    const [low] = percentilesOf(data, [0])!;
    const [high] = percentilesOf(data, [100])!;
    assert.ok(low! <= value && (value < high! || value === 0), `${value} in ${low} to ${high}`);
  }
});

test('histograms are added up, whichever is longer', () => {
  const both = addHistograms(of(1, 2), of(500));
  assert.deepEqual([countOf(both), both.sum], [3, 503]);
  assert.deepEqual(addHistograms(NO_TIMES, both), addHistograms(both, NO_TIMES));
  assert.deepEqual([countUpTo(both, 1), countUpTo(both, 5), countUpTo(both, 1000)], [0, 2, 3]);
});
