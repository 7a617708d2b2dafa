// Decides who may call: Istio's AuthorizationPolicy for both HTTP requests and TCP connections.
// Called by the proxy: prepared with each snapshot, asked for every request or connection.
import type { AuthorizationPolicy } from '../model/policy.ts';
import { type Facts, type FactsTest, hasUsablePath, prepareRule } from './rule.ts';

export type { Facts } from './rule.ts';

export interface Decision {
  readonly verdict: 'allow' | 'deny';
  /** The policy that decided; where no ALLOW policy matched, those that were in force; empty where none applies. */
  readonly names: readonly string[];
  readonly reason: string;
}

/** Pure, and without allocation of its own: the same objects are returned again and again. */
export type Authorization = (facts: Facts) => Decision;

const NO_POLICY: Decision = { verdict: 'allow', names: [], reason: 'no policy applies' };
const BAD_PATH: Decision = { verdict: 'deny', names: [], reason: 'the path can not be normalized' };

interface PreparedPolicy {
  readonly decision: Decision;
  readonly rules: readonly FactsTest[];
}

const preparePolicy = (policy: AuthorizationPolicy, protocol: 'http' | 'tcp'): PreparedPolicy => {
  const verdict = policy.action === 'DENY' ? 'deny' : 'allow';
  const reason = `${verdict === 'deny' ? 'denied' : 'allowed'} by AuthorizationPolicy ${policy.name}`;
  const rules = policy.rules.flatMap((rule) => prepareRule(rule, { protocol, policy }) ?? []);
  return { decision: { verdict, names: [policy.name], reason }, rules };
};

const firstMatch = (policies: readonly PreparedPolicy[], facts: Facts): Decision | undefined => {
  for (const policy of policies) {
    for (const rule of policy.rules) if (rule(facts)) return policy.decision;
  }
  return undefined;
};

const hasPaths = (policy: AuthorizationPolicy): boolean =>
  policy.rules.some((rule) => rule.to.some((operation) => operation.paths));

/**
 * DENY first; then, where any ALLOW policy is in force, one of them must match; with no policy all is allowed.
 * Throws POLICY_INVALID when a policy can't be used: the caller keeps what it had.
 */
export const prepareAuthorization = (
  policies: readonly AuthorizationPolicy[],
  protocol: 'http' | 'tcp',
): Authorization => {
  if (policies.length === 0) return () => NO_POLICY;
  const deny = policies.filter((policy) => policy.action === 'DENY').map((policy) => preparePolicy(policy, protocol));
  const allowing = policies.filter((policy) => policy.action === 'ALLOW');
  const allow = allowing.map((policy) => preparePolicy(policy, protocol));
  const names = allowing.map((policy) => policy.name);
  const otherwise: Decision = allow.length
    ? { verdict: 'deny', names, reason: `no ALLOW policy matches (in force: ${names.join(', ')})` }
    : { verdict: 'allow', names: [], reason: 'no DENY policy matches' };
  const readsPaths = protocol === 'http' && policies.some(hasPaths);
  return (facts) => {
    if (readsPaths && !hasUsablePath(facts)) return BAD_PATH;
    return firstMatch(deny, facts) ?? firstMatch(allow, facts) ?? otherwise;
  };
};
