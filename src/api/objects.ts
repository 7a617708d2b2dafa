// Reads and writes single objects: create, get, update, delete, each as Kubernetes defines it.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { ObjectMeta, Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { admitCreate, admitUpdate, type Incoming, type Part } from './admission.ts';
import { checkPreconditions, type DeleteOptions, withDeletion } from './deletion.ts';
import type { ServedKind } from './kind-index.ts';
import type { Namespaces } from './namespaces.ts';
import { ownedCreate, ownedUpdate, prepareApply } from './ownership.ts';
import { alreadyExists, notFound } from './status.ts';

type Json = Record<string, unknown>;

const MAX_TRIES = 10;

const isNamespace = ({ group, kind }: ServedKind): boolean => group === '' && kind === 'Namespace';

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
    return this.#namespaces.createIn(incoming.kind, namespace, () => this.#create(incoming, body, dryRun));
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
        const entry = await (namespace === undefined ? create() : this.#namespaces.createIn(kind, namespace, create));
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
    if (isDeepStrictEqual(value, current.value)) return current;
    if (dryRun) return { ...current, value };
    try {
      return await this.#put(kind, namespace, current, value);
    } catch (error) {
      if (!isWeftError(error, 'STORE_CONFLICT') || tries >= MAX_TRIES) throw error;
      return undefined;
    }
  }

  /** Writes it; when that was the last that a deleted object waited for, it goes. */
  async #put(
    kind: ServedKind,
    namespace: string | undefined,
    current: StoreEntry,
    value: Resource,
  ): Promise<StoreEntry> {
    const { name, deletionTimestamp, finalizers = [] } = value.metadata;
    const isGone = deletionTimestamp !== undefined && finalizers.length === 0;
    if (!isGone || isNamespace(kind)) {
      const written = await this.#store.put(current.key, value, { expected: current.revision });
      if (isGone) await this.#namespaces.finish(name);
      return written;
    }
    const deleted = await this.#store.delete(current.key, { expected: current.revision });
    if (namespace !== undefined) await this.#namespaces.finish(namespace);
    return { key: current.key, value, revision: deleted?.revision ?? current.revision };
  }

  /** For the garbage collector: changes metadata alone, past all checks. Throws STORE_CONFLICT. */
  setMetadata(
    kind: ServedKind,
    current: StoreEntry,
    change: Partial<Pick<ObjectMeta, 'finalizers' | 'ownerReferences'>>,
  ): Promise<StoreEntry> {
    const metadata: Record<string, unknown> & ObjectMeta = { ...current.value.metadata, ...change };
    for (const [field, list] of Object.entries(change)) if (list.length === 0) delete metadata[field];
    return this.#put(kind, metadata.namespace, current, { ...current.value, metadata });
  }

  /** Answers the last state, and whether the object is gone or waits for its finalizers. */
  async delete(
    kind: ServedKind,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions,
  ): Promise<{ entry: StoreEntry; gone: boolean }> {
    const ofNamespace = isNamespace(kind);
    for (let tries = 1; ; tries++) {
      const current = await this.get(kind, namespace, name);
      checkPreconditions(kind, current, options);
      if (ofNamespace) this.#namespaces.checkDeletable(name);
      if (options.dryRun) return { entry: current, gone: !ofNamespace };
      try {
        if (ofNamespace) return { entry: await this.#namespaces.terminate(current), gone: false };
        const waiting = withDeletion(current.value, this.#clock, options.propagation);
        if (waiting === current.value) return { entry: current, gone: false };
        if (waiting) {
          return { entry: await this.#store.put(current.key, waiting, { expected: current.revision }), gone: false };
        }
        const deleted = await this.#store.delete(current.key, { expected: current.revision });
        return { entry: deleted ?? current, gone: true };
      } catch (error) {
        if (!isWeftError(error, 'STORE_CONFLICT') || tries >= MAX_TRIES) throw error;
      }
    }
  }
}
