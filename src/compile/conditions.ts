// Conditions of statuses: a time moves only when the status of the condition does. Used where statuses are made.
import { timestampOf } from '../lib/clock.ts';
import type { Condition, Resource } from '../model/resource.ts';

export interface Verdict {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** What a condition says when all is well. */
const WELL: Readonly<Record<string, string>> = {
  Accepted: 'valid, and in use',
  ResolvedRefs: 'everything it refers to exists and may be used',
  Programmed: 'sent to the data plane',
};

export const yes = (type: string, reason: string, message = WELL[type] ?? ''): Verdict => ({
  type,
  status: 'True',
  reason,
  message,
});

export const no = (type: string, reason: string, message: string): Verdict => ({
  type,
  status: 'False',
  reason,
  message,
});

/** Conditions for the verdicts; `previous` are those that the resource has now. */
export const conditionsOf = (
  verdicts: readonly Verdict[],
  previous: readonly Condition[] | undefined,
  { metadata }: Resource,
  nowMs: number,
): Condition[] =>
  verdicts.map(({ type, status, reason, message }) => {
    const before = Array.isArray(previous) ? previous.find((condition) => condition?.type === type) : undefined;
    return {
      type,
      status,
      reason,
      message,
      ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
      lastTransitionTime:
        before?.status === status && typeof before.lastTransitionTime === 'string'
          ? before.lastTransitionTime
          : timestampOf(nowMs),
    };
  });
