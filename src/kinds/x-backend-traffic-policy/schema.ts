// gateway.networking.x-k8s.io XBackendTrafficPolicy: how calls to the backends of a Service are tried again and kept together.
import { parseDurationMs } from '../duration.ts';
import { sessionPersistence } from '../http-route/schema.ts';
import type { SessionPersistenceSpec } from '../http-route/types.ts';
import type { Kind, Rule } from '../kind.ts';
import { type PolicyTarget, policyStatus, targetFields } from '../policy-parts.ts';
import { integer, keyed, object, patterns, text } from '../schema.ts';

export interface XBackendTrafficPolicySpec {
  readonly targetRefs: readonly PolicyTarget[];
  readonly retryConstraint?: {
    readonly budget: { readonly percent: number; readonly interval: string };
    readonly minRetryRate: { readonly count?: number; readonly interval?: string };
  };
  readonly sessionPersistence?: SessionPersistenceSpec;
}

const HOUR_MS = 3_600_000;

const between =
  (leastMs: number, least: string): Rule<string> =>
  (value, refuse) => {
    const ms = parseDurationMs(value) ?? 0;
    if (ms < leastMs || ms > HOUR_MS) refuse('', `${value} is not between ${least} and 1h`);
  };

const retryConstraint = object('How many of the calls may be second tries.', {
  budget: object(
    'Their share.',
    {
      percent: integer('In percent of the calls of the interval.', { minimum: 0, maximum: 100, default: 20 }),
      interval: text('The time over which calls are counted.', {
        pattern: patterns.duration,
        default: '10s',
        rules: [between(1000, '1s')],
      }),
    },
    { default: { percent: 20, interval: '10s' } },
  ),
  minRetryRate: object(
    'So many are allowed in any case.',
    {
      count: integer('Tries in the interval.', { minimum: 1, maximum: 1_000_000 }),
      interval: text('The time over which they are counted.', {
        pattern: patterns.duration,
        rules: [between(1, '1ms')],
      }),
    },
    { default: { count: 10, interval: '1s' } },
  ),
});

const { sectionName: _, ...wholeTarget } = targetFields;

export const xBackendTrafficPolicy: Kind = {
  group: 'gateway.networking.x-k8s.io',
  version: 'v1alpha1',
  alsoServed: [],
  kind: 'XBackendTrafficPolicy',
  plural: 'xbackendtrafficpolicies',
  singular: 'xbackendtrafficpolicy',
  shortNames: ['xbtrafficpolicy'],
  namespaced: true,
  statusSubresource: true,
  schema: object('How calls to the backends of a Service are tried again and kept together.', {
    'spec!': object('What is wanted of it.', {
      'targetRefs!': keyed('Services.', ['group', 'kind', 'name'], object('One Service.', wholeTarget), {
        minItems: 1,
        maxItems: 16,
      }),
      retryConstraint,
      sessionPersistence,
    }),
    status: policyStatus,
  }),
  columns: [],
};
