import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../model/resource.ts';
import { validateResource } from '../validate.ts';
import { backendTrafficPolicy } from './schema.ts';

const target = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'a' };

const problemsOf = (spec: object): string[] => {
  const resource = {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'BackendTrafficPolicy',
    metadata: { name: 'p' },
    spec,
  } as Resource;
  return validateResource(backendTrafficPolicy, resource).problems.map(({ path }) => path ?? '');
};

const cases: Record<string, { spec: object; want: string[] }> = {
  'takes a route': { spec: { targetRefs: [target] }, want: [] },
  'takes labels': { spec: { targetSelectors: [{ kind: 'Gateway', matchLabels: { a: 'b' } }] }, want: [] },
  'needs a target': { spec: {}, want: ['spec'] },
  'takes one way to name targets': { spec: { targetRef: target, targetRefs: [target] }, want: ['spec'] },
  'refuses other kinds': { spec: { targetRef: { ...target, kind: 'Service' } }, want: ['spec.targetRef.kind'] },
  'refuses other groups': { spec: { targetRef: { ...target, group: '' } }, want: ['spec.targetRef.group'] },
  'takes bytes with a unit': { spec: { targetRef: target, requestBuffer: { limit: '10Mi' } }, want: [] },
  'takes bytes': { spec: { targetRef: target, requestBuffer: { limit: 10 } }, want: [] },
  'refuses a buffer that is no number': {
    spec: { targetRef: target, requestBuffer: { limit: 'much' } },
    want: ['spec.requestBuffer.limit'],
  },
  'refuses a buffer that is too large': {
    spec: { targetRef: target, requestBuffer: { limit: '4Gi' } },
    want: ['spec.requestBuffer.limit'],
  },
  'refuses no time to connect': {
    spec: { targetRef: target, timeout: { tcp: { connectTimeout: '0s' } } },
    want: ['spec.timeout.tcp.connectTimeout'],
  },
  'refuses a longest pause under the first': {
    spec: { targetRef: target, retry: { perRetry: { backOff: { baseInterval: '2s', maxInterval: '1s' } } } },
    want: ['spec.retry.perRetry.backOff.maxInterval'],
  },
  'refuses a longest pause without the first': {
    spec: { targetRef: target, retry: { perRetry: { backOff: { maxInterval: '1s' } } } },
    want: ['spec.retry.perRetry.backOff.baseInterval'],
  },
  'refuses unknown triggers': {
    spec: { targetRef: target, retry: { retryOn: { triggers: ['always'] } } },
    want: ['spec.retry.retryOn.triggers[0]'],
  },
};

for (const [sentence, { spec, want }] of Object.entries(cases)) {
  test(sentence, () => assert.deepEqual(problemsOf(spec), want));
}
