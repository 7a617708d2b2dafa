// The memory driver: same behaviour as SQLite, nothing kept. For tests and for proxies that compile by themselves.
import { type Log, silentLog } from '../lib/log.ts';
import type { Resource } from '../model/resource.ts';
import type { ListResult, Store, StoreEntry, StoreEvent } from './store.ts';
import { closedError, conflictError, goneError, type LogSlice, Watchers } from './watchers.ts';

/** Oldest first; `value` is absent where the key was deleted. */
interface Version {
  readonly revision: number;
  readonly value: Resource | undefined;
}

export interface MemoryOptions {
  log?: Log;
  /** How many revisions of history to keep; older ones are compacted by and by. */
  keepRevisions?: number;
}

const SLICE = 500;

class MemoryStore implements Store {
  readonly #versions = new Map<string, Version[]>();
  readonly #watchers: Watchers;
  readonly #keep: number;
  #events: StoreEvent[] = [];
  #revision = 0;
  #compacted = 0;
  #closed = false;

  constructor(options: MemoryOptions) {
    this.#keep = options.keepRevisions ?? 10_000;
    const reader = {
      revision: () => this.#revision,
      compacted: () => this.#compacted,
      readAfter: (prefix: string, position: number) => this.#readAfter(prefix, position),
    };
    this.#watchers = new Watchers(reader, options.log ?? silentLog);
  }

  revision(): number {
    return this.#revision;
  }

  compacted(): number {
    return this.#compacted;
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    this.#checkOpen();
    return this.#at(key, this.#revision);
  }

  async list(prefix: string, options: { revision?: number; limit?: number; after?: string } = {}): Promise<ListResult> {
    this.#checkOpen();
    const revision = options.revision ?? this.#revision;
    if (revision < this.#compacted) throw goneError(revision, this.#compacted);
    const after = options.after ?? '';
    const found = [...this.#versions.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort((a, b) => (a < b ? -1 : 1))
      .map((key) => this.#at(key, revision))
      .filter((entry) => entry !== undefined);
    const entries = options.limit === undefined ? found : found.slice(0, options.limit);
    const remaining = found.length - entries.length;
    const last = entries.at(-1);
    return remaining > 0 && last ? { entries, revision, next: last.key, remaining } : { entries, revision };
  }

  async put(key: string, value: Resource, options: { expected?: number } = {}): Promise<StoreEntry> {
    this.#checkOpen();
    const current = this.#at(key, this.#revision);
    this.#checkExpected(key, current, options.expected);
    // A copy, so that a caller who changes the object later does not change history.
    const kept = JSON.parse(JSON.stringify(value)) as Resource;
    const revision = this.#append(key, kept);
    const event: StoreEvent = { type: 'put', key, value: kept, revision };
    this.#publish(current ? { ...event, previous: current.value } : event);
    return { key, value: kept, revision };
  }

  async delete(key: string, options: { expected?: number } = {}): Promise<StoreEntry | undefined> {
    this.#checkOpen();
    const current = this.#at(key, this.#revision);
    this.#checkExpected(key, current, options.expected);
    if (!current) return undefined;
    const revision = this.#append(key, undefined);
    this.#publish({ type: 'delete', key, value: current.value, previous: current.value, revision });
    return { key, value: current.value, revision };
  }

  watch(
    prefix: string,
    from: number,
    listener: (events: readonly StoreEvent[]) => void,
    caughtUp?: () => void,
  ): () => void {
    this.#checkOpen();
    return this.#watchers.add(prefix, from, listener, caughtUp);
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    const target = Math.min(revision, this.#revision);
    if (target <= this.#compacted) return;
    this.#watchers.readUpTo(target);
    this.#compacted = target;
    this.#events = this.#events.filter((event) => event.revision > target);
    for (const [key, versions] of this.#versions) {
      const newest = versions.findLastIndex((version) => version.revision <= target);
      const kept = versions.slice(
        newest >= 0 && versions[newest]!.value === undefined ? newest + 1 : Math.max(newest, 0),
      );
      if (kept.length === 0) this.#versions.delete(key);
      else this.#versions.set(key, kept);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.close();
  }

  #at(key: string, revision: number): StoreEntry | undefined {
    const version = this.#versions.get(key)?.findLast((candidate) => candidate.revision <= revision);
    return version?.value ? { key, value: version.value, revision: version.revision } : undefined;
  }

  #append(key: string, value: Resource | undefined): number {
    const revision = ++this.#revision;
    const versions = this.#versions.get(key);
    if (versions) versions.push({ revision, value });
    else this.#versions.set(key, [{ revision, value }]);
    return revision;
  }

  #publish(event: StoreEvent): void {
    this.#events.push(event);
    this.#watchers.publish([event]);
    // A tenth of slack, so that the whole map is not walked on every write.
    if (this.#revision - this.#compacted > this.#keep * 1.1) void this.compact(this.#revision - this.#keep);
  }

  #readAfter(prefix: string, position: number): LogSlice {
    const start = this.#events.findIndex((event) => event.revision > position);
    if (start < 0) return { events: [], position: this.#revision };
    const slice = this.#events.slice(start, start + SLICE);
    return { events: slice.filter((event) => event.key.startsWith(prefix)), position: slice.at(-1)!.revision };
  }

  #checkExpected(key: string, current: StoreEntry | undefined, expected: number | undefined): void {
    const actual = current?.revision ?? 0;
    if (expected !== undefined && expected !== actual) throw conflictError(key, expected, actual);
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }
}

export const openMemoryStore = (options: MemoryOptions = {}): Store => new MemoryStore(options);
