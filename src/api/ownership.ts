// Gives each write its entry in managedFields, and makes server-side applies. Called by objects.ts on every write.
import { type Clock, timestampOf } from '../lib/clock.ts';
import type { Resource } from '../model/resource.ts';
import type { StoreEntry } from '../store/store.ts';
import type { Incoming, Part } from './admission.ts';
import { isObject, MAX_BODY_BYTES } from './body.ts';
import {
  decodeManagedFields,
  isReset,
  loadManagedFields,
  type ManagedEntry,
  storeManagedFields,
} from './fields/managed-fields.ts';
import { applyFields, trackUpdate, type Writer } from './fields/track.ts';
import { badRequest, isApiError } from './status.ts';
import { toWire } from './wire.ts';

type Json = Record<string, unknown>;

const asJson = (resource: Resource): Json => resource as unknown as Json;

const writerOf = ({ kind, manager }: Incoming, part: Part, clock: Clock): Writer => ({
  manager,
  apiVersion: kind.apiVersion,
  subresource: part === 'status' ? 'status' : '',
  now: timestampOf(clock.now()),
});

const storedEntries = ({ metadata: { managedFields } }: Resource): ManagedEntry[] => loadManagedFields(managedFields);

const withEntries = (resource: Resource, entries: readonly ManagedEntry[]): Resource => {
  const { managedFields: _, ...metadata } = resource.metadata;
  const managedFields = storeManagedFields(entries);
  if (managedFields !== undefined && managedFields.length > MAX_BODY_BYTES) {
    throw badRequest(
      'the managers of its fields take more room than an object may have: too many manage too much of it',
    );
  }
  return { ...resource, metadata: managedFields === undefined ? metadata : { ...metadata, managedFields } };
};

export const ownedCreate = (incoming: Incoming, created: Resource, clock: Clock): Resource => {
  const entries = trackUpdate(
    incoming.kind.definition,
    writerOf(incoming, 'main', clock),
    [],
    undefined,
    asJson(created),
  );
  return withEntries(created, entries);
};

/** The entries that the caller sent along with the object; those that are kept when there are none. */
const entriesFor = (body: Json, current: Resource, part: Part): ManagedEntry[] => {
  const given = part === 'main' && isObject(body.metadata) ? body.metadata.managedFields : undefined;
  if (isReset(given)) return [];
  if (!Array.isArray(given) || given.length === 0) return storedEntries(current);
  try {
    return decodeManagedFields(given);
  } catch (error) {
    // As in Kubernetes: who doesn't know managedFields must not destroy them.
    if (!isApiError(error)) throw error;
    return storedEntries(current);
  }
};

export const ownedUpdate = (
  incoming: Incoming,
  part: Part,
  body: Json,
  current: Resource,
  next: Resource,
  clock: Clock,
): Resource => {
  const entries = entriesFor(body, current, part);
  if (part === 'finalize') return next;
  // Where nobody was tracked, what there is has no owner; the first apply finds one for it.
  if (entries.length === 0) return withEntries(next, []);
  const writer = writerOf(incoming, part, clock);
  return withEntries(next, trackUpdate(incoming.kind.definition, writer, entries, asJson(current), asJson(next)));
};

/** The object as one apply wants it, before admission, and how its managers are then written to it. */
export const prepareApply = (
  incoming: Incoming,
  part: Part,
  config: Json,
  force: boolean,
  current: StoreEntry | undefined,
  clock: Clock,
): { object: Json; owned: (admitted: Resource) => Resource } => {
  const { kind } = incoming;
  const live: Json = current
    ? asJson(toWire(kind, current))
    : { apiVersion: kind.apiVersion, kind: kind.kind, metadata: {} };
  const entries = current ? storedEntries(current.value) : [];
  const writer = writerOf(incoming, part, clock);
  const applied = applyFields(kind.definition, writer, entries, live, ofPart(kind.definition, config, part), force);
  return { object: applied.object, owned: (admitted) => withEntries(admitted, applied.entries) };
};

const ofPart = ({ statusSubresource }: Incoming['kind']['definition'], config: Json, part: Part): Json => {
  const { status, ...rest } = config;
  if (part === 'main') return statusSubresource ? rest : config;
  const { name, namespace, uid, resourceVersion } = (isObject(config.metadata) ? config.metadata : {}) as Json;
  const metadata = { name, namespace, uid, resourceVersion };
  return { apiVersion: config.apiVersion, kind: config.kind, metadata, ...(status === undefined ? {} : { status }) };
};

/** Refuses what can not be applied, whatever the live object is. */
export const checkApplyConfig = (config: unknown): Json => {
  if (!isObject(config)) throw badRequest('the body of an apply must be an object');
  if (typeof config.apiVersion !== 'string' || typeof config.kind !== 'string') {
    throw badRequest('the body of an apply needs apiVersion and kind');
  }
  if (
    isObject(config.metadata) &&
    config.metadata.managedFields !== undefined &&
    config.metadata.managedFields !== null
  ) {
    throw badRequest('metadata.managedFields must be nil');
  }
  return config;
};
