// Walks through objects by their schema: which fields they have, how two differ, merging one into the other, taking fields away. Pure.
import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../body.ts';
import { type FieldSet, FieldSetBuilder, type Path } from './field-set.ts';
import { fieldElement, fieldSchema, isKnown, isNamed, itemElement, type MaybeSchema, shapeOf } from './shape.ts';

const isNothing = (value: unknown): boolean => value === undefined || value === null;

const fieldsOf = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const isEmptyContainer = (value: unknown): boolean =>
  isNothing(value) || (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0);

/** Every field that the object sets. */
export const fieldSetOf = (schema: MaybeSchema, value: unknown): FieldSet => {
  const set = new FieldSetBuilder();
  collect(schema, value, [], set);
  return set.build();
};

const collect = (schema: MaybeSchema, value: unknown, path: Path, set: FieldSetBuilder): void => {
  const shape = shapeOf(schema, value);
  if (shape === 'leaf') {
    set.add(path);
  } else if (shape === 'fields') {
    for (const [name, field] of Object.entries(fieldsOf(value))) {
      if (!isKnown(schema, name)) continue;
      const below = [...path, fieldElement(name)];
      collect(fieldSchema(schema, name), field, below, set);
      const isEmptyObject = isObject(field) && Object.keys(field).length === 0;
      if (field === null || isEmptyObject || !isNamed(schema, name)) set.add(below);
    }
  } else {
    for (const item of itemsOf(value)) {
      const below = [...path, itemElement(schema, item)];
      collect(schema?.items, item, below, set);
      set.add(below);
    }
  }
};

/** With the fields that lead to a member, where they have a name in the schema. */
export const withNamedFields = (schema: MaybeSchema, set: FieldSet): FieldSet => {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const name = element.startsWith('f:') ? element.slice(2) : undefined;
    const below = name === undefined ? schema?.items : fieldSchema(schema, name);
    const named = withNamedFields(below, child);
    const leads = name !== undefined && isNamed(schema, name);
    children.set(element, leads && !named.member ? { ...named, member: true } : named);
  }
  return { member: set.member, children };
};

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

interface Builders {
  readonly added: FieldSetBuilder;
  readonly modified: FieldSetBuilder;
  readonly removed: FieldSetBuilder;
}

export const compareFields = (schema: MaybeSchema, before: unknown, after: unknown): Comparison => {
  const sets = { added: new FieldSetBuilder(), modified: new FieldSetBuilder(), removed: new FieldSetBuilder() };
  compare(schema, before, after, [], sets);
  return { added: sets.added.build(), modified: sets.modified.build(), removed: sets.removed.build() };
};

const compare = (schema: MaybeSchema, before: unknown, after: unknown, path: Path, sets: Builders): void => {
  const shape = shapeOf(schema, isNothing(after) ? before : after);
  const empty = isEmptyContainer(before) && isEmptyContainer(after);
  if (shape === 'leaf' || empty || shape !== shapeOf(schema, before ?? after)) {
    if (before === undefined) sets.added.add(path);
    else if (after === undefined) sets.removed.add(path);
    else if (!isDeepStrictEqual(before, after)) sets.modified.add(path);
    return;
  }
  if (shape === 'fields') compareObjects(schema, fieldsOf(before), fieldsOf(after), path, sets);
  else compareItems(schema, itemsOf(before), itemsOf(after), path, sets);
  if (before === undefined) sets.added.add(path);
  else if (after === undefined) sets.removed.add(path);
};

const compareObjects = (
  schema: MaybeSchema,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  path: Path,
  sets: Builders,
): void => {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!isKnown(schema, name)) continue;
    compare(fieldSchema(schema, name), before[name], after[name], [...path, fieldElement(name)], sets);
  }
};

const compareItems = (
  schema: MaybeSchema,
  before: readonly unknown[],
  after: readonly unknown[],
  path: Path,
  sets: Builders,
): void => {
  const old = new Map(before.map((item) => [itemElement(schema, item), item]));
  const now = new Map(after.map((item) => [itemElement(schema, item), item]));
  for (const element of new Set([...old.keys(), ...now.keys()])) {
    compare(schema?.items, old.get(element), now.get(element), [...path, element], sets);
  }
};

/** `config` laid over `live`: what config does not name stays. */
export const mergeFields = (schema: MaybeSchema, live: unknown, config: unknown): unknown => {
  if (config === undefined) return live;
  const shape = shapeOf(schema, config);
  if (shape === 'fields' && isObject(config)) {
    const result: Record<string, unknown> = { ...fieldsOf(live) };
    for (const [name, value] of Object.entries(config)) {
      // It would change the prototype of what it is assigned to.
      if (name === '__proto__') continue;
      result[name] = mergeFields(fieldSchema(schema, name), fieldsOf(live)[name], value);
    }
    return result;
  }
  if (shape === 'items' && Array.isArray(config)) return mergeItems(schema, itemsOf(live), config);
  return config;
};

/** The items of `config` in its order; the others keep their place before the next one that both have. */
const mergeItems = (schema: MaybeSchema, live: readonly unknown[], config: readonly unknown[]): unknown[] => {
  const elementOf = (item: unknown) => itemElement(schema, item);
  const wanted = new Set(config.map(elementOf));
  const present = new Map(live.map((item) => [elementOf(item), item]));
  const shared = config.map(elementOf).filter((element) => present.has(element));
  const merge = (item: unknown) => mergeFields(schema?.items, present.get(elementOf(item)), item);
  const result: unknown[] = [];
  let next = 0;
  let nextShared = 0;
  const takeConfig = () => {
    const item = config[next++]!;
    if (elementOf(item) === shared[nextShared]) nextShared++;
    result.push(merge(item));
  };
  for (let i = 0; i < live.length; ) {
    const element = elementOf(live[i]);
    if (next < config.length && element === elementOf(config[next])) {
      takeConfig();
      i++;
    } else if (!wanted.has(element)) {
      result.push(live[i++]);
    } else if (next < config.length && shared[nextShared] === element) {
      takeConfig();
    } else {
      // It has another place in the order of config.
      i++;
    }
  }
  while (next < config.length) takeConfig();
  return result;
};

/** The object without the fields of the set. A container that loses all it had becomes null, which is as good as absent. */
export const removeFields = (schema: MaybeSchema, value: unknown, set: FieldSet): unknown => {
  const shape = shapeOf(schema, value);
  if (shape === 'leaf' || isEmptyContainer(value)) return shape === 'leaf' && !isLeafContainer(value) ? value : null;
  if (shape === 'items') {
    const kept = itemsOf(value).flatMap((item) => {
      const node = set.children.get(itemElement(schema, item));
      if (node?.member) return [];
      return [node ? removeFields(schema?.items, item, node) : item];
    });
    return kept.length > 0 ? kept : null;
  }
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fieldsOf(value))) {
    const node = set.children.get(fieldElement(name));
    if (node?.member) continue;
    result[name] = node ? removeFields(fieldSchema(schema, name), field, node) : field;
  }
  return Object.keys(result).length > 0 ? result : null;
};

/** A list or object that is managed as a whole goes when something below it is named, as the structure has changed. */
const isLeafContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;
