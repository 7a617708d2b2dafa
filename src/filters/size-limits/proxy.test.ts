import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxRequestBytes } from './proxy.ts';

const route = (bytes?: number) => ({
  type: 'forward' as const,
  targets: [],
  ...(bytes !== undefined && { maxRequestBytes: bytes }),
});

test('the smaller of the limits of listener and route holds', () => {
  assert.equal(maxRequestBytes({ maxRequestBytes: 4 }, route(9)), 4);
  assert.equal(maxRequestBytes({ maxRequestBytes: 9 }, route(4)), 4);
  assert.equal(maxRequestBytes({}, route(4)), 4);
  assert.equal(maxRequestBytes({ maxRequestBytes: 4 }, undefined), 4);
  assert.equal(maxRequestBytes(undefined, route()), Number.POSITIVE_INFINITY);
});
