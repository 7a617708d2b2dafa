// XBackendTrafficPolicies: how many retries the backends of a Service are given, and the policies' statuses. Used by compiler.ts.
import { parseDurationMs } from '../kinds/duration.ts';
import type { PolicyTarget } from '../kinds/policy-parts.ts';
import type { XBackendTrafficPolicySpec } from '../kinds/x-backend-traffic-policy/schema.ts';
import type { Problem } from '../model/problem.ts';
import type { RetryBudget } from '../model/snapshot.ts';
import { no, type Verdict, yes } from './conditions.ts';
import { byAge, type Input } from './input.ts';
import { policyStatusOf } from './policy-status.ts';
import { notSupported, problemOf } from './problem.ts';
import { changedOnly, type Status } from './statuses.ts';

type PolicyInput = Input<XBackendTrafficPolicySpec>;

export interface RetryBudgets {
  /** By `namespace/name` of the Service. */
  readonly budgets: ReadonlyMap<string, RetryBudget>;
  readonly statuses: readonly Status[];
  readonly problems: readonly Problem[];
}

const SESSION_HINT = 'ask for it in the routes; the rest of the policy holds';

/** `services`: the keys of those that exist. */
export const compileRetryBudgets = (
  policies: readonly PolicyInput[],
  services: ReadonlySet<string>,
  nowMs: number,
): RetryBudgets => {
  const budgets = new Map<string, RetryBudget>();
  const owners = new Map<string, string>();
  const problems: Problem[] = [];
  const statuses = [...policies].sort(byAge).map((input) => {
    const { spec, namespace } = input;
    const budget = budgetOf(spec);
    const ancestors = spec.targetRefs.map((target) => {
      const accepted = acceptedAt(input, target, services, owners);
      if (accepted.status !== 'True' && accepted.reason !== 'Invalid') {
        problems.push(problemOf(input, 'POLICY_NOT_ACCEPTED', accepted.message, { path: 'spec.targetRefs' }));
      }
      if (budget && owners.get(`${namespace}/${target.name}`) === input.key)
        budgets.set(`${namespace}/${target.name}`, budget);
      const { group, kind, name } = target;
      return { ancestorRef: { group, kind, namespace, name }, verdicts: [accepted] };
    });
    if (spec.sessionPersistence) {
      problems.push(notSupported(input, 'spec.sessionPersistence', 'session persistence of a Service', SESSION_HINT));
    }
    return policyStatusOf(input, ancestors, nowMs);
  });
  return { budgets, statuses: changedOnly(statuses), problems };
};

/** A rate by the millisecond comes to more than Envoy can count. */
const MAX_MINIMUM = 2 ** 31 - 1;

const budgetOf = ({ retryConstraint }: XBackendTrafficPolicySpec): RetryBudget | undefined => {
  if (!retryConstraint) return undefined;
  const { budget, minRetryRate } = retryConstraint;
  const intervalMs = parseDurationMs(budget.interval) ?? 10_000;
  const { count = 10, interval = '1s' } = minRetryRate;
  const minimum = Math.ceil((count * intervalMs) / (parseDurationMs(interval) || 1000));
  return { percent: budget.percent, intervalMs, minimum: Math.min(minimum, MAX_MINIMUM) };
};

const acceptedAt = (
  { namespace, key, spec }: PolicyInput,
  { group, kind, name }: PolicyTarget,
  services: ReadonlySet<string>,
  owners: Map<string, string>,
): Verdict => {
  if (group !== '' || kind !== 'Service') {
    return no('Accepted', 'TargetNotFound', `a target of kind ${kind} is not supported; use a Service`);
  }
  const id = `${namespace}/${name}`;
  if (!services.has(id)) return no('Accepted', 'TargetNotFound', `there is no Service ${id}`);
  const owner = owners.get(id);
  if (owner !== undefined) return no('Accepted', 'Conflicted', `the older policy ${owner} is for the same target`);
  owners.set(id, key);
  return spec.sessionPersistence
    ? no('Accepted', 'Invalid', `session persistence of a Service is not supported; ${SESSION_HINT}`)
    : yes('Accepted', 'Accepted');
};
