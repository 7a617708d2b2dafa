// Long lists of which little changes from run to run: mapped and sorted at the cost of what changed. Used all over compile.

/** What two lists don't have in common at their beginning and at their end. */
export const middleOf = (
  a: readonly unknown[],
  b: readonly unknown[],
): { start: number; endA: number; endB: number } => {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let same = 0;
  while (same < shorter - start && a[a.length - 1 - same] === b[b.length - 1 - same]) same++;
  return { start, endA: a.length - same, endB: b.length - same };
};

/** The items that only one of two lists has. */
export const differenceOf = <T>(a: readonly T[], b: readonly T[]): { readonly gone: T[]; readonly come: T[] } => {
  const { start, endA, endB } = middleOf(a, b);
  const isReplaced = endA === endB;
  const [gone, come]: [T[], T[]] = [[], []];
  for (let i = start; i < endA; i++) if (!isReplaced || a[i] !== b[i]) gone.push(a[i]!);
  for (let i = start; i < endB; i++) if (!isReplaced || a[i] !== b[i]) come.push(b[i]!);
  if (gone.length === 0 || come.length === 0 || (gone.length === 1 && come.length === 1)) return { gone, come };
  const [before, after] = [new Set(gone), new Set(come)];
  return { gone: gone.filter((item) => !after.has(item)), come: come.filter((item) => !before.has(item)) };
};

/** Maps a list; items that were in the last one keep their results. The same list when nothing changed. */
export const openMap = <T, R>() => {
  let last: readonly T[] = [];
  let results: readonly R[] = [];
  return (items: readonly T[], fn: (item: T) => R): readonly R[] => {
    const { start, endA, endB } = middleOf(last, items);
    if (endA === start && endB === start) return results;
    const known = knownResults(last, items, results, start, endA, endB);
    const next = results.slice(0, start);
    const isReplaced = endA === endB;
    for (let i = start; i < endB; i++) {
      const item = items[i]!;
      next.push(isReplaced && last[i] === item ? results[i]! : (known.get(item) ?? fn(item)));
    }
    for (let i = endA; i < results.length; i++) next.push(results[i]!);
    [last, results] = [items, next];
    return results;
  };
};

/** Of the items that are no longer in their places. */
const knownResults = <T, R>(
  before: readonly T[],
  after: readonly T[],
  results: readonly R[],
  start: number,
  endBefore: number,
  endAfter: number,
): ReadonlyMap<T, R> => {
  const known = new Map<T, R>();
  const isReplaced = endBefore === endAfter;
  for (let i = start; i < endBefore; i++) {
    if (!isReplaced || before[i] !== after[i]) known.set(before[i]!, results[i]!);
  }
  return known;
};

/** So many are moved one by one; of more, the whole list is sorted. */
const FEW = 64;

/** A sorted list without what is gone and with what has come. */
export const updateSorted = <T>(
  sorted: readonly T[],
  gone: readonly T[],
  come: readonly T[],
  compare: (a: T, b: T) => number,
): readonly T[] => {
  if (gone.length + come.length === 0) return sorted;
  if (gone.length + come.length > FEW) {
    const left = new Set(gone);
    return [...sorted.filter((item) => !left.has(item)), ...come].sort(compare);
  }
  const list = [...sorted];
  for (const item of gone) {
    const place = placeIn(list, item, compare);
    list.splice(list[place] === item ? place : list.indexOf(item), 1);
  }
  for (const item of come) list.splice(placeIn(list, item, compare), 0, item);
  return list;
};

/** The first place whose item isn't smaller. */
const placeIn = <T>(list: readonly T[], item: T, compare: (a: T, b: T) => number): number => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle]!, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Keeps a list sorted. Of items that are equal in order, the place is open. */
export const openSorted = <T>(compare: (a: T, b: T) => number): ((items: readonly T[]) => readonly T[]) => {
  let last: readonly T[] = [];
  let sorted: readonly T[] = [];
  return (items) => {
    const { gone, come } = differenceOf(last, items);
    last = items;
    sorted = updateSorted(sorted, gone, come, compare);
    return sorted;
  };
};
