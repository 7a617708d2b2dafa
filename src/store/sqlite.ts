// The SQLite driver: what was acknowledged survives kill -9 and loss of power. Opened by the control plane.
import type { DatabaseSync } from 'node:sqlite';
import { WeftError } from '../lib/errors.ts';
import { type Log, silentLog } from '../lib/log.ts';
import type { Resource } from '../model/resource.ts';
import { corrupt, openDatabase, storageError } from './sqlite-file.ts';
import { type LogRow, prefixEnd, prepareStatements, type Statements } from './sqlite-statements.ts';
import type { ListResult, Store, StoreEntry, StoreEvent } from './store.ts';
import { closedError, conflictError, goneError, type LogSlice, Watchers } from './watchers.ts';

export interface SqliteOptions {
  path: string;
  log?: Log;
  /** How many revisions of history to keep; older ones are compacted by and by. */
  keepRevisions?: number;
  /** Compacts sooner when the log's values take more than this. */
  keepBytes?: number;
  /** The most that the database file may take; writes over it are refused. */
  maxSizeBytes?: number;
}

interface Write {
  readonly key: string;
  /** JSON, or absent for a delete. */
  readonly text: string | undefined;
  readonly expected: number | undefined;
  readonly resolve: (entry: StoreEntry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Written {
  readonly write: Write;
  readonly entry?: StoreEntry;
  readonly event?: StoreEvent;
  readonly conflict?: WeftError;
}

const SLICE = 500;
const SWEEP_REVISIONS = 200;
const MAX_QUEUED_WRITES = 20_000;
const MAX_QUEUED_BYTES = 256 * 1024 * 1024;
const MAX_GROUP = 500;

class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #path: string;
  readonly #log: Log;
  readonly #watchers: Watchers;
  readonly #keepRevisions: number;
  readonly #keepBytes: number;
  #queue: Write[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #sweeping: Promise<void> | undefined;
  #revision: number;
  #compacted: number;
  #swept: number;
  #logBytes: number;
  #closed = false;

  constructor(options: SqliteOptions) {
    this.#path = options.path;
    this.#log = options.log ?? silentLog;
    this.#keepRevisions = options.keepRevisions ?? 10_000;
    this.#keepBytes = options.keepBytes ?? 256 * 1024 * 1024;
    this.#db = openDatabase(options.path);
    try {
      this.#sql = prepareStatements(this.#db, options.maxSizeBytes);
      this.#revision = this.#sql.meta('revision');
      this.#compacted = this.#sql.meta('compacted');
      this.#swept = this.#sql.meta('swept');
      this.#logBytes = this.#sql.logBytes();
      if (!Number.isSafeInteger(this.#revision + this.#compacted + this.#swept)) {
        throw corrupt(options.path, 'its revision is missing');
      }
    } catch (error) {
      this.#db.close();
      throw storageError(error, options.path);
    }
    const reader = {
      revision: () => this.#revision,
      compacted: () => this.#compacted,
      readAfter: (prefix: string, position: number) => this.#readAfter(prefix, position),
    };
    this.#watchers = new Watchers(reader, this.#log);
    this.#sweepIfNeeded();
  }

  revision(): number {
    return this.#revision;
  }

  compacted(): number {
    return this.#compacted;
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    return this.#read(() => {
      const row = this.#sql.get(key);
      return row && entryOf(row);
    });
  }

