import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Resource } from '../model/resource.ts';
import { conditionsOf, conditionText, isBad, isStale } from './conditions.ts';

const condition = (type: string, status: Condition['status'], more: Partial<Condition> = {}): Condition => ({
  type,
  status,
  reason: 'Why',
  message: 'because',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  ...more,
});

const resource = (status: unknown, generation = 2): Resource => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name: 'x', generation },
  status,
});

test('conditions are found wherever a kind keeps them', () => {
  const found = conditionsOf(
    resource({
      conditions: [condition('Accepted', 'True'), 'nonsense', { type: 3 }],
      parents: [
        {
          parentRef: { kind: 'Service', name: 'reviews', port: 9080 },
          conditions: [condition('ResolvedRefs', 'False', { reason: 'BackendNotFound', message: 'no x' })],
        },
        {
          parentRef: { name: 'shop', namespace: 'edge', sectionName: 'http' },
          conditions: [condition('Accepted', 'True')],
        },
      ],
      listeners: [{ name: 'http', conditions: [condition('Conflicted', 'True', { message: '' })] }],
    }),
  );
  deepEqual(found.map(conditionText), [
    'Accepted=True (Why): because',
    'parent Service/reviews:9080: ResolvedRefs=False (BackendNotFound): no x',
    'parent Gateway/edge/shop listener http: Accepted=True (Why): because',
    'listener http: Conflicted=True (Why)',
  ]);
  deepEqual(found.map(isBad), [false, true, false, true]);
});

test('a status of another shape has no conditions', () => {
  for (const status of [undefined, null, 5, [], { conditions: {} }, { parents: 'x' }])
    deepEqual(conditionsOf(resource(status)), []);
});

test('a condition of an older spec is stale', () => {
  const one = (observedGeneration?: number) => ({
    holder: '',
    condition: condition('A', 'True', observedGeneration === undefined ? {} : { observedGeneration }),
  });
  deepEqual(
    [isStale(resource({}), one(1)), isStale(resource({}), one(2)), isStale(resource({}), one())],
    [true, false, false],
  );
});
