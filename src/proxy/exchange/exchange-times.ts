// When one exchange has to be over, by its route and by what calls give themselves. Kept by exchange.ts.
import type { Deadlines } from '../deadlines.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class ExchangeTimes {
  /** In monotonic milliseconds. */
  readonly startedAt: number;
  requestDueAt = NEVER;
  attemptDueAt = NEVER;
  readonly #deadlines: Deadlines;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
    this.startedAt = deadlines.now();
  }

  /** From now on; without a limit where there is none, or it is 0. */
  limitRequest(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined || timeoutMs <= 0) return;
    this.requestDueAt = Math.min(this.requestDueAt, this.#deadlines.now() + timeoutMs);
  }

  /** From the start on. */
  limitCall(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) this.requestDueAt = this.startedAt + timeoutMs;
  }

  limitAttempt(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined && timeoutMs > 0) this.attemptDueAt = this.#deadlines.now() + timeoutMs;
  }

  endAttempt(): void {
    this.attemptDueAt = NEVER;
  }
}
