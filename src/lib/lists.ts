// Long lists of which little changes from run to run: mapped, joined and sorted at the cost of what changed. A list made of
// another remembers how they differ, so that the next step need not look for it. Used all over compile, and by xds.

/** Where two lists differ: what stands at `startA` to `endA` of one is `startB` to `endB` of the other. */
export interface Change {
  readonly startA: number;
  readonly endA: number;
  readonly startB: number;
  readonly endB: number;
}

interface Origin {
  readonly from: readonly unknown[];
  /** In order; never empty. */
  readonly changes: readonly Change[];
}

/** Of each list's newest successor only, so that older ones can go. */
const origins = new WeakMap<readonly unknown[], Origin>();

/** So many changes are followed one by one; of more, the whole list is looked at. */
const FEW = 64;

const NONE: readonly Change[] = [];

const sizeOf = (changes: readonly Change[]): number =>
  changes.reduce((sum, { startA, endA, startB, endB }) => sum + endA - startA + endB - startB, 0);

/** Remembers how `next` came from `from`. What has gone is held until the next change, so few only. */
const remember = <T>(from: readonly T[], next: readonly T[], changes: readonly Change[]): readonly T[] => {
  origins.delete(from);
  if (changes.length > 0 && sizeOf(changes) <= FEW) origins.set(next, { from, changes });
  return next;
};

/** True where one list is known to have come from the other, and not to be equal: nothing has to be looked at. */
export const isKnownToDiffer = (a: readonly unknown[], b: readonly unknown[]): boolean => origins.get(b)?.from === a;

/** The list that this one was made of, while that is remembered. */
export const originOf = <T>(list: readonly T[]): readonly T[] | undefined =>
  origins.get(list)?.from as readonly T[] | undefined;

/** Where two lists differ, in order. */
export const changesOf = (a: readonly unknown[], b: readonly unknown[]): readonly Change[] => {
  if (a === b) return NONE;
  const origin = origins.get(b);
  if (origin?.from === a) return origin.changes;
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let same = 0;
  while (same < shorter - start && a[a.length - 1 - same] === b[b.length - 1 - same]) same++;
  const [endA, endB] = [a.length - same, b.length - same];
  if (start === endA && start === endB) return NONE;
  if (endA !== endB) return [{ startA: start, endA, startB: start, endB }];
  const changes: Change[] = [];
  for (let i = start; i < endA; i++) {
    if (a[i] !== b[i]) changes.push({ startA: i, endA: i + 1, startB: i, endB: i + 1 });
  }
  return changes;
};

/** The items that only one of two lists has. */
export const differenceOf = <T>(a: readonly T[], b: readonly T[]): { readonly gone: T[]; readonly come: T[] } => {
  const [gone, come]: [T[], T[]] = [[], []];
  for (const { startA, endA, startB, endB } of changesOf(a, b)) {
    for (let i = startA; i < endA; i++) gone.push(a[i]!);
    for (let i = startB; i < endB; i++) come.push(b[i]!);
  }
  if (gone.length === 0 || come.length === 0 || (gone.length === 1 && come.length === 1)) return { gone, come };
  const [before, after] = [new Set(gone), new Set(come)];
  return { gone: gone.filter((item) => !after.has(item)), come: come.filter((item) => !before.has(item)) };
};

/** What stands in a new list instead of what an old one had from `start` to `end`. */
interface Piece<T> {
  readonly start: number;
  readonly end: number;
  readonly items: readonly T[];
}

/** `from` with these pieces, which are in order; remembers how it differs. */
const replace = <T>(from: readonly T[], pieces: readonly Piece<T>[]): readonly T[] => {
  if (pieces.length === 0) return from;
  const isSameSize = pieces.every(({ start, end, items }) => end - start === items.length);
  const next = isSameSize ? from.slice() : [];
  const changes: Change[] = [];
  let at = 0;
  for (const { start, end, items } of pieces) {
    if (!isSameSize) copy(from, at, start, next);
    const startB = isSameSize ? start : next.length;
    for (const [i, item] of items.entries()) next[startB + i] = item;
    changes.push({ startA: start, endA: end, startB, endB: startB + items.length });
    at = end;
  }
  if (!isSameSize) copy(from, at, from.length, next);
  return remember(from, next, changes);
};

