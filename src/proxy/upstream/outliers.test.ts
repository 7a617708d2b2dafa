import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { silentLog } from '../../lib/log.ts';
import type { OutlierDetection } from '../../model/balancing.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import { Deadlines } from '../deadlines.ts';
import { prepareBalancer } from './balancer.ts';
import { NO_ANSWER, Outliers } from './outliers.ts';

const SETTINGS: OutlierDetection = {
  intervalMs: 1000,
  baseEjectionMs: 10_000,
  maxEjectionPercent: 50,
  consecutive5xx: 3,
  consecutiveGateway: 0,
  splitsLocal: false,
  consecutiveLocal: 0,
};

const openScene = (settings: Partial<OutlierDetection> = {}, count = 4) => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const balancer = prepareBalancer({ loadBalancing: 'random' }, { random: { next: () => 0.5 }, now: () => 0 });
  const endpoints = Array.from({ length: count }, (_, i): Endpoint => {
    return { address: '10.0.0.1', port: i + 1, mesh: false, weight: 1, health: 'healthy' };
  });
  balancer.update(endpoints);
  const ejected: number[] = [];
  const outliers = new Outliers(
    { clock, deadlines, log: silentLog },
    'c',
    balancer,
    { ...SETTINGS, ...settings },
    (state) => ejected.push(state.endpoint.port),
  );
  return { clock, outliers, ejected, states: balancer.endpoints };
};

const CASES: Record<string, { settings?: Partial<OutlierDetection>; statuses: number[]; out: boolean }> = {
  'three server errors one after the other are too many': { statuses: [500, 503, 599], out: true },
  'an answer between them starts anew': { statuses: [500, 500, 404, 500, 500], out: false },
  'what has no answer is a server error': { statuses: [NO_ANSWER, 500, NO_ANSWER], out: true },
  'unless it is counted apart': {
    settings: { splitsLocal: true, consecutiveLocal: 5 },
    statuses: [NO_ANSWER, 500, NO_ANSWER, 500],
    out: false,
  },
  'then it has its own number': {
    settings: { splitsLocal: true, consecutiveLocal: 2 },
    statuses: [NO_ANSWER, NO_ANSWER],
    out: true,
  },
  'gateway errors are 502, 503 and 504': {
    settings: { consecutive5xx: 0, consecutiveGateway: 2 },
    statuses: [502, 500, 504, NO_ANSWER],
    out: true,
  },
  'others end their row': {
    settings: { consecutive5xx: 0, consecutiveGateway: 2 },
    statuses: [502, 500, 504],
    out: false,
  },
  'a count of 0 looks at nothing': { settings: { consecutive5xx: 0 }, statuses: [500, 500, 500, 500], out: false },
};

for (const [sentence, { settings, statuses, out }] of Object.entries(CASES)) {
  test(sentence, () => {
    const { outliers, states } = openScene(settings);
    for (const status of statuses) outliers.report(states[0]!, status);
    assert.equal(states[0]!.ejected, out);
  });
}

const fail = ({ outliers, states }: ReturnType<typeof openScene>, i: number) => {
  for (let k = 0; k < 3; k++) outliers.report(states[i]!, 500);
};

test('it is back after its time, which is longer each time it is left out again', () => {
  const scene = openScene();
  const { clock, states } = scene;
  fail(scene, 0);
  clock.advance(9_999);
  assert.ok(states[0]!.ejected);
  clock.advance(1);
  assert.ok(!states[0]!.ejected);
  fail(scene, 0);
  clock.advance(19_999);
  assert.ok(states[0]!.ejected);
  clock.advance(1);
  assert.ok(!states[0]!.ejected);
  clock.advance(5_000);
  fail(scene, 0);
  clock.advance(10_000);
  assert.ok(!states[0]!.ejected, 'after some good time it is forgiven');
});

test('no more are left out than is allowed', () => {
  const scene = openScene();
  for (let i = 0; i < 4; i++) fail(scene, i);
  assert.deepEqual(scene.ejected, [1, 2]);
  const few = openScene({ maxEjectionPercent: 10 });
  fail(few, 0);
  assert.deepEqual(few.ejected, [], 'a tenth of four is none');
});

test('it is back at once when that is said, and its time does not end another one', () => {
  const scene = openScene();
  const { clock, outliers, states } = scene;
  fail(scene, 0);
  clock.advance(5_000);
  outliers.uneject(states[0]!);
  assert.ok(!states[0]!.ejected);
  fail(scene, 0);
  clock.advance(9_000);
  assert.ok(states[0]!.ejected);
});

test('the share of failures counts where there were enough requests', () => {
  const run = (good: number, bad: number, count: number): number[] => {
    const scene = openScene({ consecutive5xx: 0, failurePercent: 40 }, count);
    for (const [i, state] of scene.states.entries()) {
      for (let k = 0; k < good + bad; k++) scene.outliers.report(state, i === 0 && k < bad ? 500 : 200);
    }
    scene.clock.advance(1000);
    return scene.ejected;
  };
  assert.deepEqual(run(30, 20, 5), [1]);
  assert.deepEqual(run(31, 19, 5), []);
  assert.deepEqual(run(29, 20, 5), [], 'too few requests');
  assert.deepEqual(run(30, 20, 4), [], 'too few endpoints');
});

test('nothing is left behind when it ends', () => {
  const scene = openScene({ failurePercent: 40 });
  fail(scene, 0);
  scene.outliers.close();
  assert.equal(scene.clock.timers, 0);
  assert.ok(!scene.states[0]!.ejected);
});
