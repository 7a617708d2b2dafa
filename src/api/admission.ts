// Turns what a caller sent into what is stored, or says what is wrong with it. No store, no sockets.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { validateResource } from '../kinds/validate.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import { randomSuffix } from '../lib/random.ts';
import type { Problem } from '../model/problem.ts';
import type { ObjectMeta, Resource } from '../model/resource.ts';
import { isObject, MAX_BODY_BYTES } from './body.ts';
import { apiVersionOf, type ServedKind } from './kind-index.ts';
import { KUBERNETES } from './namespaces.ts';
import type { Query } from './request.ts';
import { badRequest, conflict, invalid, tooLarge } from './status.ts';

export interface Incoming {
  readonly kind: ServedKind;
  /** Of the URL; undefined for cluster-wide kinds. */
  readonly namespace: string | undefined;
  readonly fieldValidation: Query['fieldValidation'];
  /** Who writes, as the owner of what the write changes. */
  readonly manager: string;
  /** Takes the text of a warning for the caller. */
  readonly warn: (text: string) => void;
}

/** The part of an object that a write may change: all but its status, its status alone, or what a namespace waits for. */
export type Part = 'main' | 'status' | 'finalize';

const METADATA_OF_SERVER = ['resourceVersion', 'managedFields', 'selfLink', 'generateName'] as const;

const unknownField = ({ message, hint }: Problem): string => (hint ? `${message} (${hint})` : message);

/** Checks apiVersion, kind, name and namespace against the URL; fills in what is missing. */
const identify = (incoming: Incoming, body: Readonly<Record<string, unknown>>, name: string | undefined) => {
  const { kind, namespace } = incoming;
  if (body.apiVersion !== undefined && body.apiVersion !== kind.apiVersion) {
    throw badRequest(
      `the API version in the data (${String(body.apiVersion)}) does not match the expected API version (${kind.apiVersion})`,
    );
  }
  if (body.kind !== undefined && body.kind !== kind.kind) {
    throw badRequest(`the kind in the data (${String(body.kind)}) does not match the expected kind (${kind.kind})`);
  }
  if (body.metadata !== undefined && !isObject(body.metadata)) throw badRequest('metadata must be an object');
  const metadata: Record<string, unknown> = { ...(body.metadata as Record<string, unknown> | undefined) };
  if (name !== undefined && metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${String(metadata.name)}) does not match the name on the URL (${name})`);
  }
  if (name !== undefined) metadata.name = name;
  if (
    namespace !== undefined &&
    metadata.namespace !== undefined &&
    metadata.namespace !== '' &&
    metadata.namespace !== namespace
  ) {
    throw badRequest(
      `the namespace of the object (${String(metadata.namespace)}) does not match the namespace on the URL (${namespace})`,
    );
  }
  if (namespace !== undefined) metadata.namespace = namespace;
  else if (metadata.namespace === '') delete metadata.namespace;
  return { ...body, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
};

/** Defaults, schema and the kind's own checks. Answers the resource in the version that is stored. */
const check = (incoming: Incoming, body: Readonly<Record<string, unknown>>): Resource => {
  const { kind, fieldValidation, warn } = incoming;
  const { resource, problems, warnings } = validateResource(kind.definition, body);
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (fieldValidation === 'Strict' && warnings.length > 0) {
    const fields = warnings.slice(0, 20).map(unknownField).join(', ');
    const text = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${fields}`;
    throw badRequest(text);
  }
  if (errors.length > 0) throw invalid(kind, resource.metadata.name, errors);
  const notes = problems.filter((problem) => problem.severity === 'warning').map(unknownField);
  if (fieldValidation === 'Warn') notes.push(...warnings.map(unknownField));
  for (const note of notes.slice(0, 20)) warn(note);
  return { ...resource, apiVersion: apiVersionOf(kind.group, kind.definition.version) };
};

const withoutStatus = (resource: Resource): Resource => {
  const { status: _, ...rest } = resource;
  return rest;
};

const checkSize = (resource: Resource): Resource => {
  if (Buffer.byteLength(JSON.stringify(resource)) > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
  return resource;
};

export const admitCreate = (
  incoming: Incoming,
  body: Readonly<Record<string, unknown>>,
  clock: Clock,
  name?: string,
): Resource => {
  const identified = identify(incoming, body, name);
  if (identified.metadata.resourceVersion)
    throw badRequest('resourceVersion should not be set on objects to be created');
  const { generateName } = identified.metadata;
  if (!identified.metadata.name && typeof generateName === 'string' && generateName !== '') {
    identified.metadata.name = `${generateName.slice(0, 58)}${randomSuffix()}`;
  }
  // A new object has no status but what the schema begins with.
  const statusApart = incoming.kind.definition.statusSubresource;
  const resource = check(incoming, statusApart ? { ...identified, status: null } : identified);
  const metadata: ObjectMeta = {
    ...userMetadata(resource.metadata),
    ...(resource.metadata.generateName ? { generateName: resource.metadata.generateName } : {}),
    uid: randomUUID(),
    generation: 1,
    creationTimestamp: timestampOf(clock.now()),
  };
  const created = { ...resource, metadata };
  if (incoming.kind.group === '' && incoming.kind.kind === 'Namespace') {
    return checkSize({ ...created, spec: { finalizers: [KUBERNETES] }, status: { phase: 'Active' } });
  }
  return checkSize(created);
};

/** Labels, annotations and the like: what is the user's own in metadata. */
const userMetadata = (metadata: ObjectMeta): ObjectMeta => {
  const { uid: _, generation: __, creationTimestamp: ___, deletionTimestamp: ____, ...rest } = metadata;
  const own: Record<string, unknown> = { ...rest };
  for (const field of METADATA_OF_SERVER) delete own[field];
  delete own.deletionGracePeriodSeconds;
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences']) {
    if (own[field] !== undefined && Object.keys(own[field] as object).length === 0) delete own[field];
  }
  return own as unknown as ObjectMeta;
};