const copy = <T>(from: readonly T[], start: number, end: number, to: T[]): void => {
  for (let i = start; i < end; i++) to.push(from[i]!);
};

/**
 * What `items` map to, where `last` mapped to `results`: items that were in it keep theirs. The same list when nothing
 * changed. Results may have more at their end, which stays.
 */
export const mapAgain = <T, R>(
  last: readonly T[],
  results: readonly R[],
  items: readonly T[],
  fn: (item: T) => R,
): readonly R[] => {
  const changes = changesOf(last, items);
  const known = new Map<T, R>();
  for (const { startA, endA } of changes) for (let i = startA; i < endA; i++) known.set(last[i]!, results[i]!);
  const resultOf = (item: T): R => (known.has(item) ? known.get(item)! : fn(item));
  const pieces = changes.map(({ startA: start, endA: end, startB, endB }) => ({
    start,
    end,
    items: items.slice(startB, endB).map(resultOf),
  }));
  const isSame = ({ start, end, items: made }: Piece<R>) =>
    made.length === 1 && end - start === 1 && made[0] === results[start];
  return replace(
    results,
    pieces.filter((piece) => !isSame(piece)),
  );
};

/** Maps a list again and again, as `mapAgain` does. */
export const openMap = <T, R>() => {
  let last: readonly T[] = [];
  let results: readonly R[] = [];
  return (items: readonly T[], fn: (item: T) => R): readonly R[] => {
    results = mapAgain(last, results, items, fn);
    last = items;
    return results;
  };
};

/** Puts lists together, one behind the other. The same list when nothing changed. */
export const openConcat = <T>() => {
  let last: readonly (readonly T[])[] = [];
  let joined: readonly T[] = [];
  return (lists: readonly (readonly T[])[]): readonly T[] => {
    const changes: Change[] = [];
    let [atA, atB] = [0, 0];
    for (const [i, list] of lists.entries()) {
      const before = last[i] ?? [];
      for (const { startA, endA, startB, endB } of changesOf(before, list)) {
        changes.push({ startA: atA + startA, endA: atA + endA, startB: atB + startB, endB: atB + endB });
      }
      atA += before.length;
      atB += list.length;
    }
    if (changes.length === 0 && atA === joined.length) return joined;
    const next = ([] as T[]).concat(...lists);
    joined = last.length === lists.length ? remember(joined, next, changes) : next;
    last = lists;
    return joined;
  };
};

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
  const edits = [...editsOf(sorted, gone, come, compare)].sort(([a], [b]) => a - b);
  return replace(
    sorted,
    edits.map(([start, { come: items, isGone }]) => ({ start, end: isGone ? start + 1 : start, items })),
  );
};

interface Edit<T> {
  /** To be put before what stands there. */
  readonly come: T[];
  isGone: boolean;
}

/** By place. */
const editsOf = <T>(
  sorted: readonly T[],
  gone: readonly T[],
  come: readonly T[],
  compare: (a: T, b: T) => number,
): ReadonlyMap<number, Edit<T>> => {
  const edits = new Map<number, Edit<T>>();
  const at = (place: number): Edit<T> => {
    const edit = edits.get(place) ?? { come: [], isGone: false };
    edits.set(place, edit);
    return edit;
  };
  for (const item of gone) {
    const place = placeIn(sorted, item, compare);
    const found = sorted[place] === item ? place : sorted.indexOf(item);
    if (found >= 0) at(found).isGone = true;
  }
  for (const item of come.toSorted(compare)) at(placeIn(sorted, item, compare)).come.push(item);
  return edits;
};

/** The first place of a sorted list whose item isn't smaller. */
export const placeIn = <T>(list: readonly T[], item: T, compare: (a: T, b: T) => number): number => {
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
