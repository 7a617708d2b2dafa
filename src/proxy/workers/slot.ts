// One worker's place: its thread, and the next one when that has ended by itself. Owned by group.ts.
import { extname } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { Calls, type Handlers } from './calls.ts';
import type { Applied, WorkerStart } from './messages.ts';
import { changeOf } from './snapshot-change.ts';

export type OpenThread = (entry: URL, options: WorkerOptions) => Worker;

export interface SlotOptions {
  readonly index: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Asked for each thread anew. */
  readonly start: () => WorkerStart;
  readonly handlers: Handlers;
  readonly openThread?: OpenThread | undefined;
  /** A new thread is there, for one that ended: it has to be brought to where the others are. */
  readonly onRestart: (slot: Slot) => void;
  readonly onEnd: (slot: Slot) => void;
}

const BACKOFF_MS = [50, 200, 1_000, 3_000, 10_000];
/** After a run of this length an end counts as the first again. */
const STEADY_MS = 30_000;

// The sources are TypeScript, what is published is not.
const ENTRY = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

const inThread: OpenThread = (entry, options) => new Worker(entry, options);

export class Slot {
  readonly #options: SlotOptions;
  #thread: { readonly worker: Worker; readonly calls: Calls } | undefined;
  #sent: Snapshot | undefined;
  #startedAt = 0;
  #ends = 0;
  #timer: Timer | undefined;
  #closing = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#run();
  }

  get index(): number {
    return this.#options.index;
  }

  /** Undefined while there is no thread. */
  get calls(): Calls | undefined {
    return this.#thread?.calls;
  }

  /** Sends what is new since the last time. Undefined: there is no thread, or it ended over it. */
  async apply(snapshot: Snapshot): Promise<Applied | undefined> {
    const { calls } = this;
    if (!calls) return undefined;
    const change = changeOf(this.#sent, snapshot);
    this.#sent = snapshot;
    return calls.call<Applied>('apply', change).catch(() => undefined);
  }

  async end(): Promise<void> {
    this.#closing = true;
    this.#timer?.cancel();
    await this.#thread?.worker.terminate();
  }

  #run(): void {
    const { index, clock, log, start, handlers, openThread = inThread } = this.#options;
    this.#startedAt = clock.monotonic();
    this.#sent = undefined;
    const worker = openThread(ENTRY, { workerData: start(), name: `worker ${index}` });
    const calls = new Calls(worker, handlers);
    this.#thread = { worker, calls };
    let reason = 'it ended by itself';
    worker.on('error', (error) => {
      reason = messageOf(error);
    });
    worker.on('exit', () => {
      this.#thread = undefined;
      calls.close(new Error(reason));
      this.#options.onEnd(this);
      if (this.#closing) return;
      if (clock.monotonic() - this.#startedAt > STEADY_MS) this.#ends = 0;
      const inMs = BACKOFF_MS[Math.min(this.#ends++, BACKOFF_MS.length - 1)]!;
      log.error('a worker ended; another one is started', { worker: index, reason, inMs });
      this.#timer = clock.after(
        inMs,
        () => {
          this.#run();
          this.#options.onRestart(this);
        },
        true,
      );
    });
  }
}
