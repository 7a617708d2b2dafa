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

/** Every type that Weft writes; others are other controllers'. */
const OWN = new Set([
  'Accepted',
  'Programmed',
  'ResolvedRefs',
  'Conflicted',
  'OverlappingTLSConfig',
  'InsecureFrontendValidationMode',
  'Overridden',
]);

// The published API takes no more.
const MAX_CONDITIONS = 8;

/** Conditions for the verdicts; `previous` are those that the resource has now, of which others' stay. */
export const conditionsOf = (
  verdicts: readonly Verdict[],
  previous: readonly Condition[] | undefined,
  { metadata }: Resource,
  nowMs: number,
): Condition[] => {
  const written = Array.isArray(previous) ? (previous as readonly Condition[]) : [];
  const own = verdicts.map(({ type, status, reason, message }) => {
    const before = written.find((condition) => condition?.type === type);
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
  return [...own, ...written.filter((condition) => condition && !OWN.has(condition.type))].slice(0, MAX_CONDITIONS);
};
