// How many retries a cluster's endpoints are given: a share of its requests, so that a backend in trouble is not asked ever
// more often. Kept by clusters.ts.
import type { RetryBudget } from '../../model/snapshot.ts';

const SLOTS = 10;

/** Counts over the last interval. Times in monotonic milliseconds. */
export class RetryAllowance {
  readonly budget: RetryBudget;
  readonly #requests = new Array<number>(SLOTS).fill(0);
  readonly #retries = new Array<number>(SLOTS).fill(0);
  #slot = 0;
  #slotEnd = 0;
  readonly #slotMs: number;

  constructor(budget: RetryBudget) {
    this.budget = budget;
    this.#slotMs = budget.intervalMs / SLOTS;
  }

  /** A request has come. */
  request(now: number): void {
    if (now >= this.#slotEnd) this.#turn(now);
    this.#requests[this.#slot]!++;
  }

  /** True, and counted, where one more retry is within the budget. */
  takeRetry(now: number): boolean {
    if (now >= this.#slotEnd) this.#turn(now);
    const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
    const { percent, minimum } = this.budget;
    if (sum(this.#retries) >= Math.max((percent / 100) * sum(this.#requests), minimum)) return false;
    this.#retries[this.#slot]!++;
    return true;
  }

  #turn(now: number): void {
    const passed = Math.floor((now - this.#slotEnd) / this.#slotMs) + 1;
    this.#slotEnd += passed * this.#slotMs;
    for (let i = 0; i < Math.min(passed, SLOTS); i++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#requests[this.#slot] = 0;
      this.#retries[this.#slot] = 0;
    }
  }
}
