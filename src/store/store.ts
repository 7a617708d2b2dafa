// The store's interface: a log of revisions. Drivers stand beside it and pass one shared suite.
import type { Resource } from '../model/resource.ts';

export interface StoreEntry {
  /** `/<group or "core">/<plural>/<namespace or "">/<name>`; see `storeKey`. */
  readonly key: string;
  readonly value: Resource;
  /** Of its last write. */
  readonly revision: number;
}

export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The new value; for a delete the last one. */
  readonly value: Resource;
  /** The value before; absent when the put created it. */
  readonly previous?: Resource;
  readonly revision: number;
}

export interface ListResult {
  readonly entries: readonly StoreEntry[];
  /** The revision at which the list is true. */
  readonly revision: number;
  /** Set when `limit` cut the list: pass it as `after`. */
  readonly next?: string;
  /** How many entries follow `next`. */
  readonly remaining?: number;
}

export interface Store {
  /** The newest revision; 0 when nothing was ever written. */
  revision(): number;
  /** The oldest revision that can be listed or watched from. */
  compacted(): number;
  get(key: string): Promise<StoreEntry | undefined>;
  /** Entries under a key prefix in key order, now or at a revision. Throws STORE_GONE when it is compacted away. */
  list(prefix: string, options?: { revision?: number; limit?: number; after?: string }): Promise<ListResult>;
  /**
   * Writes and returns once it is durable. `expected`: the revision that the key must be at, 0 for "must not exist".
   * Throws STORE_CONFLICT (nothing written) or STORE_FULL (disk; nothing written, reads go on).
   */
  put(key: string, value: Resource, options?: { expected?: number }): Promise<StoreEntry>;
  /** Throws STORE_CONFLICT; a key that does not exist answers undefined. */
  delete(key: string, options?: { expected?: number }): Promise<StoreEntry | undefined>;
  /**
   * Calls `listener` with every event after revision `from` under the prefix, in order, none twice, none left out.
   * Throws STORE_GONE when `from` is compacted away. Returns how to stop.
   * Calls `caughtUp` once, when all that was written before has been delivered: from then on an event reaches the
   * listener before `revision()` can be seen to have moved past it.
   */
  watch(
    prefix: string,
    from: number,
    listener: (events: readonly StoreEvent[]) => void,
    caughtUp?: () => void,
  ): () => void;
  /** Forgets what is older than `revision`; current values stay. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

/** The key of a resource: `/gateway.networking.k8s.io/httproutes/default/shop`. */
export const storeKey = (group: string, plural: string, namespace: string, name: string): string =>
  `/${group || 'core'}/${plural}/${namespace}/${name}`;
