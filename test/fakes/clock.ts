// A clock that tests move by hand: timers fire in order of their time, from `advance` alone.
import type { Clock, Timer } from '../../src/lib/clock.ts';

interface Pending {
  at: number;
  readonly everyMs: number | undefined;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #pending = new Set<Pending>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
    this.#start = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  after(ms: number, fn: () => void): Timer {
    return this.#add({ at: this.#now + ms, everyMs: undefined, fn });
  }

  every(ms: number, fn: () => void): Timer {
    return this.#add({ at: this.#now + ms, everyMs: ms, fn });
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer, or undefined when none is set. */
  get nextIn(): number | undefined {
    const times = [...this.#pending].map((pending) => pending.at);
    return times.length ? Math.min(...times) - this.#now : undefined;
  }

  /** Moves time on and fires what is due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#pending].filter((pending) => pending.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      if (due.everyMs === undefined) this.#pending.delete(due);
      else due.at += due.everyMs;
      due.fn();
    }
    this.#now = end;
  }

  #add(pending: Pending): Timer {
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }
}
