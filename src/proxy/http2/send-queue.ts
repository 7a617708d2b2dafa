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
  /** Who has waited longest for a turn comes first. */
  readonly #waiting = new Set<Stream>();
  readonly #deadline = new Deadline(() => this.#onDue());

  constructor(deadlines: Deadlines, stallTimeoutMs: number, onStalled: (stream: Stream) => void) {
    this.#deadlines = deadlines;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#onStalled = onStalled;
  }

  add(stream: Stream): void {
    stream.movedAtMs = this.#deadlines.now();
    this.#waiting.add(stream);
    if (this.#deadline.at === Number.POSITIVE_INFINITY) {
      this.#deadlines.set(this.#deadline, stream.movedAtMs + this.#stallTimeoutMs);
    }
  }

  remove(stream: Stream): void {
    this.#waiting.delete(stream);
  }

  /** There is room for one stream. True when something of it was sent. */
  pump(stream: Stream, share = Number.POSITIVE_INFINITY): boolean {
    if (!stream.pump(share)) return false;
    stream.movedAtMs = this.#deadlines.now();
    this.#waiting.delete(stream);
    if (stream.waits) this.#waiting.add(stream);
    return true;
  }

  /** There is room for all: in turns, so that one large body does not hold up the others. */
  pumpAll(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const stream of [...this.#waiting]) if (this.pump(stream, SHARE_BYTES)) moved = true;
    }
  }

  #onDue(): void {
    const now = this.#deadlines.now();
    let next = Number.POSITIVE_INFINITY;
    for (const stream of [...this.#waiting]) {
      const due = stream.movedAtMs + this.#stallTimeoutMs;
      if (due <= now) this.#onStalled(stream);
      else next = Math.min(next, due);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#deadlines.set(this.#deadline, next);
  }

  close(): void {
    this.#waiting.clear();
    this.#deadlines.remove(this.#deadline);
  }
}
