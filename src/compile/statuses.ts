// Statuses that compile found: which of them differ from what is stored, and the one form of Istio's kinds. Used by compiler.ts, routing.ts and security.ts.
import type { Problem } from '../model/problem.ts';
import type { Condition } from '../model/resource.ts';
import { conditionsOf, no, yes } from './conditions.ts';
import type { Input } from './input.ts';
import { keepEqual } from './keep.ts';

export interface Status {
  readonly input: Input;
  readonly status: unknown;
}

/** Those that differ from what the resource has. */
export const changedOnly = (statuses: readonly Status[]): Status[] =>
  statuses.filter(({ input, status }) => keepEqual(input.stored.status, status) !== input.stored.status);

/** Istio's kinds have one condition here: Accepted, False when a part could not be honoured. */
export const istioStatusOf = (input: Input, problems: readonly Problem[], nowMs: number): Status => {
  const [worst] = [...problems].sort((a, b) => (a.severity < b.severity ? -1 : a.severity > b.severity ? 1 : 0));
  const message = problems
    .map((problem) => (problem.hint ? `${problem.message}; ${problem.hint}` : problem.message))
    .join('. ');
  const verdict =
    worst?.severity === 'error'
      ? no('Accepted', worst.code === 'NOT_SUPPORTED' ? 'UnsupportedValue' : 'Invalid', message)
      : yes('Accepted', 'Accepted', message);
  const before = (input.stored.status ?? {}) as { conditions?: readonly Condition[] };
  return {
    input,
    status: { ...before, conditions: conditionsOf([verdict], before.conditions, input.resource, nowMs) },
  };
};
