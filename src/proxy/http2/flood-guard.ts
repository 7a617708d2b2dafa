// A budget for frames that cost the peer next to nothing: resets, PINGs, SETTINGS, empty frames. Progress and time refill it.
// Owned by connection.ts, which ends a connection that has used it up (ENHANCE_YOUR_CALM).

const FULL = 4000;
const PER_SECOND = 400;

/** What a frame takes from the budget. */
export const CHEAP = 1;
export const ANSWERED = 4;
/** A stream that was begun for nothing: parsed, perhaps sent on, then reset or refused. 200 at once, 20 a second for long. */
export const WASTED_STREAM = 20;

export class FloodGuard {
  #left = FULL;
  #at = 0;

  /** False when too much was asked for. */
  charge(cost: number, nowMs: number): boolean {
    if (this.#at !== 0) this.refund(((nowMs - this.#at) * PER_SECOND) / 1000);
    this.#at = nowMs;
    this.#left -= cost;
    return this.#left >= 0;
  }

  /** Something useful was done. */
  refund(credit: number): void {
    this.#left = Math.min(FULL, this.#left + credit);
  }
}
