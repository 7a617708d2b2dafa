// Tests of selectors.ts: what a selector takes, and which are refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../model/resource.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';
import { ApiError } from './status.ts';

const labeled = (name: string, labels: Record<string, string>): Resource => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name, namespace: 'default', labels },
});

const all = [
  labeled('front', { app: 'front', version: 'v1', 'example.dev/tier': '3' }),
  labeled('reviews', { app: 'reviews', version: 'v2' }),
  labeled('bare', {}),
];

const labels: Record<string, string[]> = {
  '': ['front', 'reviews', 'bare'],
  'app=front': ['front'],
  'app==front': ['front'],
  'app!=front': ['reviews', 'bare'],
  'app=front,version=v2': [],
  'app in (front, reviews)': ['front', 'reviews'],
  'app notin (front)': ['reviews', 'bare'],
  'app in (front),version=v1': ['front'],
  app: ['front', 'reviews'],
  '!app': ['bare'],
  'example.dev/tier=3': ['front'],
  'example.dev/tier>2': ['front'],
  'example.dev/tier<3': [],
  constructor: [],
};

for (const [selector, want] of Object.entries(labels)) {
  test(`the label selector "${selector}" takes ${want.join(', ') || 'nothing'}`, () => {
    const matches = parseLabelSelector(selector) ?? (() => true);
    assert.deepEqual(
      all.filter(matches).map((resource) => resource.metadata.name),
      want,
    );
  });
}

for (const selector of ['a===b', 'app in front', 'a b', '=x', 'app in (a', 'a=b c', '!!app']) {
  test(`the label selector "${selector}" is refused`, () => {
    assert.throws(() => parseLabelSelector(selector), ApiError);
  });
}

const fields: Record<string, string[]> = {
  'metadata.name=bare': ['bare'],
  'metadata.name!=bare': ['front', 'reviews'],
  'metadata.namespace==default,metadata.name=front': ['front'],
  'metadata.namespace=other': [],
};

for (const [selector, want] of Object.entries(fields)) {
  test(`the field selector "${selector}" takes ${want.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(
      all.filter(parseFieldSelector(selector)!.matches).map((resource) => resource.metadata.name),
      want,
    );
  });
}

test('fields that are not supported are refused', () => {
  for (const selector of ['spec.x=1', 'metadata.name', 'type=Opaque']) {
    assert.throws(() => parseFieldSelector(selector), ApiError);
  }
  assert.ok(parseFieldSelector('type=Opaque', ['type']));
});
