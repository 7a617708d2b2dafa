// Writes statuses back to the store, one after the other, each only onto the spec that it is about. Used by control.ts.
import type { StatusPatch } from '../compile/compiler.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Resource } from '../model/resource.ts';
import type { Store } from '../store/store.ts';
import { keyOf } from './bootstrap.ts';

export interface StatusWriterOptions {
  readonly store: Store;
  readonly log: Log;
  /** Called when a write failed for a reason that may pass, such as a full disk. */
  readonly onFailure: () => void;
}

const MAX_CONFLICTS = 10;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  /** The newest status for each key; a later one takes the place of one that waits. */
  readonly #waiting = new Map<string, StatusPatch>();
  #running: Promise<void> | undefined;
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
    if (this.#waiting.size > 0 && !this.#closed) this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      const [next] = this.#waiting;
      if (!next || this.#closed) break;
      const [key, patch] = next;
      this.#waiting.delete(key);
      try {
        await this.#put(key, patch);
        this.#complained = false;
      } catch (error) {
        if (this.#closed) break;
        if (!this.#complained)
          this.#options.log.warn('a status could not be written', { key, error: messageOf(error) });
        this.#complained = true;
        this.#waiting.clear();
        this.#options.onFailure();
      }
    }
    this.#running = undefined;
  }

  async #put(key: string, { resource, status }: StatusPatch): Promise<void> {
    for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
      const present = await this.#options.store.get(key);
      // Another spec has another status: the run that follows its change will tell.
      if (!present || !isSameSpec(present.value, resource)) return;
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
