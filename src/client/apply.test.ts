import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../model/resource.ts';
import { LAST_APPLIED, threeWayPatch, withLastApplied } from './apply.ts';

type Fields = Record<string, unknown>;

test('the patch from what is there to what is wanted', () => {
  const cases: Record<string, { last: Fields; wanted: Fields; live: Fields; patch: Fields }> = {
    'nothing differs': { last: { a: 1 }, wanted: { a: 1 }, live: { a: 1, b: 2 }, patch: {} },
    'a new and a changed field': {
      last: {},
      wanted: { a: 1, b: { c: 2 } },
      live: { a: 0 },
      patch: { a: 1, b: { c: 2 } },
    },
    'a field of another writer stays': { last: { a: 1 }, wanted: { a: 1 }, live: { a: 1, other: 9 }, patch: {} },
    'a field taken out of the manifest goes': {
      last: { a: 1, b: 2 },
      wanted: { a: 1 },
      live: { a: 1, b: 2 },
      patch: { b: null },
    },
    'a field taken out and gone already': { last: { a: 1, b: 2 }, wanted: { a: 1 }, live: { a: 1 }, patch: {} },
    'a field inside': {
      last: { spec: { x: 1, y: 1 } },
      wanted: { spec: { x: 2 } },
      live: { spec: { x: 1, y: 1, z: 3 } },
      patch: { spec: { x: 2, y: null } },
    },
    'a drift is brought back': { last: { a: 1 }, wanted: { a: 1 }, live: { a: 5 }, patch: { a: 1 } },
    'defaults inside a list are no change': {
      last: { rules: [{ name: 'x' }] },
      wanted: { rules: [{ name: 'x' }] },
      live: { rules: [{ name: 'x', weight: 1 }] },
      patch: {},
    },
    'a field taken out inside a list is a change': {
      last: { rules: [{ name: 'x', port: 1 }] },
      wanted: { rules: [{ name: 'x' }] },
      live: { rules: [{ name: 'x', port: 1 }] },
      patch: { rules: [{ name: 'x' }] },
    },
    'a list changed by hand is brought back': {
      last: { rules: ['a'] },
      wanted: { rules: ['a'] },
      live: { rules: ['b'] },
      patch: { rules: ['a'] },
    },
    'a list made longer by hand is brought back': {
      last: { rules: ['a'] },
      wanted: { rules: ['a'] },
      live: { rules: ['a', 'b'] },
      patch: { rules: ['a'] },
    },
    'null means not there': { last: {}, wanted: { a: null, b: null }, live: { a: 1 }, patch: { a: null } },
  };
  for (const [name, { last, wanted, live, patch }] of Object.entries(cases)) {
    deepEqual(threeWayPatch(last, wanted, live), patch, name);
  }
});

test('the annotation is the manifest, without what the API adds and without itself', () => {
  const manifest: Resource = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'a',
      namespace: 'default',
      uid: '1',
      resourceVersion: '5',
      annotations: { note: 'x', [LAST_APPLIED]: 'old' },
    },
    spec: { ports: [] },
    status: { x: 1 },
  };
  const { metadata, status } = withLastApplied(manifest);
  equal(status, undefined);
  equal(metadata.resourceVersion, undefined);
  const text = metadata.annotations?.[LAST_APPLIED] ?? '';
  equal(text.endsWith('}\n'), true);
  deepEqual(JSON.parse(text), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a', namespace: 'default', annotations: { note: 'x' } },
    spec: { ports: [] },
  });
});
