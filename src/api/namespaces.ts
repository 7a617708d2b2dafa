// Namespaces as containers: what is created needs one that exists, and deleting one deletes its content.

import type { Kind } from '../kinds/kind.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { forbidden, notFound } from './status.ts';

const SUBJECT = { group: '', plural: 'namespaces', kind: 'Namespace' };
const PROTECTED = new Set(['default', 'weft-system']);
const PAGE = 200;

const namespaceKey = (name: string): string => storeKey('', 'namespaces', '', name);

export const withDeletion = (resource: Resource, clock: Clock): Resource => {
  const deletionTimestamp = timestampOf(clock.now());
  return { ...resource, metadata: { ...resource.metadata, deletionTimestamp } };
};

export class Namespaces {
  readonly #store: Store;
  readonly #kinds: readonly Kind[];
  readonly #clock: Clock;
  /** Creations under way, by namespace: a deletion waits for those that came before it. */
  readonly #creating = new Map<string, Set<Promise<unknown>>>();

  constructor(store: Store, kinds: readonly Kind[], clock: Clock) {
    this.#store = store;
    this.#kinds = kinds.filter((kind) => kind.namespaced);
    this.#clock = clock;
  }

  /** Runs a creation inside a namespace, which must be there and must not be on its way out. */
  async createIn<T>(name: string, create: () => Promise<T>): Promise<T> {
    const running = this.#checkOpen(name).then(create);
    const others = this.#creating.get(name) ?? new Set();
    this.#creating.set(name, others.add(running));
    try {
      return await running;
    } finally {
      others.delete(running);
      if (others.size === 0 && this.#creating.get(name) === others) this.#creating.delete(name);
    }
  }

  async #checkOpen(name: string): Promise<void> {
    const entry = await this.#store.get(namespaceKey(name));
    if (!entry) throw notFound(SUBJECT, name, `create it first, for example: kubectl create namespace ${name}`);
    if (entry.value.metadata.deletionTimestamp) {
      throw forbidden(`namespace "${name}" is being terminated; nothing new can be created in it`);
    }
  }

  checkDeletable(name: string): void {
    if (PROTECTED.has(name)) {
      throw forbidden(`namespaces "${name}" is forbidden: this namespace may not be deleted`, {
        name,
        kind: 'namespaces',
      });
    }
  }

  /** Marks the namespace, deletes what is in it, then itself. What has finalizers holds it back. */
  async terminate(entry: StoreEntry): Promise<StoreEntry> {
    const { name } = entry.value.metadata;
    let marked = entry;
    if (!entry.value.metadata.deletionTimestamp) {
      const value = withDeletion(entry.value, this.#clock);
      const status = { ...(value.status as object | undefined), phase: 'Terminating' };
      marked = await this.#store.put(entry.key, { ...value, status }, { expected: entry.revision });
    }
    await Promise.allSettled([...(this.#creating.get(name) ?? [])]);
    await this.finish(name);
    return marked;
  }

  /** Goes on with a deletion; called again when something that held it back is gone. */
  async finish(name: string): Promise<void> {
    const entry = await this.#store.get(namespaceKey(name));
    if (!entry?.value.metadata.deletionTimestamp) return;
    let held = (entry.value.metadata.finalizers ?? []).length > 0;
    for (const kind of this.#kinds) held = (await this.#empty(kind, name)) || held;
    if (!held) await this.#store.delete(entry.key);
  }

  /** Takes up deletions that an earlier process left half done. */
  async resume(): Promise<void> {
    const { entries } = await this.#store.list(storeKey('', 'namespaces', '', ''));
    for (const entry of entries)
      if (entry.value.metadata.deletionTimestamp) await this.finish(entry.value.metadata.name);
  }

  /** True when finalizers keep something there. */
  async #empty(kind: Kind, namespace: string): Promise<boolean> {
    let held = false;
    let after: string | undefined;
    do {
      const page = await this.#store.list(storeKey(kind.group, kind.plural, namespace, ''), {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      const results = await Promise.all(page.entries.map((entry) => this.#remove(entry)));
      held ||= results.includes('held');
      after = page.next;
    } while (after !== undefined);
    return held;
  }

  async #remove(entry: StoreEntry): Promise<'gone' | 'held'> {
    if ((entry.value.metadata.finalizers ?? []).length === 0) {
      await this.#store.delete(entry.key);
      return 'gone';
    }
    if (!entry.value.metadata.deletionTimestamp) {
      await this.#store
        .put(entry.key, withDeletion(entry.value, this.#clock), { expected: entry.revision })
        .catch((error) => {
          if (!isWeftError(error, 'STORE_CONFLICT')) throw error;
        });
    }
    return 'held';
  }
}
