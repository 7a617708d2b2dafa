// Reads and writes single objects: create, get, update, delete, each as Kubernetes defines it.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { admitCreate, admitUpdate, type Incoming, type Part } from './admission.ts';
import { isObject } from './body.ts';
import type { ServedKind } from './kind-index.ts';
import { type Namespaces, withDeletion } from './namespaces.ts';
import { ownedCreate, ownedUpdate, prepareApply } from './ownership.ts';
import { alreadyExists, badRequest, conflict, notFound } from './status.ts';

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

type Json = Record<string, unknown>;

const MAX_TRIES = 10;

export const parseDeleteOptions = (body: unknown, dryRun: boolean): DeleteOptions => {
  if (body === undefined) return { dryRun };
  if (!isObject(body)) throw badRequest('the body of a delete must be DeleteOptions');
  const preconditions = isObject(body.preconditions) ? body.preconditions : {};
  return {
    dryRun: dryRun || (Array.isArray(body.dryRun) && body.dryRun.includes('All')),
    ...(typeof preconditions.uid === 'string' ? { uid: preconditions.uid } : {}),
    ...(typeof preconditions.resourceVersion === 'string' ? { resourceVersion: preconditions.resourceVersion } : {}),
  };
};

export class Objects {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #namespaces: Namespaces;

  constructor(store: Store, clock: Clock, namespaces: Namespaces) {
    this.#store = store;
    this.#clock = clock;
    this.#namespaces = namespaces;
  }

  keyOf(kind: ServedKind, namespace: string | undefined, name: string): string {
    return storeKey(kind.group, kind.plural, namespace ?? '', name);
  }

  async get(kind: ServedKind, namespace: string | undefined, name: string): Promise<StoreEntry> {
    const entry = await this.#store.get(this.keyOf(kind, namespace, name));
    if (!entry) throw notFound(kind, name);
    return entry;
  }

  async create(incoming: Incoming, body: Json, dryRun: boolean): Promise<StoreEntry> {
    const { namespace } = incoming;
    if (namespace === undefined) return this.#create(incoming, body, dryRun);
    return this.#namespaces.createIn(namespace, () => this.#create(incoming, body, dryRun));
  }

