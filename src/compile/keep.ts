// Keeps the identity of what did not change: equal parts of a new value are the objects of the last one. Used all over compile.
import { differenceOf, isKnownToDiffer } from '../lib/lists.ts';

/** `next`, with every part that deep-equals the same part of `previous` replaced by that object; `previous` itself when all is equal. Plain data, arrays and Maps only. */
export const keepEqual = <T>(previous: unknown, next: T): T => {
  if (Object.is(previous, next) || !isContainer(previous) || !isContainer(next)) return next;
  if (Array.isArray(next)) return Array.isArray(previous) ? (keepArray(previous, next) as T) : next;
  if (next instanceof Map) return previous instanceof Map ? (keepMapDeep(previous, next) as T) : next;
  if (Array.isArray(previous) || previous instanceof Map) return next;
  return keepRecord(previous as Record<string, unknown>, next as Record<string, unknown>) as T;
};

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;

const keepArray = (previous: readonly unknown[], next: readonly unknown[]): readonly unknown[] => {
  const { gone, come } = differenceOf(previous, next);
  // What is new is compared with what is gone in its stead; all else is the same object already, if in another place.
  const kept = new Map<unknown, unknown>();
  for (const [i, item] of come.entries()) {
    const result = keepEqual(gone[i], item);
    if (!Object.is(result, item)) kept.set(item, result);
  }
  const result = kept.size > 0 ? next.map((item) => (kept.has(item) ? kept.get(item) : item)) : next;
  return sameItems(previous, result) ? previous : result;
};

const keepMapDeep = (
  previous: ReadonlyMap<unknown, unknown>,
  next: ReadonlyMap<unknown, unknown>,
): ReadonlyMap<unknown, unknown> => {
  let same = previous.size === next.size;
  const kept = new Map<unknown, unknown>();
  for (const [key, value] of next) {
    const before = previous.get(key);
    const result = keepEqual(before, value);
    if (!Object.is(result, before) || !previous.has(key)) same = false;
    kept.set(key, result);
  }
  return same ? previous : kept;
};

const keepRecord = (previous: Record<string, unknown>, next: Record<string, unknown>): Record<string, unknown> => {
  const keys = Object.keys(next);
  let same = keys.length === Object.keys(previous).length;
  let touched = false;
  const kept: Record<string, unknown> = {};
  for (const key of keys) {
    const result = keepEqual(previous[key], next[key]);
    if (result !== next[key]) touched = true;
    if (!Object.is(result, previous[key]) || !Object.hasOwn(previous, key)) same = false;
    kept[key] = result;
  }
  return same ? previous : touched ? kept : next;
};

/** The previous Map when it holds the same objects under the same keys, in the same order. */
export const keepMap = <V>(
  previous: ReadonlyMap<string, V> | undefined,
  next: ReadonlyMap<string, V>,
): ReadonlyMap<string, V> => {
  if (previous?.size !== next.size) return next;
  const keys = previous.keys();
  for (const [key, value] of next) if (keys.next().value !== key || previous.get(key) !== value) return next;
  return previous;
};

/** True when both lists hold the same objects in the same order. */
export const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a === b || (a.length === b.length && !isKnownToDiffer(a, b) && a.every((item, i) => item === b[i]));

/** Runs `fn` again only when one of the lists holds other objects than at the last call. */
export const openStage = <Result>(): ((inputs: readonly (readonly unknown[])[], fn: () => Result) => Result) => {
  let last: { inputs: readonly (readonly unknown[])[]; result: Result } | undefined;
  return (inputs, fn) => {
    if (last?.inputs.every((list, i) => sameItems(list, inputs[i]!))) return last.result;
    last = { inputs, result: fn() };
    return last.result;
  };
};
