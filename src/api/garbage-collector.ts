// Deletes what belongs to owners that are gone, and lets owners go that wait for what they own. Opened by api.ts; all it knows comes from the store.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../lib/clock.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { groupOf, type OwnerReference, type Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, type StoreEvent, storeKey } from '../store/store.ts';
import { FOREGROUND, ORPHAN } from './deletion.ts';
import type { KindIndex, ServedKind } from './kind-index.ts';
import type { Objects } from './objects.ts';
import { isApiError } from './status.ts';

export interface GarbageCollectorOptions {
  readonly store: Store;
  readonly index: KindIndex;
  readonly objects: Objects;
  readonly clock: Clock;
  readonly log: Log;
}

const PAGE = 500;
// Writes of one turn share one wait for the disk.
const PARALLEL = 250;
const RETRY_MS = 5000;

// What stands in the store may be from an earlier version, or from nobody knows where: it must not end the collector.
const ownersOf = (resource: Resource): readonly OwnerReference[] => {
  const owners = resource?.metadata?.ownerReferences;
  return Array.isArray(owners) ? owners.filter((owner) => typeof owner?.apiVersion === 'string') : [];
};

const waitsFor = (resource: Resource, finalizer: string): boolean =>
  resource?.metadata?.deletionTimestamp !== undefined && (resource.metadata.finalizers ?? []).includes(finalizer);

const isWaiting = (resource: Resource): boolean => waitsFor(resource, FOREGROUND) || waitsFor(resource, ORPHAN);

export class GarbageCollector {
  readonly #options: GarbageCollectorOptions;
  /** Of an owner's uid, the keys of what it owns. */
  readonly #owned = new Map<string, Set<string>>();
  /** Of a key, the owners under which it stands in `#owned`. */
  readonly #owners = new Map<string, readonly OwnerReference[]>();
  /** The uids of owners that wait, and whose dependents have been queued for that. */
  readonly #told = new Set<string>();
  readonly #queue = new Set<string>();
  readonly #failed = new Set<string>();
  #retry: Timer | undefined;
  #running: Promise<void> | undefined;
  #stop: (() => void) | undefined;
  #closed = false;

  constructor(options: GarbageCollectorOptions) {
    this.#options = options;
  }

  /** Reads all there is, since an earlier process may have left work, and follows from there. */
  async start(): Promise<void> {
    const { store } = this.#options;
    const revision = store.revision();
    let after: string | undefined;
    do {
      const page = await store.list('/', { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const { key, value } of page.entries) this.#seen(key, value);
      after = page.next;
    } while (after !== undefined);
    this.#stop = store.watch('/', revision, (events) => this.#take(events));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop?.();
    this.#retry?.cancel();
    await this.#running;
  }

  #take(events: readonly StoreEvent[]): void {
    for (const { type, key, value, previous } of events) {
      if (type === 'put') this.#seen(key, value, previous);
      else this.#gone(key, value);
    }
  }