  async list(prefix: string, options: { revision?: number; limit?: number; after?: string } = {}): Promise<ListResult> {
    return this.#read(() => {
      const revision = options.revision ?? this.#revision;
      if (revision < this.#compacted) throw goneError(revision, this.#compacted);
      const range = { start: prefix, end: prefixEnd(prefix), after: options.after ?? '' };
      const limit = options.limit === undefined ? -1 : options.limit;
      const past = revision < this.#revision;
      const rows = past ? this.#sql.listAt(range, revision, limit) : this.#sql.list(range, limit);
      const entries = rows.map(entryOf);
      const last = entries.at(-1);
      if (options.limit === undefined || !last || entries.length < options.limit) return { entries, revision };
      const rest = { ...range, after: last.key };
      const remaining = past ? this.#sql.countAt(rest, revision) : this.#sql.count(rest);
      return remaining > 0 ? { entries, revision, next: last.key, remaining } : { entries, revision };
    });
  }

  async put(key: string, value: Resource, options: { expected?: number } = {}): Promise<StoreEntry> {
    const entry = await this.#enqueue(key, JSON.stringify(value), options.expected);
    return entry!;
  }

  delete(key: string, options: { expected?: number } = {}): Promise<StoreEntry | undefined> {
    return this.#enqueue(key, undefined, options.expected);
  }

  watch(
    prefix: string,
    from: number,
    listener: (events: readonly StoreEvent[]) => void,
    caughtUp?: () => void,
  ): () => void {
    if (this.#closed) throw closedError();
    return this.#watchers.add(prefix, from, listener, caughtUp);
  }

  async compact(revision: number): Promise<void> {
    if (this.#closed) throw closedError();
    this.#startCompaction(revision);
    await this.#sweeping;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#watchers.close();
    await this.#sweeping;
    this.#db.close();
  }

  #read<T>(fn: () => T): T {
    if (this.#closed) throw closedError();
    try {
      return fn();
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /** Writes of one turn of the event loop share a transaction, and so one wait for the disk. */
  #enqueue(key: string, text: string | undefined, expected: number | undefined): Promise<StoreEntry | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError());
      const size = text?.length ?? 0;
      if (this.#queue.length >= MAX_QUEUED_WRITES || this.#queuedBytes + size > MAX_QUEUED_BYTES) {
        return reject(new WeftError('STORE_BUSY', 'too many writes wait for the disk', { hint: 'try again later' }));
      }
      this.#queue.push({ key, text, expected, resolve, reject });
      this.#queuedBytes += size;
      if (this.#flushing) return;
      this.#flushing = true;
      setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    this.#flushing = false;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (let i = 0; i < queue.length; i += MAX_GROUP) this.#commit(queue.slice(i, i + MAX_GROUP));
    this.#compactIfLong();
  }

  #commit(group: readonly Write[]): void {
    const start = { revision: this.#revision, logBytes: this.#logBytes };
    let written: Written[];
    try {
      this.#sql.begin();
      written = group.map((write) => this.#apply(write));
      if (this.#revision !== start.revision) this.#sql.setMeta('revision', this.#revision);
      this.#sql.commit();
    } catch (error) {
      this.#revision = start.revision;
      this.#logBytes = start.logBytes;
      if (this.#db.isTransaction) this.#sql.rollback();
      // One huge write must not take the others with it.
      if (group.length > 1) for (const write of group) this.#commit([write]);
      else this.#fail(group[0]!, error);
      return;
    }
    for (const { write, entry, conflict } of written) conflict ? write.reject(conflict) : write.resolve(entry);
    const events = written.map(({ event }) => event).filter((event) => event !== undefined);
    if (events.length > 0) this.#watchers.publish(events);
  }

  #fail(write: Write, error: unknown): void {
    const failure = storageError(error, this.#path);
    this.#log.error('a write was refused', { key: write.key, code: failure.code, error: failure });
    write.reject(failure);
  }

  #apply(write: Write): Written {
    const current = this.#sql.get(write.key);
    const actual = current?.revision ?? 0;
    if (write.expected !== undefined && write.expected !== actual) {
      return { write, conflict: conflictError(write.key, write.expected, actual) };
    }
    if (write.text === undefined && !current) return { write };
    const revision = ++this.#revision;
    this.#logBytes += write.text?.length ?? 0;
    this.#sql.insertLog(revision, write.key, write.text ?? null, actual);
    if (write.text !== undefined) {
      this.#sql.setCurrent(write.key, revision);
      const value = JSON.parse(write.text) as Resource;
      const event: StoreEvent = { type: 'put', key: write.key, value, revision };
      const previous = current && { previous: entryOf(current).value };
      return { write, entry: { key: write.key, value, revision }, event: { ...event, ...previous } };
    }
    this.#sql.deleteCurrent(write.key);
    const value = entryOf(current!).value;
    const event: StoreEvent = { type: 'delete', key: write.key, value, previous: value, revision };
    return { write, entry: { key: write.key, value, revision }, event };
  }

  #readAfter(prefix: string, position: number): LogSlice {
    const rows = this.#sql.logAfter(position, SLICE);
    const last = rows.length < SLICE ? this.#revision : rows.at(-1)!.revision;
    return { events: rows.filter((row) => row.key.startsWith(prefix)).map(eventOf), position: last };
  }

  #compactIfLong(): void {
    const length = this.#revision - this.#compacted;
    // A tenth of slack, so that compaction runs now and then instead of all the time.
    if (length > this.#keepRevisions * 1.1) this.#startCompaction(this.#revision - this.#keepRevisions);
    else if (this.#logBytes > this.#keepBytes && length > 100 && !this.#sweeping) {
      this.#startCompaction(this.#revision - Math.floor(length / 2));
    }
  }

  /** Moves the mark at once; what lies before it is then removed in small steps. */
  #startCompaction(revision: number): void {
    const target = Math.min(revision, this.#revision);
    if (target > this.#compacted) {
      this.#watchers.readUpTo(target);
      this.#compacted = target;
    }
    this.#sweepIfNeeded();
  }

  #sweepIfNeeded(): void {
    if (this.#sweeping || this.#swept >= this.#compacted) return;
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
  }

  async #sweep(): Promise<void> {
    while (this.#swept < this.#compacted) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#closed) return;
      try {
        this.#sweepStep();
      } catch (error) {
        if (this.#db.isTransaction) this.#sql.rollback();
        this.#log.warn('compaction stopped; it goes on after a later write', {
          error: storageError(error, this.#path),
        });
        return;
      }
    }
  }

  #sweepStep(): void {
    const upTo = Math.min(this.#compacted, this.#swept + SWEEP_REVISIONS);
    this.#sql.begin();
    let freed = 0;
    for (const row of this.#sql.sweepable(this.#swept, upTo)) {
      // A row is dead once a later one, itself before the mark, has replaced it; a deletion is dead at once.
      if (row.previous > 0) freed += this.#sql.deleteLog(row.previous);
      if (row.deleted) freed += this.#sql.deleteLog(row.revision);
    }
    this.#sql.setMeta('compacted', this.#compacted);
    this.#sql.setMeta('swept', upTo);
    this.#sql.commit();
    this.#swept = upTo;
    this.#logBytes -= freed;
  }
}

const entryOf = (row: { key: string; value: string; revision: number }): StoreEntry => ({
  key: row.key,
  value: JSON.parse(row.value) as Resource,
  revision: row.revision,
});

const eventOf = (row: LogRow): StoreEvent => {
  const previous = row.previous_value === null ? undefined : (JSON.parse(row.previous_value) as Resource);
  const { key, revision } = row;
  if (row.value === null) return { type: 'delete', key, value: previous!, previous: previous!, revision };
  const event: StoreEvent = { type: 'put', key, value: JSON.parse(row.value) as Resource, revision };
  return previous ? { ...event, previous } : event;
};

export const openSqliteStore = (options: SqliteOptions): Store => new SqliteStore(options);
