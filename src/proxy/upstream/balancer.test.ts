import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';
import { prepareBalancer } from './balancer.ts';
import type { EndpointState } from './endpoint-state.ts';
import { prepareWeightedPick } from './weighted-choice.ts';

const seeded = (start: number) => {
  let state = start;
  return {
    next: () => {
      state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
      return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
    },
  };
};

const endpoint = (port: number, parts: Partial<Endpoint> = {}): Endpoint => ({
  address: '127.0.0.1',
  port,
  mesh: false,
  weight: 1,
  health: 'healthy',
  ...parts,
});

const open = (kind: Cluster['loadBalancing'], ...endpoints: Endpoint[]) => {
  const balancer = prepareBalancer({ loadBalancing: kind }, { random: seeded(7), now: () => 0 });
  balancer.update(endpoints);
  return balancer;
};

const countPicks = (pick: () => EndpointState | undefined, times: number): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (let i = 0; i < times; i++) {
    const { port } = pick()!.endpoint;
    counts[port] = (counts[port] ?? 0) + 1;
  }
  return counts;
};

const near = (actual: number | undefined, wanted: number, tolerance: number) =>
  assert.ok(Math.abs((actual ?? 0) - wanted) <= tolerance, `${actual} is not near ${wanted}`);

test('no endpoint, no pick', () => {
  assert.equal(open('least-request').pick(), undefined);
});

test('round-robin takes all in turn', () => {
  const balancer = open('round-robin', endpoint(1), endpoint(2), endpoint(3));
  assert.deepEqual(
    countPicks(() => balancer.pick(), 9),
    { 1: 3, 2: 3, 3: 3 },
  );
});

test('weighted round-robin is exact over a round, and spread out', () => {
  const balancer = open(
    'round-robin',
    endpoint(1, { weight: 5 }),
    endpoint(2, { weight: 1 }),
    endpoint(3, { weight: 2 }),
  );
  const order = Array.from({ length: 16 }, () => balancer.pick()!.endpoint.port);
  assert.deepEqual(
    [1, 2, 3].map((port) => order.filter((p) => p === port).length),
    [10, 2, 4],
  );
  assert.ok(!order.join('').includes('1111'), 'the heavy one does not come in one go');
});

test('random and idle least-request share by weight', () => {
  for (const kind of ['random', 'least-request'] as const) {
    const balancer = open(kind, endpoint(1, { weight: 1 }), endpoint(2, { weight: 3 }), endpoint(3, { weight: 6 }));
    const counts = countPicks(() => balancer.pick(), 20_000);
    near(counts[1], 2000, 300);
    near(counts[2], 6000, 500);
    near(counts[3], 12_000, 600);
  }
});

test('least-request goes to the one with less in work, for its weight', () => {
  const balancer = open('least-request', endpoint(1), endpoint(2, { weight: 4 }));
  const [a, b] = balancer.endpoints;
  a!.active = 3;
  b!.active = 10;
  assert.deepEqual(
    countPicks(() => balancer.pick(), 20),
    { 2: 20 },
  );
  b!.active = 13;
  assert.deepEqual(
    countPicks(() => balancer.pick(), 20),
    { 1: 20 },
  );
});

test('least-request evens out the load of slow endpoints', () => {
  const balancer = open('least-request', ...[1, 2, 3, 4, 5].map((port) => endpoint(port)));
  for (let i = 0; i < 500; i++) balancer.pick()!.active++;
  for (const state of balancer.endpoints) near(state.active, 100, 4);
});

test('healthy ones first, then draining, then unhealthy ones', () => {
  const balancer = open(
    'random',
    endpoint(1),
    endpoint(2, { health: 'draining' }),
    endpoint(3, { health: 'unhealthy' }),
  );
  assert.deepEqual(
    countPicks(() => balancer.pick(), 10),
    { 1: 10 },
  );
  balancer.update([endpoint(2, { health: 'draining' }), endpoint(3, { health: 'unhealthy' })]);
  assert.deepEqual(
    countPicks(() => balancer.pick(), 10),
    { 2: 10 },
  );
  balancer.update([endpoint(3, { health: 'unhealthy' })]);
  assert.deepEqual(
    countPicks(() => balancer.pick(), 10),
    { 3: 10 },
  );
});

test('excluded endpoints are left out, down to the last', () => {
  for (const kind of ['least-request', 'round-robin', 'random'] as const) {
    const balancer = open(kind, ...Array.from({ length: 50 }, (_, i) => endpoint(i + 1)));
    const exclude = new Set<EndpointState>();
    for (let i = 0; i < 50; i++) {
      const picked = balancer.pick(exclude)!;
      assert.ok(!exclude.has(picked));
      exclude.add(picked);
    }
    assert.equal(balancer.pick(exclude), undefined);
  }
});

test('a retry leaves the healthy ones only when all are excluded', () => {
  const balancer = open('random', endpoint(1), endpoint(2, { health: 'unhealthy' }));
  const [healthy] = balancer.endpoints;
  assert.equal(balancer.pick(new Set([healthy!]))!.endpoint.port, 2);
});

test('states survive an update by address and port', () => {
  const balancer = prepareBalancer<string>({ loadBalancing: 'least-request' }, { random: seeded(1), now: () => 0 });
  const first = balancer.update([endpoint(1), endpoint(2)]);
  assert.deepEqual(
    first.added.map((state) => state.endpoint.port),
    [1, 2],
  );
  const kept = balancer.endpoints[1]!;
  kept.active = 5;
  kept.pool = 'connections';
  const second = balancer.update([endpoint(2, { weight: 9, health: 'draining' }), endpoint(3)]);
  assert.deepEqual(
    second.added.map((state) => state.endpoint.port),
    [3],
  );
  assert.deepEqual(
    second.removed.map((state) => state.endpoint.port),
    [1],
  );
  assert.equal(balancer.endpoints[0], kept);
  assert.deepEqual([kept.active, kept.pool, kept.endpoint.weight], [5, 'connections', 9]);
});

test('an address and port named twice counts once', () => {
  const balancer = open('random', endpoint(1, { weight: 2 }), endpoint(1, { weight: 3 }));
  assert.deepEqual(
    balancer.endpoints.map((state) => state.endpoint.weight),
    [2],
  );
});

test('targets are picked in proportion to their weights', () => {
  const pick = prepareWeightedPick(
    [
      { name: 'a', weight: 90 },
      { name: 'b', weight: 10 },
      { name: 'c', weight: 0 },
    ],
    seeded(3),
  );
  const counts: Record<string, number> = {};
  for (let i = 0; i < 20_000; i++) {
    const { name } = pick()!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  near(counts.a, 18_000, 300);
  near(counts.b, 2000, 300);
  assert.equal(counts.c, undefined);
  assert.equal(prepareWeightedPick([{ weight: 0 }], seeded(1))(), undefined);
});
