// Writes statuses back to the store, each only onto the spec that it is about. Used by control.ts.
import { isDeepStrictEqual } from 'node:util';
import type { StatusPatch } from '../compile/compiler.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Resource } from '../model/resource.ts';
import type { Store, StoreEvent } from '../store/store.ts';
import { keyOf } from './bootstrap.ts';

export interface StatusWriterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a write failed for a reason that may pass, such as a full disk. */
  readonly onFailure: () => void;
}

const MAX_CONFLICTS = 10;
/** Written at a time: they share a transaction of the store. */
const MAX_GROUP = 100;
/** Between rounds, so that what changes all the time, as the count of a Gateway's routes, is written now and then. */
const REST_MS = 100;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  /** The newest status for each key; a later one takes the place of one that waits. */
  readonly #waiting = new Map<string, StatusPatch>();
  /** On their way to the store. */
  readonly #written = new Map<string, StatusPatch>();
  #running: Promise<void> | undefined;
  #rest: Timer | undefined;
  #closed = false;
  #complained = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  write(patches: Iterable<StatusPatch>): void {
    for (const patch of patches) {
      const key = keyOf(patch.resource);
      if (key) this.#waiting.set(key, patch);
    }
    this.#start();
  }

  /** True for the event of a write by this writer, which changes nothing but the status. */
  isOwn({ key, value }: StoreEvent): boolean {
    const patch = this.#written.get(key);
    return patch !== undefined && isSameSpec(value, patch.resource) && isDeepStrictEqual(value.status, patch.status);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#rest?.cancel();
    await this.#running;
  }

  #start(): void {
    if (this.#waiting.size > 0 && !this.#closed && !this.#rest) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closed) {
      const group = [...this.#waiting.entries().take(MAX_GROUP)];
      for (const [key] of group) this.#waiting.delete(key);
      await Promise.all(group.map(([key, patch]) => this.#write(key, patch)));
    }
    this.#running = undefined;
    if (this.#closed) return;
    this.#rest = this.#options.clock.after(REST_MS, () => {
      this.#rest = undefined;
      this.#start();
    });
  }

  async #write(key: string, patch: StatusPatch): Promise<void> {
    this.#written.set(key, patch);
    try {
      await this.#put(key, patch);
      this.#complained = false;
    } catch (error) {
      if (this.#closed) return;
      if (!this.#complained) this.#options.log.warn('a status could not be written', { key, error: messageOf(error) });
      this.#complained = true;
      this.#waiting.clear();
      this.#options.onFailure();
    } finally {
      this.#written.delete(key);
    }
  }

  async #put(key: string, { resource, status }: StatusPatch): Promise<void> {
    for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
      const present = await this.#options.store.get(key);
      // Another spec has another status: the run that follows its change will tell.
      if (!present || !isSameSpec(present.value, resource)) return;
      if (isDeepStrictEqual(present.value.status, status)) return;
      try {
        await this.#options.store.put(key, { ...present.value, status }, { expected: present.revision });
        return;
      } catch (error) {
        if (!isWeftError(error, 'STORE_CONFLICT')) throw error;
      }
    }
  }
}

const isSameSpec = (a: Resource, b: Resource): boolean =>
  a.metadata.uid === b.metadata.uid && a.metadata.generation === b.metadata.generation;