  #seen(key: string, value: Resource, previous?: Resource): void {
    const before = this.#owners.get(key) ?? [];
    const owners = ownersOf(value);
    if (owners.length > 0 || before.length > 0) this.#index(key, owners);
    const isNew = previous === undefined && owners.length > 0;
    const changed = !isDeepStrictEqual(before, owners);
    if (isNew || changed || isWaiting(value)) this.#enqueue(key);
    // An owner that waits for it may have lost it.
    if (changed) for (const owner of before) this.#enqueueOwner(key, owner);
  }

  #gone(key: string, value: Resource): void {
    this.#index(key, []);
    this.#told.delete(value?.metadata?.uid ?? '');
    for (const owned of this.#owned.get(value?.metadata?.uid ?? '') ?? []) this.#enqueue(owned);
    for (const owner of ownersOf(value)) this.#enqueueOwner(key, owner);
  }

  #index(key: string, owners: readonly OwnerReference[]): void {
    for (const { uid } of this.#owners.get(key) ?? []) {
      const keys = this.#owned.get(uid);
      keys?.delete(key);
      if (keys?.size === 0) this.#owned.delete(uid);
    }
    if (owners.length === 0) {
      this.#owners.delete(key);
      return;
    }
    this.#owners.set(key, owners);
    for (const { uid } of owners) {
      const keys = this.#owned.get(uid) ?? new Set();
      this.#owned.set(uid, keys.add(key));
    }
  }

  #enqueueOwner(key: string, owner: OwnerReference): void {
    const ownerKey = this.#keyOf(owner, namespaceOf(key));
    if (ownerKey !== undefined) this.#enqueue(ownerKey);
  }

  #enqueue(key: string): void {
    if (this.#closed) return;
    this.#queue.add(key);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    // The write whose event brought us here is to end first.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.size > 0 && !this.#closed) {
      const keys = [...this.#queue.values().take(PARALLEL)];
      for (const key of keys) this.#queue.delete(key);
      await Promise.all(keys.map((key) => this.#tend(key)));
    }
  }

  async #tend(key: string): Promise<void> {
    try {
      const entry = await this.#options.store.get(key);
      const kind = entry && this.#kindOf(key);
      if (!entry || !kind) return;
      if (waitsFor(entry.value, ORPHAN)) await this.#orphan(kind, entry);
      else if (waitsFor(entry.value, FOREGROUND)) await this.#foreground(kind, entry);
      else if (!entry.value.metadata.deletionTimestamp) await this.#checkOwners(kind, entry);
    } catch (error) {
      this.#fail(key, error);
    }
  }

  /** Another writer was faster, or the disk is full: both may be better later. */
  #fail(key: string, error: unknown): void {
    if (this.#closed || (isApiError(error) && error.code === 404)) return;
    const isRace = isWeftError(error, 'STORE_CONFLICT') || (isApiError(error) && error.code === 409);
    if (isRace) {
      this.#queue.add(key);
      return;
    }
    this.#options.log.warn('the garbage collector failed and will try again', { key, error: messageOf(error) });
    this.#failed.add(key);
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      for (const failed of this.#failed) this.#enqueue(failed);
      this.#failed.clear();
    });
  }

  /** Deletes what has no owner left; takes away references to owners that are gone where another one is there. */
  async #checkOwners(kind: ServedKind, entry: StoreEntry): Promise<void> {
    const owners = ownersOf(entry.value);
    const states = await Promise.all(owners.map((owner) => this.#stateOf(entry.key, owner)));
    if (owners.length === 0 || states.every((state) => state === 'there')) return;
    if (states.includes('there')) {
      const ownerReferences = owners.filter((_, i) => states[i] === 'there');
      await this.#options.objects.setMetadata(kind, entry, { ownerReferences });
      return;
    }
    const { metadata } = entry.value;
    // An owner waits for it, so it waits for its own in turn.
    const waits = states.includes('waiting') && this.#owned.has(metadata.uid ?? '');
    await this.#options.objects.delete(kind, metadata.namespace, metadata.name, {
      dryRun: false,
      resourceVersion: String(entry.revision),
      ...(waits ? { propagation: 'Foreground' as const } : {}),
    });
  }

  async #stateOf(key: string, owner: OwnerReference): Promise<'there' | 'waiting' | 'gone'> {
    const ownerKey = this.#keyOf(owner, namespaceOf(key));
    // Of a kind that is not known here nobody can say that it is gone.
    if (ownerKey === undefined) return 'there';
    const found = await this.#options.store.get(ownerKey);
    if (!found || found.value.metadata.uid !== owner.uid) return 'gone';
    return waitsFor(found.value, FOREGROUND) ? 'waiting' : 'there';
  }

  async #foreground(kind: ServedKind, entry: StoreEntry): Promise<void> {
    const { uid = '' } = entry.value.metadata;
    const owned = this.#ownedBy(entry);
    // Once is enough: what fails is tried again by itself, and what is new looks at its owners anyway.
    if (!this.#told.has(uid)) for (const key of owned) this.#enqueue(key);
    this.#told.add(uid);
    const blocks = (key: string) =>
      this.#owners.get(key)?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
    if (!owned.some(blocks)) await this.#release(kind, entry, FOREGROUND);
  }

  async #orphan(kind: ServedKind, entry: StoreEntry): Promise<void> {
    const owned = this.#ownedBy(entry);
    for (let i = 0; i < owned.length; i += PAGE) {
      await Promise.all(owned.slice(i, i + PAGE).map((key) => this.#disown(key, entry.value.metadata.uid)));
    }
    await this.#release(kind, entry, ORPHAN);
  }

  async #disown(key: string, uid: string | undefined): Promise<void> {
    const entry = await this.#options.store.get(key);
    const kind = this.#kindOf(key);
    if (!entry || !kind) return;
    const ownerReferences = ownersOf(entry.value).filter((owner) => owner.uid !== uid);
    await this.#options.objects.setMetadata(kind, entry, { ownerReferences });
  }

  #release(kind: ServedKind, entry: StoreEntry, finalizer: string): Promise<unknown> {
    const finalizers = (entry.value.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    return this.#options.objects.setMetadata(kind, entry, { finalizers });
  }

  /** The keys of what it owns. */
  #ownedBy({ key, value }: StoreEntry): string[] {
    const keys = [...(this.#owned.get(value.metadata.uid ?? '') ?? [])];
    const namespace = namespaceOf(key);
    // A reference into another namespace means another object.
    return keys.filter((owned) => namespace === '' || namespaceOf(owned) === namespace);
  }

  /** Undefined for a kind that is not kept here, or one that the owned object can't refer to. */
  #keyOf(owner: OwnerReference, namespace: string): string | undefined {
    const group = groupOf(owner.apiVersion);
    const kind = this.#options.index.kinds.find((known) => known.group === group && known.kind === owner.kind);
    if (!kind || kind.readOnly || (kind.namespaced && namespace === '')) return undefined;
    return storeKey(group, kind.plural, kind.namespaced ? namespace : '', owner.name);
  }

  #kindOf(key: string): ServedKind | undefined {
    const [, group, plural] = key.split('/');
    const definition = this.#options.index.kinds.find(
      (known) => (known.group || 'core') === group && known.plural === plural,
    );
    return definition && this.#options.index.find(definition.group, definition.version, definition.plural);
  }
}

const namespaceOf = (key: string): string => key.split('/')[3] ?? '';
