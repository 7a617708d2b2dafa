// What a DELETE asks for, and what it makes of an object. Used by objects.ts, namespaces.ts and garbage-collector.ts.
import { type Clock, timestampOf } from '../lib/clock.ts';
import type { Resource } from '../model/resource.ts';
import type { StoreEntry } from '../store/store.ts';
import { isObject } from './body.ts';
import type { ServedKind } from './kind-index.ts';
import type { Query } from './request.ts';
import { ApiError, badRequest, conflict } from './status.ts';

/** What becomes of the objects that it owns: they go after it, before it, or stay. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Unset: as its finalizers say, which is Background without any. */
  readonly propagation?: Propagation;
}

/** Holds an object back until all that it owns, and that asks for it, is gone. */
export const FOREGROUND = 'foregroundDeletion';
/** Holds an object back until what it owns has been told that it owns it no more. */
export const ORPHAN = 'orphan';

const PROPAGATIONS: readonly Propagation[] = ['Background', 'Foreground', 'Orphan'];

const invalidOptions = (field: string, message: string): ApiError =>
  new ApiError(422, 'Invalid', `DeleteOptions.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'DeleteOptions',
    causes: [{ reason: 'FieldValueInvalid', message, field }],
  });

const propagationOf = (body: Readonly<Record<string, unknown>>, query: Query): Propagation | undefined => {
  const policy = body.propagationPolicy ?? query.propagationPolicy;
  const orphan = body.orphanDependents;
  if (policy === undefined || policy === null) {
    if (typeof orphan !== 'boolean') return undefined;
    return orphan ? 'Orphan' : 'Background';
  }
  if (orphan !== undefined && orphan !== null) {
    throw invalidOptions('propagationPolicy', 'orphanDependents and propagationPolicy cannot be both set');
  }
  const found = PROPAGATIONS.find((known) => known === policy);
  if (!found) {
    throw invalidOptions('propagationPolicy', `"${String(policy)}" is not one of ${PROPAGATIONS.join(', ')}`);
  }
  return found;
};

export const parseDeleteOptions = (body: unknown, query: Query): DeleteOptions => {
  const given = body ?? {};
  if (!isObject(given)) throw badRequest('the body of a delete must be DeleteOptions');
  const preconditions = isObject(given.preconditions) ? given.preconditions : {};
  const propagation = propagationOf(given, query);
  if (Number(given.gracePeriodSeconds ?? 0) < 0) throw invalidOptions('gracePeriodSeconds', 'must not be negative');
  return {
    dryRun: query.dryRun || (Array.isArray(given.dryRun) && given.dryRun.includes('All')),
    ...(typeof preconditions.uid === 'string' ? { uid: preconditions.uid } : {}),
    ...(typeof preconditions.resourceVersion === 'string' ? { resourceVersion: preconditions.resourceVersion } : {}),
    ...(propagation ? { propagation } : {}),
  };
};

export const checkPreconditions = (
  kind: ServedKind,
  current: StoreEntry,
  { uid, resourceVersion }: DeleteOptions,
): void => {
  const { metadata } = current.value;
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
    throw conflict(kind, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== String(current.revision)) {
    const why = `Precondition failed: resourceVersion is ${current.revision}, not ${resourceVersion}`;
    throw conflict(kind, metadata.name, why);
  }
};

const finalizersFor = (present: readonly string[], propagation: Propagation | undefined): readonly string[] => {
  if (propagation === undefined) return present;
  const others = present.filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN);
  if (propagation === 'Background') return others;
  return [...others, propagation === 'Orphan' ? ORPHAN : FOREGROUND];
};

const isSameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);

/** The object as it waits for its finalizers; undefined when it waits for none and can go. The same one when it waits already. */
export const withDeletion = (resource: Resource, clock: Clock, propagation?: Propagation): Resource | undefined => {
  const { metadata } = resource;
  const present = metadata.finalizers ?? [];
  const finalizers = finalizersFor(present, propagation);
  if (finalizers.length === 0) return undefined;
  if (metadata.deletionTimestamp && isSameList(present, finalizers)) return resource;
  return { ...resource, metadata: { ...markDeleted(resource, clock).metadata, finalizers } };
};

/** With the time of its deletion, which counts as a change of what is wanted. */
export const markDeleted = (resource: Resource, clock: Clock): Resource => {
  const { metadata } = resource;
  if (metadata.deletionTimestamp) return resource;
  const deletion = { deletionTimestamp: timestampOf(clock.now()), deletionGracePeriodSeconds: 0 };
  const generation = metadata.generation === undefined ? {} : { generation: metadata.generation + 1 };
  return { ...resource, metadata: { ...metadata, ...generation, ...deletion } };
};
