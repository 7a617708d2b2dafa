import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namedPlaces } from './proxy.ts';

const places = (headers: string[]) =>
  namedPlaces({ method: 'GET', path: '/', query: '', host: 'a.test', headers }, ['x-first', 'x-second']);

const cases: Readonly<Record<string, { readonly headers: string[]; readonly want: readonly string[] }>> = {
  'none where nothing is named': { headers: ['x-other', '10.0.0.1:80'], want: [] },
  'one or several': { headers: ['x-first', '10.0.0.1:80, [::1]:80'], want: ['10.0.0.1:80', '[::1]:80'] },
  'those of the first header come first': {
    headers: ['x-second', '10.0.0.2:80', 'x-first', '10.0.0.1:80'],
    want: ['10.0.0.1:80', '10.0.0.2:80'],
  },
  'no more than ten': {
    headers: ['x-first', Array.from({ length: 9_000 }, (_, i) => `10.0.0.1:${i}`).join()],
    want: Array.from({ length: 10 }, (_, i) => `10.0.0.1:${i}`),
  },
};

for (const [title, { headers, want }] of Object.entries(cases)) {
  test(`places: ${title}`, () => assert.deepEqual(places(headers), want));
}
