import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import type { TrafficEvent } from '../model/event.ts';
import { type HubOptions, openHub } from './hub.ts';

const spiffe = (name: string) => `spiffe://cluster.local/ns/default/sa/${name}`;

const event = (parts: Partial<TrafficEvent> = {}, status = 200): TrafficEvent => ({
  startMs: 1,
  durationMs: 10,
  proxy: 'p',
  direction: 'inbound',
  protocol: 'http',
  source: { identity: spiffe('front'), namespace: 'default' },
  destination: { identity: spiffe('reviews'), namespace: 'default', service: 'reviews', workload: 'reviews-v1-abc' },
  http: { method: 'GET', path: '/', host: 'reviews:9080', status, requestId: 'r' },
  bytesReceived: 0,
  bytesSent: 0,
  flags: [],
  attempts: 1,
  tls: 'mutual',
  ...parts,
});
const tagged = (tag: string, parts: Partial<TrafficEvent> = {}, status = 200) =>
  event({ route: tag, ...parts }, status);
const denied = (names: string[]): Partial<TrafficEvent> => ({
  flags: ['RBAC'],
  policy: { verdict: 'deny', names, reason: 'no ALLOW policy matches' },
});

const open = (options: Partial<HubOptions> = {}) => {
  const clock = new FakeClock();
  return { clock, hub: openHub({ clock, ...options }) };
};
const tags = (events: readonly TrafficEvent[]) => events.map(({ route }) => route);

test('history is the newest that match, oldest first, up to the capacity', () => {
  const { hub } = open({ capacity: 3 });
  for (const tag of ['a', 'b', 'c', 'd']) hub.add(tagged(tag));
  assert.deepEqual(tags(hub.recent(10)), ['b', 'c', 'd']);
  assert.deepEqual(tags(hub.recent(2)), ['c', 'd']);
  assert.deepEqual(hub.recent(0), []);
});

test('statuses that no answer has make no keys of their own', () => {
  const { hub } = open();
  for (const status of [200, 999, 1000, 123_456_700, 0.5, 1e300]) hub.add(event({}, status));
  assert.deepEqual(hub.stats().services[0]?.statuses, { '2xx': 1, '9xx': 1, none: 4 });
});

const outside = { address: '1.2.3.4:80' };
const filters: Record<string, { filter: Parameters<ReturnType<typeof openHub>['recent']>[1]; want: string[] }> = {
  'by default the callee and failures tell': { filter: {}, want: ['ok', 'no', 'late', 'down', 'web', 'away'] },
  all: { filter: { all: true }, want: ['ok', 'ok-caller', 'no', 'late', 'down', 'web', 'away'] },
  'denied ones': { filter: { verdict: 'deny' }, want: ['no'] },
  'allowed ones': { filter: { verdict: 'allow' }, want: ['ok', 'late', 'down', 'web', 'away'] },
  'from a service account': { filter: { from: 'front' }, want: ['ok', 'no', 'late', 'down', 'away'] },
  'from a name with its namespace': { filter: { from: 'default/front' }, want: ['ok', 'no', 'late', 'down', 'away'] },
  'from another namespace': { filter: { from: 'other/front' }, want: [] },
  'from an identity': { filter: { from: spiffe('front') }, want: ['ok', 'no', 'late', 'down', 'away'] },
  'to a service': { filter: { to: 'reviews' }, want: ['ok', 'no', 'late', 'down'] },
  'to a workload': { filter: { to: 'default/reviews-v1-abc' }, want: ['ok', 'no', 'late'] },
  'by status': { filter: { status: '403' }, want: ['no'] },
  'by class of status': { filter: { status: '5xx' }, want: ['late', 'down'] },
};

for (const [name, { filter, want }] of Object.entries(filters)) {
  test(`flows ${name}`, () => {
    const { hub } = open();
    hub.add(tagged('ok'));
    hub.add(tagged('ok-caller', { direction: 'outbound' }));
    hub.add(tagged('no', denied(['x/y']), 403));
    hub.add(tagged('late', {}, 504));
    hub.add(
      tagged(
        'down',
        { direction: 'outbound', destination: { service: 'reviews', namespace: 'default' }, flags: ['UH'] },
        503,
      ),
    );
    hub.add(
      tagged('web', { direction: 'gateway', source: outside, destination: { service: 'front', namespace: 'default' } }),
    );
    hub.add(tagged('away', { direction: 'outbound', destination: { service: 'example.com' } }));
    assert.deepEqual(tags(hub.recent(100, filter)), want);
    const { hub: live } = open();
    const seen: TrafficEvent[] = [];
    live.subscribe(
      filter ?? {},
      (one) => seen.push(one),
      () => {},
    );
    for (const one of hub.recent(100, { all: true })) live.add(one);
    assert.deepEqual(tags(seen), want, 'live as well');
  });
}

