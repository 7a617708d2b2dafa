import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';
import { prepareBalancer } from './balancer.ts';
import type { EndpointState } from './endpoint-state.ts';
import { observeTime } from './peak-ewma.ts';
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

const portsOf = (balancer: ReturnType<typeof open>, times = 1000) => countPicks(() => balancer.pick(), times);

test('the next priority takes what the first one is too sick for', () => {
  const far = [5, 6].map((port) => endpoint(port, { priority: 1 }));
  const balancer = open('random', ...[1, 2, 3, 4].map((port) => endpoint(port)), ...far);
  assert.deepEqual(Object.keys(portsOf(balancer)), ['1', '2', '3', '4']);
  for (const state of balancer.endpoints.slice(0, 2)) state.ejected = true;
  balancer.changed();
  const counts = portsOf(balancer, 10_000);
  near((counts[3] ?? 0) + (counts[4] ?? 0), 7000, 250);
  near((counts[5] ?? 0) + (counts[6] ?? 0), 3000, 250);
  assert.equal(counts[1], undefined);
});

test('with fewer healthy endpoints than the threshold all of them are used', () => {
  const balancer = prepareBalancer(
    { loadBalancing: 'random', panicThreshold: 50 },
    { random: seeded(7), now: () => 0 },
  );
  balancer.update([1, 2, 3, 4].map((port) => endpoint(port)));
  const [first, second, third] = balancer.endpoints;
  first!.check = 'failed';
  second!.check = 'failed';
  balancer.changed();
  assert.deepEqual(Object.keys(portsOf(balancer)), ['3', '4'], 'half is enough');
  third!.check = 'failed';
  balancer.changed();
  assert.deepEqual(Object.keys(portsOf(balancer)), ['1', '2', '3', '4']);
});

test('endpoints that are not checked yet wait until one is, and serve where none is', () => {
  const balancer = open('random', endpoint(1), endpoint(2));
  const [first, second] = balancer.endpoints;
  first!.check = second!.check = 'pending';
  balancer.changed();
  assert.deepEqual(Object.keys(portsOf(balancer)), ['1', '2']);
  first!.check = 'passed';
  balancer.changed();
  assert.deepEqual(Object.keys(portsOf(balancer)), ['1']);
});

test('a new endpoint gets its share bit by bit', () => {
  for (const loadBalancing of ['round-robin', 'least-request'] as const) {
    let now = 1000;
    const balancer = prepareBalancer({ loadBalancing, slowStartMs: 10_000 }, { random: seeded(7), now: () => now });
    balancer.update([endpoint(1), endpoint(2)]);
    balancer.update([endpoint(1), endpoint(2), endpoint(3)]);
    const shares = [0, 5000, 10_000].map((ms) => {
      now = 1000 + ms;
      return (portsOf(balancer, 9000)[3] ?? 0) / 9000;
    });
    near(shares[0], 0.05, 0.03);
    near(shares[1], 0.2, 0.04);
    near(shares[2], 1 / 3, 0.03);
  }
});

test('peak-ewma goes to the one that answers soonest, and forgets a peak slowly', () => {
  let now = 1000;
  const balancer = prepareBalancer({ loadBalancing: 'peak-ewma' }, { random: seeded(7), now: () => now });
  balancer.update([endpoint(1), endpoint(2)]);
  const [fast, slow] = balancer.endpoints;
  for (let i = 0; i < 20; i++) {
    observeTime(fast!, 2, false, now);
    observeTime(slow!, 5, false, now);
  }
  assert.deepEqual(portsOf(balancer, 50), { 1: 50 });
  observeTime(fast!, 400, false, now);
  assert.deepEqual(portsOf(balancer, 50), { 2: 50 });
  for (let i = 0; i < 100; i++) {
    now += 1000;
    observeTime(fast!, 2, false, now);
    observeTime(slow!, 5, false, now);
  }
  assert.deepEqual(portsOf(balancer, 50), { 1: 50 });
  observeTime(fast!, 1, true, now);
  assert.deepEqual(portsOf(balancer, 50), { 2: 50 }, 'to fail quickly is no merit');
});

test('one hash goes to one endpoint, and to another while that one is excluded', () => {
  for (const kind of ['maglev', 'ring-hash'] as const) {
    const balancer = open(kind, ...Array.from({ length: 10 }, (_, i) => endpoint(i + 1)));
    for (let hash = 0; hash < 2 ** 32; hash += 2 ** 27) {
      const home = balancer.pick(undefined, hash)!;
      assert.equal(balancer.pick(undefined, hash), home);
      const other = balancer.pick(new Set([home]), hash)!;
      assert.notEqual(other, home);
      assert.equal(balancer.pick(new Set([home]), hash), other);
    }
    assert.equal(Object.keys(portsOf(balancer)).length, 10, 'without a hash any will do');
  }
});

test('other settings hold from the next pick on, for the same endpoints', () => {
  const balancer = open('round-robin', endpoint(1), endpoint(2));
  const [first] = balancer.endpoints;
  balancer.configure({ loadBalancing: 'maglev' });
  assert.equal(balancer.endpoints[0], first);
  assert.equal(new Set(Array.from({ length: 20 }, () => balancer.pick(undefined, 5))).size, 1);
});

test('an endpoint is found by its place while it is available', () => {
  const balancer = open('random', endpoint(1), endpoint(2, { health: 'unhealthy' }), endpoint(3, { address: '::1' }));
  assert.equal(balancer.find('127.0.0.1:1'), balancer.endpoints[0]);
  assert.equal(balancer.find('127.0.0.1:2'), undefined);
  assert.equal(balancer.find('[::1]:3'), balancer.endpoints[2]);
  assert.equal(balancer.find('127.0.0.1:9'), undefined);
});
