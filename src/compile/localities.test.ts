import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, EndpointSet } from '../model/snapshot.ts';
import { openPriorities } from './localities.ts';
import { localityOf } from './workloads.ts';

const setOf = (...places: readonly string[]): EndpointSet => ({
  cluster: 'c',
  endpoints: places.map((place, i): Endpoint => {
    const base = { address: `10.0.0.${i + 1}`, port: 80, mesh: false, weight: 1, health: 'healthy' } as const;
    return { ...base, ...localityOf(place) };
  }),
});

const prioritiesFrom = (place: string | undefined, ...places: readonly string[]): number[] =>
  openPriorities()
    .apply(new Map([['c', setOf(...places)]]), place)
    .get('c')!
    .endpoints.map(({ priority = 0 }) => priority);

const CASES: Record<string, { from?: string; places: string[]; want: number[] }> = {
  'a proxy that does not know where it is prefers none': { places: ['eu/a', 'us/b'], want: [0, 0] },
  'its zone, its region, then others': {
    from: 'eu/a/1',
    places: ['us/a', 'eu/b', 'eu/a', 'eu/a/2'],
    want: [2, 1, 0, 0],
  },
  'what is nearest comes first, however far it is': { from: 'eu/a', places: ['us/b', 'eu/b'], want: [1, 0] },
  'all as far prefer none': { from: 'eu/a', places: ['us/b', 'us/c'], want: [0, 0] },
  'a zone without a region is known by its name': { from: 'eu/a', places: ['/a', '/b'], want: [0, 1] },
  'who says nothing comes last': { from: 'eu/a', places: ['', 'eu/b'], want: [1, 0] },
};

for (const [sentence, { from, places, want }] of Object.entries(CASES)) {
  test(sentence, () => assert.deepEqual(prioritiesFrom(from, ...places), want));
}

test('equal parts stay the same objects', () => {
  const priorities = openPriorities();
  const near = setOf('eu/a', 'eu/a');
  const mixed = setOf('eu/a', 'us/a');
  const sets = new Map([
    ['near', near],
    ['mixed', mixed],
  ]);
  const first = priorities.apply(sets, 'eu/a');
  assert.equal(priorities.apply(sets, 'eu/a'), first);
  assert.equal(first.get('near'), near);
  assert.equal(priorities.apply(new Map(sets), 'eu/a').get('mixed'), first.get('mixed'));
});
