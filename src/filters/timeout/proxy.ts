// When one exchange has to be over, by its listener, its route and by what calls give themselves. Kept by exchange.ts.
import type { ClientLimits } from '../../model/snapshot.ts';

/** In monotonic milliseconds: now, and as last asked for. */
export interface Ticks {
  now(): number;
  readonly recent: number;
}

const NEVER = Number.POSITIVE_INFINITY;

export class ExchangeTimes {
  /** In monotonic milliseconds. */
  readonly startedAt: number;
  requestDueAt = NEVER;
  attemptDueAt = NEVER;
  readonly #ticks: Ticks;
  readonly #limits: ClientLimits | undefined;
  readonly #stallMs: number;

  /** `stallMs`: how long nothing may move where `limits` says nothing of it. */
  constructor(ticks: Ticks, limits: ClientLimits | undefined, stallMs: number) {
    this.#ticks = ticks;
    this.#limits = limits;
    this.#stallMs = stallMs;
    this.startedAt = ticks.now();
  }

  /** For the whole of the request, while it is still coming. */
  get receiveDueAt(): number {
    return this.startedAt + (this.#limits?.requestTimeoutMs ?? NEVER);
  }

  /** The next of all, counted from the last move. `isSilent`: both sides may be silent as long as they like. */
  dueAt(isReceiving: boolean, isSilent: boolean): number {
    const idleMs = this.#limits?.streamIdleTimeoutMs ?? (isSilent ? NEVER : this.#stallMs);
    const receive = isReceiving ? this.receiveDueAt : NEVER;
    return Math.min(this.requestDueAt, this.attemptDueAt, receive, this.#ticks.recent + idleMs);
  }

  /** From now on; without a limit where there is none, or it is 0. */
  limitRequest(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined || timeoutMs <= 0) return;
    this.requestDueAt = Math.min(this.requestDueAt, this.#ticks.now() + timeoutMs);
  }

  /** From the start on. */
  limitCall(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) this.requestDueAt = this.startedAt + timeoutMs;
  }

  limitAttempt(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined && timeoutMs > 0) this.attemptDueAt = this.#ticks.now() + timeoutMs;
  }

  endAttempt(): void {
    this.attemptDueAt = NEVER;
  }
}
