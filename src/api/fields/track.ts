// Server-side apply and the ownership of fields: what a write does to the object and to those who manage its fields. Pure; called by objects.ts.
import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '../../kinds/kind.ts';
import { isObject } from '../body.ts';
import { ApiError, badRequest } from '../status.ts';
import {
  difference,
  emptySet,
  type FieldSet,
  formatPath,
  intersection,
  isEmptySet,
  onlyBelow,
  pathsOf,
  union,
  withChild,
  withoutPaths,
} from './field-set.ts';
import { capUpdaters, identityOf, MAX_ENTRIES, type ManagedEntry, putEntry } from './managed-fields.ts';
import { type MaybeSchema, rootSchemaOf } from './shape.ts';
import { type Comparison, compareFields, fieldSetOf, mergeFields, removeFields, withNamedFields } from './walks.ts';

export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: '' | 'status';
  /** RFC 3339. */
  readonly now: string;
}

type Json = Record<string, unknown>;

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Its applies take over what its own client-side applies set before. */
const KUBECTL = 'kubectl';

const META_OF_SERVER = [
  'name',
  'namespace',
  'uid',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'resourceVersion',
  'managedFields',
  'selfLink',
  'generateName',
] as const;

/** The part of an object that someone can manage. */
const contentOf = (object: Json): Json => {
  const { apiVersion: _, kind: __, metadata, ...rest } = object;
  const own: Json = isObject(metadata) ? { ...metadata } : {};
  for (const field of META_OF_SERVER) delete own[field];
  return Object.keys(own).length > 0 ? { ...rest, metadata: own } : rest;
};

const withContent = (object: Json, content: Json): Json => {
  const given: Json = isObject(object.metadata) ? object.metadata : {};
  const kept = Object.fromEntries(META_OF_SERVER.flatMap((field) => (field in given ? [[field, given[field]]] : [])));
  const own = isObject(content.metadata) ? content.metadata : {};
  return { ...content, apiVersion: object.apiVersion, kind: object.kind, metadata: { ...kept, ...own } };
};

/** What a write to this part of the object can change. */
const ofPart = (kind: Kind, { subresource }: Writer, set: FieldSet): FieldSet => {
  if (subresource === 'status') return onlyBelow(set, 'f:status');
  const metadata = set.children.get('f:metadata');
  // That there is metadata at all is nobody's doing.
  const known = metadata?.member ? withChild(set, 'f:metadata', { ...metadata, member: false }) : set;
  return kind.statusSubresource ? withoutPaths(known, [['f:status']]) : known;
};

const compareParts = (kind: Kind, writer: Writer, before: Json, after: Json): Comparison => {
  const { added, modified, removed } = compareFields(rootSchemaOf(kind), before, after);
  return {
    added: ofPart(kind, writer, added),
    modified: ofPart(kind, writer, modified),
    removed: ofPart(kind, writer, removed),
  };
};

const entryFor = (writer: Writer, operation: 'Apply' | 'Update', fields: FieldSet): ManagedEntry => ({
  manager: writer.manager,
  operation,
  apiVersion: writer.apiVersion,
  subresource: writer.subresource,
  time: writer.now,
  fields,
});

/** Takes from the others what was changed or removed under them. */
const takeAway = (entries: readonly ManagedEntry[], self: string, { added, modified, removed }: Comparison) => {
  const gone = union(union(added, modified), removed);
  return entries
    .map((entry) => (identityOf(entry) === self ? entry : { ...entry, fields: difference(entry.fields, gone) }))
    .filter(({ fields }) => !isEmptySet(fields));
};

const findEntry = (entries: readonly ManagedEntry[], identity: string) =>
  entries.find((entry) => identityOf(entry) === identity);

const isSameSet = (a: FieldSet, b: FieldSet): boolean => isDeepStrictEqual(a, b);

/** The managers after a create, an update or another patch. */
export const trackUpdate = (
  kind: Kind,
  writer: Writer,
  entries: readonly ManagedEntry[],
  before: Json | undefined,
  after: Json,
): ManagedEntry[] => {
  const comparison = compareParts(kind, writer, before ? contentOf(before) : {}, contentOf(after));
  const entry = entryFor(writer, 'Update', emptySet);
  const self = identityOf(entry);
  const last = findEntry(entries, self);
  const kept = difference(last?.fields ?? emptySet, comparison.removed);
  const fields = ofPart(kind, writer, union(union(kept, comparison.modified), comparison.added));
  const time = last && isSameSet(last.fields, fields) ? last.time : writer.now;
  return capUpdaters(putEntry(takeAway(entries, self, comparison), { ...entry, time, fields }));
};

export interface Applied {
  /** The whole object as it is wanted; admission comes after. */
  readonly object: Json;
  readonly entries: ManagedEntry[];
}

/** Applies what a manager wants to the live object; throws the conflicts with other managers unless forced. */
export const applyFields = (
  kind: Kind,
  writer: Writer,
  present: readonly ManagedEntry[],
  live: Json,
  config: Json,
  force: boolean,
): Applied => {
  const schema = rootSchemaOf(kind);
  const before = contentOf(live);
  const isNew = (live.metadata as Json).uid === undefined;
  const entries = isNew || present.length > 0 ? present : beforeFirstApply(kind, writer, live);
  const wanted = contentOf(config);
  const fields = ofPart(kind, writer, fieldSetOf(schema, wanted));
  const entry = entryFor(writer, 'Apply', fields);
  const self = identityOf(entry);
  const last = findEntry(entries, self);
  const managers = [...entries.filter((other) => identityOf(other) !== self), entry];
  if (managers.length > MAX_ENTRIES) {
    throw badRequest(
      `${MAX_ENTRIES} managers have fields of this object, which is the most: apply with the name of one of them`,
    );
  }
  const merged = mergeFields(schema, before, wanted);
  const after = (last ? prune(schema, merged, last.fields, managers) : merged) as Json;
  const comparison = compareParts(kind, writer, before, after);
  if (!force) checkConflicts(schema, writer, managers, comparison, live, self);
  const isSame = last && isSameSet(last.fields, fields) && isDeepStrictEqual(before, after);
  const time = isSame ? last.time : writer.now;
  const object = withContent({ ...live, ...identity(config, live) }, after);
  return {
    object: writer.manager === KUBECTL ? withLastApplied(object, config) : object,
    entries: putEntry(takeAway(managers, self, comparison), { ...entry, time }),
  };
};

