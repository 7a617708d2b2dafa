import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import type { Route } from '../../model/route.ts';
import type { RequestTap } from '../filter.ts';
import { requestMirror } from './proxy.ts';
import type { RequestMirror } from './schema.ts';

const head = { method: 'GET', path: '/', query: '', host: 'a', headers: [] };
const tap: RequestTap = { body: () => {}, end: () => {}, abort: () => {} };

/** The clusters that so many requests are copied to; chance goes through [0, 1) in equal steps. */
const copies = (requests: number, ...filters: RequestMirror[]): string[] => {
  let step = 0;
  const random = { next: () => (step++ % requests) / requests };
  const { taps = [] } = requestMirror.prepare(filters, {
    kept: (_name, make) => make(),
    clock: systemClock,
    random,
    route: {} as Route,
  });
  const sent: string[] = [];
  for (let i = 0; i < requests; i++) {
    for (const make of taps) {
      make(head, (cluster) => {
        sent.push(cluster);
        return tap;
      });
    }
  }
  return sent;
};

const mirror = (cluster: string, share: number): RequestMirror => ({ type: 'request-mirror', cluster, share });

test('a share of the requests is copied', () => {
  assert.equal(copies(100, mirror('a', 0.2)).length, 20);
  assert.equal(copies(100, mirror('a', 1)).length, 100);
  assert.equal(copies(100, mirror('a', 0)).length, 0);
});

test('each mirror decides for itself', () => {
  assert.deepEqual(copies(2, mirror('a', 1), mirror('b', 1)), ['a', 'b', 'a', 'b']);
});
