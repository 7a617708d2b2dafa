// Retries in Envoy: policies of routes, and budgets of clusters. Named by registry.ts; the policies are asked for by route.ts
// of xds/envoy-form, as a route may need two, the budgets by cluster.ts.
import type { CircuitBreakers_ThresholdsSchema } from '../../gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import { RoutingPriority } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { RetryPolicySchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '../../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { UNSENT_HEADER } from '../../model/http.ts';
import type { ForwardAction } from '../../model/route.ts';
import { type Cluster, DEFAULT_RETRY_BUDGET } from '../../model/snapshot.ts';
import type { EnvoySetting, RouteContext } from '../envoy-filter.ts';
import { configured, duration, type Init } from '../envoy-message.ts';
import type { GrpcRetryStatus, RetryPolicy } from './schema.ts';

type EnvoyPolicy = Init<typeof RetryPolicySchema>;

export interface RetryVariant {
  /** Absent: all. */
  readonly methods?: 'idempotent' | 'others';
  readonly policy?: EnvoyPolicy;
}

/** Nothing was sent: safe for every method. */
const UNSENT = 'connect-failure,refused-stream,reset-before-request';
const OTHER_ENDPOINTS = 3;
/** Least-request likes an endpoint that fails, as it is idle: it takes many draws to come to another one. */
const DRAWS = 32n;

const CALL_TRIGGERS: Readonly<Record<GrpcRetryStatus, string>> = {
  1: 'cancelled',
  4: 'deadline-exceeded',
  8: 'resource-exhausted',
  13: 'internal',
  14: 'unavailable',
};

/** The conditions under which nothing was sent, or the peer's proxy says that its program got nothing. */
const unsentOf = ({ targets }: ForwardAction, { meshClusters }: RouteContext): string =>
  targets.some(({ cluster }) => meshClusters.has(cluster)) ? `${UNSENT},retriable-headers` : UNSENT;

const policyOf = (on: string, attempts: number, policy?: RetryPolicy): EnvoyPolicy => ({
  retryOn: on,
  ...(on.includes('retriable-headers') && {
    retriableHeaders: [
      {
        name: UNSENT_HEADER,
        headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: 'true' } } },
      },
    ],
  }),
  numRetries: attempts,
  retriableStatusCodes: [...(policy?.statuses ?? [])],
  hostSelectionRetryMaxAttempts: DRAWS,
  retryHostPredicate: [configured('envoy.retry_host_predicates.previous_hosts', PreviousHostsPredicateSchema, {})],
  ...(policy && {
    retryBackOff: {
      baseInterval: duration(Math.max(1, policy.backoffMs)),
      maxInterval: duration(Math.max(policy.maxBackoffMs ?? 10_000, policy.backoffMs, 1)),
    },
  }),
});

const isRetrying = (retry: RetryPolicy | undefined): retry is RetryPolicy => retry !== undefined && retry.attempts > 0;

const variantsOf = (action: ForwardAction, context: RouteContext): readonly RetryVariant[] => {
  const { retry } = action;
  // The program behind this proxy is the only one it knows; its caller's proxy may ask another.
  if (context.isInbound && !retry) return [{}];
  const unsent = unsentOf(action, context);
  if (!isRetrying(retry)) return [{ policy: policyOf(unsent, OTHER_ENDPOINTS) }];
  // Envoy knows no condition on the method inside a retry policy, so what is not idempotent has a route of its own.
  const calls = (retry.grpcStatuses ?? []).map((status) => `,${CALL_TRIGGERS[status]}`).join('');
  const careful = `${unsent}${calls}`;
  const repeating = `${careful}${retry.resets === false ? '' : ',reset'}${retry.statuses.length > 0 ? ',retriable-status-codes' : ''}`;
  return [
    { methods: 'idempotent', policy: policyOf(repeating, retry.attempts, retry) },
    { methods: 'others', policy: policyOf(careful, retry.attempts, retry) },
  ];
};

/** One for all requests, or one for those that may be done twice and one for the others. */
export const retryVariants = (action: ForwardAction, context: RouteContext): readonly RetryVariant[] => {
  const perTry = action.attemptTimeoutMs;
  const variants = variantsOf(action, context);
  if (perTry === undefined) return variants;
  return variants.map(({ policy, ...rest }) => ({ ...rest, policy: { ...policy, perTryTimeout: duration(perTry) } }));
};

/** For requests of the priority HIGH. Envoy counts what is under way: the least is what the own engine's budget has in an interval. */
export const envoyBudget = ({
  retryBudget: { percent, minimum } = DEFAULT_RETRY_BUDGET,
}: Cluster): Init<typeof CircuitBreakers_ThresholdsSchema>['retryBudget'] => ({
  budgetPercent: { value: percent },
  minRetryConcurrency: minimum,
});

export const envoySetting: EnvoySetting = {
  /** What was never sent needs no budget: only routes with retries of their own have the priority that has one. */
  route: ({ retry }) => (isRetrying(retry) ? { action: { priority: RoutingPriority.HIGH } } : {}),
};