  async #create(incoming: Incoming, body: Json, dryRun: boolean): Promise<StoreEntry> {
    const { kind, namespace } = incoming;
    for (let tries = 1; ; tries++) {
      const value = ownedCreate(incoming, admitCreate(incoming, body, this.#clock), this.#clock);
      const key = this.keyOf(kind, namespace, value.metadata.name);
      if (dryRun) {
        if (await this.#store.get(key)) throw alreadyExists(kind, value.metadata.name);
        return { key, value, revision: this.#store.revision() };
      }
      try {
        return await this.#store.put(key, value, { expected: 0 });
      } catch (error) {
        if (!isWeftError(error, 'STORE_CONFLICT')) throw error;
        // A generated name may be taken by chance.
        if (!value.metadata.generateName || tries >= MAX_TRIES) throw alreadyExists(kind, value.metadata.name);
      }
    }
  }

  /** `change` makes the wanted object from the present one; it runs again when another writer was faster. */
  async update(
    incoming: Incoming,
    name: string,
    part: Part,
    dryRun: boolean,
    change: (current: StoreEntry) => Json,
  ): Promise<StoreEntry> {
    const { kind, namespace } = incoming;
    for (let tries = 1; ; tries++) {
      const current = await this.get(kind, namespace, name);
      const body = change(current);
      const admitted = admitUpdate(incoming, body, current, part);
      const value = ownedUpdate(incoming, part, body, current.value, admitted, this.#clock);
      const written = await this.#write(incoming, current, value, dryRun, tries);
      if (written) return written;
    }
  }

  /** Server-side apply: creates the object, or changes it as far as its other managers allow. */
  async apply(
    incoming: Incoming,
    name: string,
    part: Part,
    dryRun: boolean,
    config: Json,
    force: boolean,
  ): Promise<{ entry: StoreEntry; created: boolean }> {
    const { kind, namespace } = incoming;
    const create = () => this.#applyNew(incoming, name, config, dryRun);
    for (let tries = 1; ; tries++) {
      const current = await this.#store.get(this.keyOf(kind, namespace, name));
      if (!current && part === 'status') throw notFound(kind, name);
      if (!current) {
        const entry = await (namespace === undefined ? create() : this.#namespaces.createIn(namespace, create));
        if (entry) return { entry, created: true };
        if (tries >= MAX_TRIES) throw alreadyExists(kind, name);
        continue;
      }
      const { object, owned } = prepareApply(incoming, part, config, force, current, this.#clock);
      const value = owned(admitUpdate(incoming, object, current, part));
      const entry = await this.#write(incoming, current, value, dryRun, tries);
      if (entry) return { entry, created: false };
    }
  }

  /** Undefined when another caller created it meanwhile. */
  async #applyNew(incoming: Incoming, name: string, config: Json, dryRun: boolean): Promise<StoreEntry | undefined> {
    const { kind, namespace } = incoming;
    const { object, owned } = prepareApply(incoming, 'main', config, false, undefined, this.#clock);
    const value = owned(admitCreate(incoming, object, this.#clock, name));
    const key = this.keyOf(kind, namespace, name);
    if (dryRun) return { key, value, revision: this.#store.revision() };
    try {
      return await this.#store.put(key, value, { expected: 0 });
    } catch (error) {
      if (isWeftError(error, 'STORE_CONFLICT')) return undefined;
      throw error;
    }
  }

  /** Undefined when another writer was faster, and it is worth another try. */
  async #write(
    { kind, namespace }: Incoming,
    current: StoreEntry,
    value: Resource,
    dryRun: boolean,
    tries: number,
  ): Promise<StoreEntry | undefined> {
    const { name } = current.value.metadata;
    if (isDeepStrictEqual(value, current.value)) return current;
    if (dryRun) return { ...current, value };
    const isGone = value.metadata.deletionTimestamp && (value.metadata.finalizers ?? []).length === 0;
    try {
      if (!isGone || kind.kind === 'Namespace') {
        const written = await this.#store.put(current.key, value, { expected: current.revision });
        if (isGone) await this.#namespaces.finish(name);
        return written;
      }
      const deleted = await this.#store.delete(current.key, { expected: current.revision });
      if (namespace !== undefined) await this.#namespaces.finish(namespace);
      return { key: current.key, value, revision: deleted?.revision ?? current.revision };
    } catch (error) {
      if (!isWeftError(error, 'STORE_CONFLICT') || tries >= MAX_TRIES) throw error;
      return undefined;
    }
  }

  /** Answers the last state, and whether the object is gone or waits for its finalizers. */
  async delete(
    kind: ServedKind,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions,
  ): Promise<{ entry: StoreEntry; gone: boolean }> {
    const isNamespace = kind.group === '' && kind.kind === 'Namespace';
    for (let tries = 1; ; tries++) {
      const current = await this.get(kind, namespace, name);
      checkPreconditions(kind, current, options);
      if (isNamespace) this.#namespaces.checkDeletable(name);
      if (options.dryRun) return { entry: current, gone: !isNamespace };
      try {
        if (isNamespace) return { entry: await this.#namespaces.terminate(current), gone: false };
        if ((current.value.metadata.finalizers ?? []).length > 0) {
          if (current.value.metadata.deletionTimestamp) return { entry: current, gone: false };
          const marked = withDeletion(current.value, this.#clock);
          return { entry: await this.#store.put(current.key, marked, { expected: current.revision }), gone: false };
        }
        const deleted = await this.#store.delete(current.key, { expected: current.revision });
        return { entry: deleted ?? current, gone: true };
      } catch (error) {
        if (!isWeftError(error, 'STORE_CONFLICT') || tries >= MAX_TRIES) throw error;
      }
    }
  }
}

const checkPreconditions = (kind: ServedKind, current: StoreEntry, { uid, resourceVersion }: DeleteOptions): void => {
  const { metadata } = current.value;
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      kind,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== String(current.revision)) {
    throw conflict(
      kind,
      metadata.name,
      `Precondition failed: resourceVersion is ${current.revision}, not ${resourceVersion}`,
    );
  }
};