const serverMetadata = ({
  uid,
  generation,
  creationTimestamp,
  deletionTimestamp,
  deletionGracePeriodSeconds,
  generateName,
  managedFields,
}: ObjectMeta): Partial<ObjectMeta> => ({
  ...(generateName ? { generateName } : {}),
  ...(uid ? { uid } : {}),
  ...(generation ? { generation } : {}),
  ...(creationTimestamp ? { creationTimestamp } : {}),
  ...(deletionTimestamp ? { deletionTimestamp } : {}),
  ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
  ...(managedFields === undefined ? {} : { managedFields }),
});

/** What counts for the generation: all but metadata and, where it stands apart, status. */
const contentOf = (resource: Resource, statusApart: boolean) => {
  const { metadata: _, status, ...content } = resource;
  return statusApart ? content : { ...content, status };
};

/**
 * The object to store for a changed one. `current` is as stored, at `revision`.
 * Throws Conflict when the change was made on another state.
 */
export const admitUpdate = (
  incoming: Incoming,
  body: Readonly<Record<string, unknown>>,
  current: { readonly value: Resource; readonly revision: number },
  part: Part,
): Resource => {
  const { kind } = incoming;
  const old = current.value;
  const identified = identify(incoming, body, old.metadata.name);
  const { resourceVersion, uid } = identified.metadata;
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== String(current.revision)) {
    throw conflict(kind, old.metadata.name);
  }
  if (uid !== undefined && uid !== old.metadata.uid) {
    throw conflict(
      kind,
      old.metadata.name,
      `Precondition failed: UID in precondition: ${String(uid)}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  if (part === 'status') {
    const { managedFields: _, ...metadata } = old.metadata;
    const checked = check(incoming, { ...old, metadata, apiVersion: kind.apiVersion, status: body.status ?? null });
    const { status } = checked;
    return checkSize(status === undefined ? withoutStatus(old) : { ...old, status });
  }
  const isNamespace = kind.group === '' && kind.kind === 'Namespace';
  if (part === 'finalize') {
    const { spec } = check(incoming, identified);
    return checkSize({ ...old, spec });
  }
  const statusApart = kind.definition.statusSubresource;
  const checked = check(incoming, statusApart ? { ...identified, status: null } : identified);
  const next: Resource = {
    ...checked,
    metadata: { ...userMetadata(checked.metadata), ...serverMetadata(old.metadata) },
    ...(statusApart && old.status !== undefined ? { status: old.status } : {}),
    // Only its subresource changes what a namespace waits for.
    ...(isNamespace && old.spec !== undefined ? { spec: old.spec } : {}),
  };
  checkImmutable(incoming, old, next);
  if (isDeepStrictEqual(contentOf(old, statusApart), contentOf(next, statusApart))) return checkSize(next);
  const generation = (old.metadata.generation ?? 0) + 1;
  return checkSize({ ...next, metadata: { ...next.metadata, generation } });
};

const at = (resource: Resource, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), resource);

const immutableField = (path: string): Problem => ({
  code: 'INVALID_FIELD',
  severity: 'error',
  message: 'field is immutable',
  hint: 'make a new object with the other value',
  path,
});

const checkImmutable = ({ kind }: Incoming, old: Resource, next: Resource): void => {
  const changed = (kind.definition.immutable ?? []).filter((path) => !isDeepStrictEqual(at(old, path), at(next, path)));
  if (changed.length > 0) throw invalid(kind, old.metadata.name, changed.map(immutableField));
  if (old.metadata.deletionTimestamp) {
    const before = new Set(old.metadata.finalizers ?? []);
    if (next.metadata.finalizers?.some((finalizer) => !before.has(finalizer))) {
      const message = 'no new finalizers can be added if the object is being deleted';
      throw invalid(kind, old.metadata.name, [
        { code: 'INVALID_FIELD', severity: 'error', message, path: 'metadata.finalizers' },
      ]);
    }
  }
  const secret = old as { immutable?: boolean; data?: unknown };
  if (
    kind.group === '' &&
    kind.kind === 'Secret' &&
    secret.immutable &&
    !isDeepStrictEqual(secret.data, (next as typeof secret).data)
  ) {
    const problem = immutableField('data');
    throw invalid(kind, old.metadata.name, [{ ...problem, message: 'field is immutable when `immutable` is set' }]);
  }
};
