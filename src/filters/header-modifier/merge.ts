// Makes one header edit of a list of header modifiers; both engines' forms start from it, so that they agree.
import type { HeaderModifier } from './schema.ts';

/** First every name of `remove` goes, then the writes happen in order. Names are lower case. */
export interface HeaderEdit {
  readonly remove: readonly string[];
  readonly writes: readonly HeaderWrite[];
}

export interface HeaderWrite {
  /** `set` replaces all values of the name; `add` leaves them. */
  readonly mode: 'set' | 'add';
  readonly name: string;
  readonly value: string;
}

// What frames a message or names its host is the proxy's own affair: an edit there would let a route forge it.
const PROTECTED = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'te', 'trailer', 'upgrade']);

/** True for headers that no filter may change. Envoy refuses such an edit; the own engine leaves it out. */
const isProtectedHeader = (name: string): boolean => name.startsWith(':') || PROTECTED.has(name.toLowerCase());

const applyTo = (edit: { remove: Set<string>; writes: HeaderWrite[] }, filter: HeaderModifier): void => {
  // Envoy makes all additions last, wherever they stand, so what comes later must take them back here.
  const forget = (name: string) => {
    edit.writes = edit.writes.filter((write) => write.name !== name);
  };
  const write = (mode: HeaderWrite['mode'], name: string, value: string) => {
    if (isProtectedHeader(name)) return;
    if (mode === 'set') forget(name);
    edit.writes.push({ mode, name, value });
  };
  for (const name of filter.remove.map((n) => n.toLowerCase())) {
    if (isProtectedHeader(name)) continue;
    forget(name);
    edit.remove.add(name);
  }
  for (const { name, value } of filter.set) write('set', name.toLowerCase(), value);
  for (const { name, value } of filter.add) write('add', name.toLowerCase(), value);
};

/**
 * The edit that `filters` of one type make together, each acting on what the one before left. Within one filter
 * the order is remove, set, add, as in Envoy. Undefined when nothing is to be done.
 */
export const mergeHeaderModifiers = (
  filters: readonly HeaderModifier[],
  type: HeaderModifier['type'],
): HeaderEdit | undefined => {
  const edit = { remove: new Set<string>(), writes: [] as HeaderWrite[] };
  for (const filter of filters) if (filter.type === type) applyTo(edit, filter);
  return edit.remove.size || edit.writes.length ? { remove: [...edit.remove], writes: edit.writes } : undefined;
};