/** The config's own name and version stand against the live object's, so that admission checks them. */
const identity = (config: Json, live: Json): Json => {
  const given: Json = isObject(config.metadata) ? config.metadata : {};
  const metadata = { ...(isObject(live.metadata) ? live.metadata : {}) } as Json;
  for (const field of ['name', 'namespace', 'uid', 'resourceVersion']) {
    if (given[field] !== undefined && given[field] !== null) metadata[field] = given[field];
  }
  return { apiVersion: config.apiVersion, kind: config.kind, metadata };
};

/** What was there when nobody was tracked yet belongs to a manager of its own, so that it is not taken silently. */
const beforeFirstApply = (kind: Kind, writer: Writer, live: Json): ManagedEntry[] => {
  const whole: Writer = { ...writer, manager: 'before-first-apply', subresource: '' };
  return trackUpdate({ ...kind, statusSubresource: false }, whole, [], undefined, live);
};

/** Takes out what the manager applied last time and not this time, where no one else manages it. */
const prune = (schema: MaybeSchema, merged: unknown, last: FieldSet, managers: readonly ManagedEntry[]): unknown => {
  const named = (set: FieldSet) => withNamedFields(schema, set);
  const setOf = (value: unknown) => named(fieldSetOf(schema, value ?? {}));
  const all = setOf(merged);
  const lastNamed = named(last);
  const owned = managers.reduce((set, { fields }) => union(set, fields), emptySet);
  const bare = removeFields(schema, merged, lastNamed);
  const withOwned = removeFields(schema, merged, difference(all, union(setOf(bare), named(owned))));
  const gone = difference(all, setOf(withOwned));
  return removeFields(schema, merged, intersection(gone, lastNamed)) ?? {};
};

interface Conflict {
  readonly entry: ManagedEntry;
  readonly fields: FieldSet;
}

const checkConflicts = (
  schema: MaybeSchema,
  writer: Writer,
  managers: readonly ManagedEntry[],
  { added, modified }: Comparison,
  live: Json,
  self: string,
): void => {
  const changed = union(added, modified);
  const allowed = writer.manager === KUBECTL ? lastAppliedFields(schema, live) : emptySet;
  const conflicts = managers
    .filter((entry) => identityOf(entry) !== self)
    .map((entry) => ({ entry, fields: difference(intersection(entry.fields, changed), allowed) }))
    .filter(({ fields }) => !isEmptySet(fields));
  if (conflicts.length > 0) throw conflictError(conflicts);
};

/** What `kubectl apply` without --server-side set, and nobody changed since. */
const lastAppliedFields = (schema: MaybeSchema, live: Json): FieldSet => {
  const annotations = (live.metadata as Json | undefined)?.annotations as Json | undefined;
  try {
    const last: unknown = JSON.parse(String(annotations?.[LAST_APPLIED]));
    if (!isObject(last) || last.apiVersion !== live.apiVersion) return emptySet;
    const content = contentOf(last);
    const { added, modified, removed } = compareFields(schema, content, contentOf(live));
    return difference(fieldSetOf(schema, content), union(union(added, modified), removed));
  } catch {
    // Not there, or not what kubectl writes.
    return emptySet;
  }
};

/** Keeps the annotation true for those who go back to client-side apply. */
const withLastApplied = (object: Json, config: Json): Json => {
  const metadata = object.metadata as Json;
  const annotations = metadata.annotations as Json | undefined;
  if (!annotations?.[LAST_APPLIED]) return object;
  const { annotations: given, managedFields: _, ...rest } = (config.metadata ?? {}) as Json;
  const { [LAST_APPLIED]: __, ...own } = (given ?? {}) as Json;
  const applied = { ...config, metadata: { ...rest, annotations: own } };
  return {
    ...object,
    metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: `${JSON.stringify(applied)}\n` } },
  };
};

const managerText = ({ manager, operation, apiVersion, subresource, time }: ManagedEntry): string => {
  const who = JSON.stringify(manager) + (subresource ? ` with subresource ${JSON.stringify(subresource)}` : '');
  if (operation === 'Apply') return who;
  return `${who} using ${apiVersion}${time ? ` at ${time}` : ''}`;
};

const MAX_CAUSES = 100;

const conflictError = (conflicts: readonly Conflict[]): ApiError => {
  const found = conflicts.flatMap(({ entry, fields }) =>
    pathsOf(fields).map((path) => ({ who: managerText(entry), field: formatPath(path) })),
  );
  const [first] = found;
  const list = conflicts.map(({ entry, fields }) =>
    [`conflicts with ${managerText(entry)}:`, ...pathsOf(fields).map((path) => `- ${formatPath(path)}`)].join('\n'),
  );
  const text =
    found.length === 1
      ? `Apply failed with 1 conflict: conflict with ${first!.who}: ${first!.field}`
      : `Apply failed with ${found.length} conflicts: ${list.join('\n')}`;
  const causes = found.slice(0, MAX_CAUSES).map(({ who, field }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${who}`,
    field,
  }));
  return new ApiError(409, 'Conflict', text.slice(0, 16_384), { causes });
};
