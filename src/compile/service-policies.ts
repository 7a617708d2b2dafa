// XBackendTrafficPolicies: how many retries the backends of a Service are given, how clients stay with one of them, and the
// policies' statuses. Used by compiler.ts.
import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import type { PolicyTarget } from '../kinds/policy-parts.ts';
import type { XBackendTrafficPolicySpec } from '../kinds/x-backend-traffic-policy/schema.ts';
import type { Problem } from '../model/problem.ts';
import type { RetryBudget } from '../model/snapshot.ts';
import { no, type Verdict, yes } from './conditions.ts';
import { byAge, type Input } from './input.ts';
import { policyStatusOf } from './policy-status.ts';
import { notSupported, problemOf } from './problem.ts';
import type { Unsupported } from './routes.ts';
import { compileSession, unsupportedSession } from './sessions.ts';
import { changedOnly, type Status } from './statuses.ts';

type PolicyInput = Input<XBackendTrafficPolicySpec>;

export interface ServicePolicies {
  /** By `namespace/name` of the Service. */
  readonly budgets: ReadonlyMap<string, RetryBudget>;
  readonly sessions: ReadonlyMap<string, SessionPersistence>;
  readonly statuses: readonly Status[];
  readonly problems: readonly Problem[];
}

/** `services`: the keys of those that exist. */
export const compileServicePolicies = (
  policies: readonly PolicyInput[],
  services: ReadonlySet<string>,
  nowMs: number,
): ServicePolicies => {
  const budgets = new Map<string, RetryBudget>();
  const sessions = new Map<string, SessionPersistence>();
  const owners = new Map<string, string>();
  const problems: Problem[] = [];
  const statuses = [...policies].sort(byAge).map((input) => {
    const { spec, namespace } = input;
    const budget = budgetOf(spec);
    const { sessionPersistence } = spec;
    const refused = sessionPersistence ? unsupportedSession(sessionPersistence, 'spec.sessionPersistence') : [];
    const ancestors = spec.targetRefs.map((target) => {
      const accepted = acceptedAt(input, target, services, owners, refused);
      if (accepted.status !== 'True' && accepted.reason !== 'Invalid') {
        problems.push(problemOf(input, 'POLICY_NOT_ACCEPTED', accepted.message, { path: 'spec.targetRefs' }));
      }
      const service = `${namespace}/${target.name}`;
      if (owners.get(service) === input.key) {
        if (budget) budgets.set(service, budget);
        if (sessionPersistence && refused.length === 0)
          sessions.set(
            service,
            compileSession(sessionPersistence, `XBackendTrafficPolicy/${input.key}/${target.name}`),
          );
      }
      const { group, kind, name } = target;
      return { ancestorRef: { group, kind, namespace, name }, verdicts: [accepted] };
    });
    for (const { path, what } of refused)
      problems.push(notSupported(input, path, what, 'there is no session then; the rest of the policy holds'));
    return policyStatusOf(input, ancestors, nowMs);
  });
  return { budgets, sessions, statuses: changedOnly(statuses), problems };
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
  { namespace, key }: PolicyInput,
  { group, kind, name }: PolicyTarget,
  services: ReadonlySet<string>,
  owners: Map<string, string>,
  [refused]: readonly Unsupported[],
): Verdict => {
  if (group !== '' || kind !== 'Service') {
    return no('Accepted', 'TargetNotFound', `a target of kind ${kind} is not supported; use a Service`);
  }
  const id = `${namespace}/${name}`;
  if (!services.has(id)) return no('Accepted', 'TargetNotFound', `there is no Service ${id}`);
  const owner = owners.get(id);
  if (owner !== undefined) return no('Accepted', 'Conflicted', `the older policy ${owner} is for the same target`);
  owners.set(id, key);
  return refused
    ? no('Accepted', 'Invalid', `${refused.path}: ${refused.what} is not supported; the rest of the policy holds`)
    : yes('Accepted', 'Accepted');
};
