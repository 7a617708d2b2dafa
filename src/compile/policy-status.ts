// Statuses of attached policies: conditions at each Gateway. Used by client-policies.ts and backend-tls.ts.
import { CONTROLLER_NAME } from '../kinds/gateway-class/schema.ts';
import type { AncestorRef, PolicyAncestorStatus, PolicyStatus } from '../kinds/policy-parts.ts';
import { conditionsOf, type Verdict } from './conditions.ts';
import type { Input } from './input.ts';
import type { Status } from './statuses.ts';

export interface AncestorVerdicts {
  readonly ancestorRef: AncestorRef;
  readonly verdicts: readonly Verdict[];
}

// The published API takes no more.
const MAX_ANCESTORS = 16;

/** What other controllers wrote stays. */
export const policyStatusOf = (input: Input, ancestors: readonly AncestorVerdicts[], nowMs: number): Status => {
  const { ancestors: written } = (input.stored.status ?? {}) as Partial<PolicyStatus>;
  const before = Array.isArray(written) ? (written as readonly PolicyAncestorStatus[]) : [];
  const foreign = before.filter((ancestor) => ancestor?.controllerName !== CONTROLLER_NAME);
  const own = ancestors.map(({ ancestorRef, verdicts }): PolicyAncestorStatus => {
    const last = before.find(
      (ancestor) => ancestor?.controllerName === CONTROLLER_NAME && isSame(ancestor.ancestorRef, ancestorRef),
    );
    const conditions = conditionsOf(verdicts, last?.conditions, input.resource, nowMs);
    return { ancestorRef, controllerName: CONTROLLER_NAME, conditions };
  });
  return { input, status: { ancestors: [...foreign, ...own].slice(0, MAX_ANCESTORS) } };
};

const isSame = (a: AncestorRef | undefined, b: AncestorRef): boolean =>
  a?.kind === b.kind && a.name === b.name && a.namespace === b.namespace && a.sectionName === b.sectionName;
