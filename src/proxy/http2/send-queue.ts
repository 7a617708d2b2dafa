// Streams with bytes that the peer's windows hold back: sends them in turns when there is room, gives up those that never get
// any. Owned by connection.ts.
import type { Deadlines } from '../deadlines.ts';
import { Deadline } from '../deadlines.ts';
import type { Stream } from './stream.ts';

/** Of one stream before the next one's turn. */
const SHARE_BYTES = 65_536;

export class SendQueue {
  readonly #deadlines: Deadlines;
  readonly #stallTimeoutMs: number;
  readonly #onStalled: (stream: Stream) => void;
  readonly #waiting: Stream[] = [];
  readonly #deadline = new Deadline(() => this.#onDue());

  constructor(deadlines: Deadlines, stallTimeoutMs: number, onStalled: (stream: Stream) => void) {
    this.#deadlines = deadlines;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#onStalled = onStalled;
  }

  add(stream: Stream): void {
    if (stream.queued) return;
    stream.queued = true;
    stream.movedAtMs = this.#deadlines.now();
    this.#waiting.push(stream);
    if (this.#deadline.at === Number.POSITIVE_INFINITY) {
      this.#deadlines.set(this.#deadline, stream.movedAtMs + this.#stallTimeoutMs);
    }
  }

  /** There is room for one stream. */
  pump(stream: Stream): void {
    if (stream.pump(Number.POSITIVE_INFINITY)) stream.movedAtMs = this.#deadlines.now();
  }

  /** There is room for all: in turns, so that one large body does not hold up the others. */
  pumpAll(): void {
    const waiting = this.#waiting;
    for (let moved = true; moved; ) {
      moved = false;
      for (let n = waiting.length; n > 0; n--) {
        const stream = waiting.shift();
        if (!stream) return;
        stream.queued = false;
        if (stream.pump(SHARE_BYTES)) {
          moved = true;
          stream.movedAtMs = this.#deadlines.now();
        }
        if (!stream.waits || stream.queued) continue;
        stream.queued = true;
        waiting.push(stream);
      }
    }
  }

  #onDue(): void {
    const now = this.#deadlines.now();
    let next = Number.POSITIVE_INFINITY;
    for (const stream of [...this.#waiting]) {
      if (!stream.waits) continue;
      const due = stream.movedAtMs + this.#stallTimeoutMs;
      if (due <= now) this.#onStalled(stream);
      else next = Math.min(next, due);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#deadlines.set(this.#deadline, next);
  }

  close(): void {
    this.#waiting.length = 0;
    this.#deadlines.remove(this.#deadline);
  }
}
