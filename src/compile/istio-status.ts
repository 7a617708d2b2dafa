// The status of Istio's kinds: whether all of a resource could be honoured. Used by security.ts and compiler.ts.
import type { Problem } from '../model/problem.ts';
import type { Condition } from '../model/resource.ts';
import { conditionsOf, no, yes } from './conditions.ts';
import type { Input } from './input.ts';

export interface Status {
  readonly input: Input;
  readonly status: unknown;
}

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
  const others = Array.isArray(before.conditions) ? before.conditions.filter(({ type }) => type !== 'Accepted') : [];
  return {
    input,
    status: {
      ...before,
      conditions: [...others, ...conditionsOf([verdict], before.conditions, input.resource, nowMs)],
    },
  };
};
