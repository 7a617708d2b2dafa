import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../model/resource.ts';
import { validateResource } from '../validate.ts';
import { backendTrafficPolicy } from './schema.ts';

const target = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'a' };

const limited = (selector: object) => ({ clientSelectors: [selector], limit: { requests: 1, unit: 'Second' } });

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
  'takes a hash for ConsistentHash': {
    spec: { targetRef: target, loadBalancer: { type: 'ConsistentHash', consistentHash: { type: 'SourceIP' } } },
    want: [],
  },
  'refuses ConsistentHash without a hash': {
    spec: { targetRef: target, loadBalancer: { type: 'ConsistentHash' } },
    want: ['spec.loadBalancer.consistentHash'],
  },
  'refuses a hash for others': {
    spec: { targetRef: target, loadBalancer: { type: 'Random', consistentHash: { type: 'SourceIP' } } },
    want: ['spec.loadBalancer.consistentHash'],
  },
  'refuses a hash of a header that is not named': {
    spec: { targetRef: target, loadBalancer: { type: 'ConsistentHash', consistentHash: { type: 'Header' } } },
    want: ['spec.loadBalancer.consistentHash.header'],
  },
  'refuses a cookie for a hash of something else': {
    spec: {
      targetRef: target,
      loadBalancer: { type: 'ConsistentHash', consistentHash: { type: 'SourceIP', cookie: { name: 'a' } } },
    },
    want: ['spec.loadBalancer.consistentHash.cookie'],
  },
  'refuses a slow start where there is none': {
    spec: { targetRef: target, loadBalancer: { type: 'Random', slowStart: { window: '10s' } } },
    want: ['spec.loadBalancer.slowStart'],
  },
  'refuses a zone awareness of hashes': {
    spec: {
      targetRef: target,
      loadBalancer: { type: 'ConsistentHash', consistentHash: { type: 'SourceIP' }, zoneAware: {} },
    },
    want: ['spec.loadBalancer.zoneAware'],
  },
  'takes checks of each type': {
    spec: {
      targetRef: target,
      healthCheck: { active: { type: 'GRPC' }, passive: {}, panicThreshold: 50 },
    },
    want: [],
  },
  'refuses a check by HTTP without a path': {
    spec: { targetRef: target, healthCheck: { active: { type: 'HTTP' } } },
    want: ['spec.healthCheck.active.http'],
  },
  'refuses what belongs to another check': {
    spec: { targetRef: target, healthCheck: { active: { type: 'TCP', tcp: {}, grpc: {} } } },
    want: ['spec.healthCheck.active.grpc'],
  },
  'refuses a payload of the other kind': {
    spec: {
      targetRef: target,
      healthCheck: { active: { type: 'TCP', tcp: { send: { type: 'Text', binary: 'YQ==' } } } },
    },
    want: ['spec.healthCheck.active.tcp.send.text', 'spec.healthCheck.active.tcp.send.binary'],
  },
  'refuses a rhythm of nothing': {
    spec: { targetRef: target, healthCheck: { active: { type: 'TCP', tcp: {}, interval: '0s' } } },
    want: ['spec.healthCheck.active.interval'],
  },
  'takes limits of rates': {
    spec: {
      targetRef: target,
      rateLimit: {
        local: {
          rules: [
            {
              clientSelectors: [
                { headers: [{ name: 'x', type: 'Distinct' }], sourceCIDR: { value: '10.0.0.0/8', type: 'Distinct' } },
              ],
              limit: { requests: 1, unit: 'Second' },
            },
          ],
        },
      },
    },
    want: [],
  },
  'refuses a selector of nothing': {
    spec: { targetRef: target, rateLimit: { local: { rules: [limited({})] } } },
    want: ['spec.rateLimit.local.rules[0].clientSelectors[0]'],
  },
  'refuses a value where every value counts': {
    spec: {
      targetRef: target,
      rateLimit: { global: { rules: [limited({ headers: [{ name: 'x', type: 'Distinct', value: 'a' }] })] } },
    },
    want: ['spec.rateLimit.global.rules[0].clientSelectors[0].headers[0].value'],
  },
  'refuses blocks, patterns and names that are none': {
    spec: {
      targetRef: target,
      rateLimit: {
        local: {
          rules: [
            limited({ sourceCIDR: { value: '10.0.0.0/40' } }),
            limited({ path: { type: 'RegularExpression', value: '(' } }),
            limited({ headers: [{ name: 'x y', value: 'a' }] }),
          ],
        },
      },
    },
    want: [
      'spec.rateLimit.local.rules[0].clientSelectors[0].sourceCIDR.value',
      'spec.rateLimit.local.rules[1].clientSelectors[0].path.value',
      'spec.rateLimit.local.rules[2].clientSelectors[0].headers[0].name',
    ],
  },
  'refuses costs of answers in local limits': {
    spec: {
      targetRef: target,
      rateLimit: {
        local: { rules: [{ limit: { requests: 1, unit: 'Day' }, cost: { response: { from: 'Number' } } }] },
      },
    },
    want: ['spec.rateLimit.local.rules[0].cost.response'],
  },
  'takes compression': {
    spec: { targetRef: target, compressor: [{ type: 'Zstd' }, { type: 'Gzip', gzip: { compressionLevel: 9 } }] },
    want: [],
  },
  'refuses options of another encoding': {
    spec: { targetRef: target, compressor: [{ type: 'Zstd', gzip: {} }] },
    want: ['spec.compressor[0].gzip'],
  },
  'refuses a least length under that of Envoy': {
    spec: { targetRef: target, compression: [{ type: 'Gzip', minContentLength: 10 }] },
    want: ['spec.compression[0].minContentLength'],
  },
  'refuses unknown triggers': {
    spec: { targetRef: target, retry: { retryOn: { triggers: ['always'] } } },
    want: ['spec.retry.retryOn.triggers[0]'],
  },
};

for (const [sentence, { spec, want }] of Object.entries(cases)) {
  test(sentence, () => assert.deepEqual(problemsOf(spec), want));
}