test('subscribers get what comes, until they or the hub close', () => {
  const { hub } = open();
  const seen: TrafficEvent[] = [];
  let ended = 0;
  const first = hub.subscribe(
    {},
    (one) => seen.push(one),
    () => ended++,
  );
  hub.subscribe(
    {},
    () => {},
    () => ended++,
  );
  hub.add(tagged('a'));
  first.close();
  hub.add(tagged('b'));
  hub.close();
  assert.deepEqual(tags(seen), ['a']);
  assert.equal(ended, 1);
});

test('an engine that can not name the policies is helped', () => {
  const { hub } = open({ denialPolicies: (one) => [`${one.destination.namespace}/default-deny`] });
  hub.add(event(denied([]), 403));
  hub.add(event(denied(['a/b']), 403));
  assert.deepEqual(
    hub.recent(2).map((one) => one.policy?.names),
    [['default/default-deny'], ['a/b']],
  );
});

test('workloads that only the control plane knows are named', () => {
  const { hub } = open({
    workloadOf: ({ identity }) => (identity === spiffe('front') ? { workload: 'default/front-1' } : undefined),
  });
  hub.add(event());
  assert.equal(hub.recent(1)[0]?.source.workload, 'front-1');
});

test('a call that both ends report counts once, also where the caller does not say whom it met', () => {
  const { hub } = open({
    workloadOf: ({ address }) =>
      address === 'proxy' ? { workload: 'default/reviews-v1-abc', identity: spiffe('reviews') } : undefined,
  });
  hub.add(event());
  hub.add(
    event({ direction: 'outbound', destination: { namespace: 'default', service: 'reviews', address: 'proxy' } }),
  );
  assert.equal(hub.recent(9).length, 1);
  assert.equal(hub.recent(9, { all: true })[1]?.destination.identity, spiffe('reviews'));
  assert.equal(hub.stats().services[0]?.total, 1);
});

test('counts by service, version and edge, each request once', () => {
  const versions: Record<string, string> = { 'reviews-v1-abc': 'v1', 'reviews-v2-def': 'v2' };
  const { hub } = open({
    workloadOf: ({ workload }) => (workload ? { workload, version: versions[workload] } : undefined),
  });
  const v2 = { ...event().destination, workload: 'reviews-v2-def' };
  for (let i = 0; i < 9; i++) hub.add(event({ durationMs: 5 }));
  hub.add(event({ destination: v2, durationMs: 15 }, 500));
  hub.add(event({ direction: 'outbound' }));
  hub.add(event(denied(['x/y']), 403));
  const [reviews] = hub.stats().services;
  assert.deepEqual([reviews?.namespace, reviews?.name], ['default', 'reviews']);
  const { total, requests, perSecond, failed, denied: refused, statuses } = reviews!;
  assert.deepEqual({ total, requests, failed, refused }, { total: 11, requests: 11, failed: 1, refused: 1 });
  assert.deepEqual(statuses, { '2xx': 9, '5xx': 1, '4xx': 1 });
  assert.equal(perSecond, 11 / 60);
  assert.deepEqual(
    reviews?.versions.map((one) => [one.version, one.requests]),
    [
      ['v1', 10],
      ['v2', 1],
    ],
  );
  const [edge] = hub.stats().edges;
  assert.deepEqual(edge?.source, { namespace: 'default', name: 'front' });
  assert.deepEqual(edge?.destination, { namespace: 'default', name: 'reviews' });
});

test('a minute later only the totals are left', () => {
  const { hub, clock } = open();
  hub.add(event());
  clock.advance(30_000);
  hub.add(event());
  clock.advance(31_000);
  assert.deepEqual(
    hub.stats().services.map(({ total, requests }) => [total, requests]),
    [[2, 1]],
  );
  clock.advance(60_000);
  assert.deepEqual(
    hub.stats().services.map(({ total, requests, averageMs }) => [total, requests, averageMs]),
    [[2, 0, 0]],
  );
});

test('names without end share one row', () => {
  const { hub } = open();
  for (let i = 0; i < 5000; i++) hub.add(event({ destination: { service: `s${i}` } }));
  const { services } = hub.stats();
  assert.ok(services.length <= 4001);
  assert.equal(
    services.reduce((sum, { total }) => sum + total, 0),
    5000,
  );
});
