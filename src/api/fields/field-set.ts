// Sets of paths into an object, as managedFields writes them (FieldsV1), and what can be done with them. Pure.
import { isObject } from '../body.ts';
import { badRequest } from '../status.ts';

/**
 * A tree of path elements: `f:<field>`, `k:<keys of an item as JSON>`, `v:<value of an item as JSON>`, `i:<index>`.
 * A node is in the set when it is a member; the root never is.
 */
export interface FieldSet {
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export type Path = readonly string[];

const NONE: ReadonlyMap<string, FieldSet> = new Map();

export const emptySet: FieldSet = { member: false, children: NONE };

export const isEmptySet = ({ member, children }: FieldSet): boolean => !member && children.size === 0;

const LEAF: FieldSet = { member: true, children: NONE };

// As deep as bodies may be, which is checked where they are read.
const MAX_DEPTH = 200;

const isElement = (element: string): boolean => {
  const text = element.slice(2);
  if (element.startsWith('f:')) return true;
  if (element.startsWith('i:')) return /^\d{1,9}$/.test(text);
  try {
    const value: unknown = JSON.parse(text);
    return element.startsWith('k:') ? isObject(value) : element.startsWith('v:');
  } catch {
    return false;
  }
};

/** The set written as JSON; throws BadRequest for what is none. */
export const decodeSet = (value: unknown, depth = 0): FieldSet => {
  if (!isObject(value) || depth > MAX_DEPTH) throw badRequest('fieldsV1 must be an object of fields');
  const children = new Map<string, FieldSet>();
  const entries = Object.entries(value);
  for (const [element, child] of entries) {
    if (element === '.') continue;
    if (!isElement(element)) throw badRequest(`fieldsV1: "${element.slice(0, 100)}" is not a path element`);
    children.set(element, decodeSet(child, depth + 1));
  }
  if (depth === 0) return { member: false, children };
  if (entries.length === 0) return LEAF;
  return { member: Object.hasOwn(value, '.'), children };
};

export const encodeSet = ({ member, children }: FieldSet): Record<string, unknown> => {
  const result: Record<string, unknown> = {};
  if (member && children.size > 0) result['.'] = {};
  for (const element of [...children.keys()].sort()) result[element] = encodeSet(children.get(element)!);
  return result;
};

/** Joins two trees node by node; `member` says whether a node that is in one or both is in the result. */
const combine = (
  a: FieldSet | undefined,
  b: FieldSet | undefined,
  member: (inA: boolean, inB: boolean) => boolean,
  /** What becomes of a subtree that only one side has: all of it, or nothing. */
  onlyA: boolean,
  onlyB: boolean,
): FieldSet => {
  if (!a || !b) return (a ? onlyA && a : onlyB && b) || emptySet;
  const children = new Map<string, FieldSet>();
  const put = (element: string, node: FieldSet) => {
    if (!isEmptySet(node)) children.set(element, node);
  };
  for (const [element, child] of a.children) {
    put(element, combine(child, b.children.get(element), member, onlyA, onlyB));
  }
  if (onlyB) for (const [element, child] of b.children) if (!a.children.has(element)) put(element, child);
  return { member: member(a.member, b.member), children };
};

export const union = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (inA, inB) => inA || inB, true, true);

/** Takes away the paths of `b` themselves; what lies below them stays. */
export const difference = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (inA, inB) => inA && !inB, true, false);

export const intersection = (a: FieldSet, b: FieldSet): FieldSet =>
  combine(a, b, (inA, inB) => inA && inB, false, false);

/** Without the given paths and all that lies below them. */
export const withoutPaths = (set: FieldSet, paths: readonly Path[]): FieldSet =>
  paths.reduce((result, path) => withoutPath(result, path), set);

const withoutPath = (set: FieldSet, [element, ...rest]: Path): FieldSet => {
  const child = element === undefined ? undefined : set.children.get(element);
  if (!child) return set;
  return withChild(set, element!, rest.length === 0 ? emptySet : withoutPath(child, rest));
};

export const withChild = (set: FieldSet, element: string, child: FieldSet): FieldSet => {
  const children = new Map(set.children);
  if (isEmptySet(child)) children.delete(element);
  else children.set(element, child);
  return { ...set, children };
};

/** Only what lies below one top-level field. */
export const onlyBelow = (set: FieldSet, element: string): FieldSet => {
  const child = set.children.get(element);
  return child ? { member: false, children: new Map([[element, child]]) } : emptySet;
};

export const pathsOf = (set: FieldSet, prefix: Path = []): Path[] => [
  ...(set.member ? [prefix] : []),
  ...[...set.children].flatMap(([element, child]) => pathsOf(child, [...prefix, element])),
];

/** A set that grows, for walks through objects. */
export class FieldSetBuilder {
  readonly #root: { member: boolean; children: Map<string, FieldSet> } = { member: false, children: new Map() };

  add(path: Path): void {
    if (path.length === 0) return;
    let node = this.#root;
    for (const element of path) {
      let child = node.children.get(element) as typeof node | undefined;
      if (!child) {
        child = { member: false, children: new Map() };
        node.children.set(element, child);
      }
      node = child;
    }
    node.member = true;
  }

  build(): FieldSet {
    return this.#root;
  }
}

/** As people write paths: `.spec.ports[port=80,protocol="TCP"].name`. */
export const formatPath = (path: Path): string =>
  path
    .map((element) => {
      const text = element.slice(2);
      if (element.startsWith('f:')) return `.${text}`;
      if (element.startsWith('v:')) return `[=${text}]`;
      if (element.startsWith('i:')) return `[${text}]`;
      const keys: [string, unknown][] = Object.entries(JSON.parse(text));
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');
