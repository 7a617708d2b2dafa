// Delivers a store's log to its watchers in order, without gap or duplicate. Used by both drivers.
import { WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { StoreEvent } from './store.ts';

/** Events after a revision, oldest first; `position` is how far they reach, whether or not an event matched. */
export interface LogSlice {
  readonly events: readonly StoreEvent[];
  readonly position: number;
}

export interface LogReader {
  revision(): number;
  compacted(): number;
  readAfter(prefix: string, position: number): LogSlice;
}

export type Listener = (events: readonly StoreEvent[]) => void;

interface Watcher {
  readonly prefix: string;
  readonly listener: Listener;
  readonly caughtUp: (() => void) | undefined;
  position: number;
  /** False while it still reads what was written before it came. */
  live: boolean;
  stopped: boolean;
}

export class Watchers {
  readonly #reader: LogReader;
  readonly #log: Log;
  readonly #watchers = new Set<Watcher>();
  readonly #pending: (readonly StoreEvent[])[] = [];
  #publishing = false;

  constructor(reader: LogReader, log: Log) {
    this.#reader = reader;
    this.#log = log;
  }

  add(prefix: string, from: number, listener: Listener, caughtUp?: () => void): () => void {
    if (from < this.#reader.compacted()) throw goneError(from, this.#reader.compacted());
    const live = from >= this.#reader.revision();
    const watcher: Watcher = { prefix, listener, caughtUp, position: from, live, stopped: false };
    this.#watchers.add(watcher);
    if (live) caughtUp?.();
    else this.#catchUpSoon(watcher);
    return () => {
      watcher.stopped = true;
      this.#watchers.delete(watcher);
    };
  }

  /** Hands committed events, in order, to those who have all that came before. */
  publish(events: readonly StoreEvent[]): void {
    this.#pending.push(events);
    // A listener that writes gets back here; its events must come after the present ones for everyone.
    if (this.#publishing) return;
    this.#publishing = true;
    for (let batch = this.#pending.shift(); batch; batch = this.#pending.shift()) this.#publishBatch(batch);
    this.#publishing = false;
  }

  #publishBatch(events: readonly StoreEvent[]): void {
    for (const watcher of [...this.#watchers]) {
      if (!watcher.live) continue;
      const wanted = events.filter(
        (event) => event.revision > watcher.position && event.key.startsWith(watcher.prefix),
      );
      watcher.position = Math.max(watcher.position, events.at(-1)?.revision ?? 0);
      if (wanted.length > 0) this.#deliver(watcher, wanted);
    }
  }

  /** Must run before the log is cut at `revision`: lets those who are behind read on first. */
  readUpTo(revision: number): void {
    for (const watcher of [...this.#watchers]) {
      while (!watcher.live && !watcher.stopped && watcher.position < revision) this.#step(watcher);
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.stopped = true;
    this.#watchers.clear();
  }

  #catchUpSoon(watcher: Watcher): void {
    setImmediate(() => {
      if (watcher.stopped || watcher.live) return;
      this.#step(watcher);
      if (!watcher.live) this.#catchUpSoon(watcher);
    });
  }

  #step(watcher: Watcher): void {
    let slice: LogSlice;
    try {
      slice = this.#reader.readAfter(watcher.prefix, watcher.position);
    } catch (error) {
      this.#log.error('a watcher was stopped: the log could not be read', { prefix: watcher.prefix, error });
      watcher.stopped = true;
      this.#watchers.delete(watcher);
      return;
    }
    watcher.position = slice.position;
    watcher.live = slice.position >= this.#reader.revision();
    if (slice.events.length > 0) this.#deliver(watcher, slice.events);
    if (watcher.live && !watcher.stopped) watcher.caughtUp?.();
  }

  #deliver(watcher: Watcher, events: readonly StoreEvent[]): void {
    if (watcher.stopped) return;
    try {
      watcher.listener(events);
    } catch (error) {
      this.#log.error('a watcher failed', { prefix: watcher.prefix, error });
    }
  }
}

export const goneError = (revision: number, compacted: number): WeftError =>
  new WeftError('STORE_GONE', `revision ${revision} is no longer kept; the oldest is ${compacted}`, {
    hint: 'list again and watch from the revision of the list',
  });

export const conflictError = (key: string, expected: number, actual: number): WeftError => {
  if (expected === 0) return new WeftError('STORE_CONFLICT', `${key} already exists (revision ${actual})`);
  const found = actual === 0 ? 'it does not exist' : `it is at revision ${actual}`;
  return new WeftError('STORE_CONFLICT', `${key} was expected at revision ${expected}, but ${found}`, {
    hint: 'read it again and repeat the change on the newest state',
  });
};

export const closedError = (): WeftError => new WeftError('STORE_CLOSED', 'the store is closed');
