// Apply: creates a resource or moves it to what the manifest says, and leaves alone what others set. Keeps kubectl's
// last-applied annotation, so that `kubectl apply` and `weft apply` can take turns. Called by cli/apply.ts and tests.
import { isDeepStrictEqual } from 'node:util';
import { isWeftError } from '../lib/errors.ts';
import { type Resource, withoutManagedFields } from '../model/resource.ts';
import type { Client, ResourceType } from './client.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

export interface Applied {
  readonly outcome: 'created' | 'configured' | 'unchanged';
  /** As the API has it now. */
  readonly resource: Resource;
  readonly warnings: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The manifest without what only the API writes, and without an annotation of an earlier apply. */
const cleaned = (manifest: Resource): Resource => {
  const { status: _status, ...rest } = withoutManagedFields(manifest);
  const {
    resourceVersion: _version,
    uid: _uid,
    generation: _generation,
    creationTimestamp: _time,
    ...meta
  } = rest.metadata;
  const { [LAST_APPLIED]: _applied, ...annotations } = meta.annotations ?? {};
  return { ...rest, metadata: { ...meta, annotations } };
};

// All annotations together may have 256 KiB.
const MAX_LAST_APPLIED = 200 * 1024;

/**
 * The manifest with itself in the annotation, as kubectl writes it: compact JSON and a line feed. What is too large for
 * that goes without; it is then written whole.
 */
export const withLastApplied = (manifest: Resource): Resource => {
  const plain = cleaned(manifest);
  const text = `${JSON.stringify(plain)}\n`;
  if (text.length > MAX_LAST_APPLIED) return plain;
  return {
    ...plain,
    metadata: {
      ...plain.metadata,
      annotations: { ...plain.metadata.annotations, [LAST_APPLIED]: text },
    },
  };
};

const lastApplied = (current: Resource): Fields => {
  try {
    const value: unknown = JSON.parse(current.metadata.annotations?.[LAST_APPLIED] ?? '{}');
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
};

const fieldsOf = (resource: Resource): Fields => resource as unknown as Fields;

// kubectl orders and escapes its annotation in another way: the same content must not count as a change.
const keepEqualAnnotation = (wanted: Resource, live: Resource): Resource => {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined || !isDeepStrictEqual(lastApplied(live), lastApplied(wanted))) return wanted;
  const annotations = { ...wanted.metadata.annotations, [LAST_APPLIED]: text };
  return { ...wanted, metadata: { ...wanted.metadata, annotations } };
};

/**
 * True when the live value has all that is wanted: fields that only the live one has (defaults) do not count.
 * Lists must be of one length.
 */
const covers = (live: unknown, wanted: unknown): boolean => {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => covers(live[i], item));
  }
  if (!isFields(wanted)) return isDeepStrictEqual(live, wanted);
  return isFields(live) && Object.entries(wanted).every(([name, value]) => covers(live[name], value));
};

/**
 * The JSON merge patch from the live resource to the wanted one: what is wanted and differs, and null for what the last
 * apply had and the wanted one has no more. Lists are taken whole.
 */
export const threeWayPatch = (last: Fields, wanted: Fields, live: Fields): Record<string, unknown> => {
  const patch: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(wanted)) {
    const before = last[name];
    const now = live[name];
    if (value === null || value === undefined) {
      if (name in live) patch[name] = null;
    } else if (isFields(value) && isFields(now)) {
      const inner = threeWayPatch(isFields(before) ? before : {}, value, now);
      if (Object.keys(inner).length) patch[name] = inner;
    } else if (
      Array.isArray(value) ? !(covers(now, value) && isUntouched(before, value, now)) : !isDeepStrictEqual(now, value)
    ) {
      patch[name] = value;
    }
  }
  for (const name of Object.keys(last)) if (!(name in wanted) && name in live) patch[name] = null;
  return patch;
};

// A field that was taken out inside a list shows only against the last apply; without one the lists must be equal.
const isUntouched = (before: unknown, wanted: unknown, live: unknown): boolean =>
  isDeepStrictEqual(before, wanted) || isDeepStrictEqual(live, wanted);

export interface ApplyOptions {
  /** `server`: the API checks it and writes nothing; `client`: only compared with what is there. */
  readonly dryRun?: 'server' | 'client' | undefined;
  /** What the API does with unknown fields; refuses them unless told otherwise. */
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore' | undefined;
}

/** Applies one manifest. The namespace must be set in it where the kind has one. */
export const applyResource = async (
  client: Client,
  type: ResourceType,
  manifest: Resource,
  options: ApplyOptions = {},
): Promise<Applied> => {
  const wanted = withLastApplied(manifest);
  // Between the look and the write another may create or delete it: then look again.
  for (let attempt = 0; ; attempt++) {
    try {
      return await applyOnce(client, type, wanted, options);
    } catch (error) {
      const isRace = isWeftError(error, 'API_EXISTS') || isWeftError(error, 'API_CONFLICT');
      if (!isRace || attempt >= 4) throw error;
    }
  }
};

const applyOnce = async (
  client: Client,
  type: ResourceType,
  wanted: Resource,
  { dryRun, fieldValidation = 'Strict' }: ApplyOptions,
): Promise<Applied> => {
  const { name, namespace } = wanted.metadata;
  const write = { dryRun: dryRun === 'server', fieldValidation };
  const live = await client.get(type, name, { namespace }).catch((error) => {
    if (isWeftError(error, 'API_NOT_FOUND')) return undefined;
    throw error;
  });
  const skipped = { resource: live ?? wanted, warnings: [] };
  if (live === undefined) {
    return { outcome: 'created', ...(dryRun === 'client' ? skipped : await client.create(type, wanted, write)) };
  }
  if (wanted.metadata.annotations?.[LAST_APPLIED] === undefined)
    return replaceWhole(client, type, wanted, live, { dryRun, fieldValidation });
  const patch = threeWayPatch(lastApplied(live), fieldsOf(keepEqualAnnotation(wanted, live)), fieldsOf(live));
  if (Object.keys(patch).length === 0) return { outcome: 'unchanged', ...skipped };
  if (dryRun === 'client') return { outcome: 'configured', ...skipped };
  const written = await client.patch(type, { name, namespace }, patch, write);
  return { outcome: outcomeOf(live, written.resource, dryRun), ...written };
};

const outcomeOf = (live: Resource, now: Resource, dryRun: ApplyOptions['dryRun']): Applied['outcome'] =>
  dryRun === undefined && now.metadata.resourceVersion === live.metadata.resourceVersion ? 'unchanged' : 'configured';

const replaceWhole = async (
  client: Client,
  type: ResourceType,
  wanted: Resource,
  live: Resource,
  { dryRun, fieldValidation = 'Strict' }: ApplyOptions,
): Promise<Applied> => {
  if (dryRun === 'client') return { outcome: 'configured', resource: live, warnings: [] };
  const { resourceVersion = '' } = live.metadata;
  const next = { ...wanted, metadata: { ...wanted.metadata, resourceVersion } };
  const written = await client.replace(type, next, { dryRun: dryRun === 'server', fieldValidation });
  return { outcome: outcomeOf(live, written.resource, dryRun), ...written };
};
