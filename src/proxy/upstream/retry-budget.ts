// How many retries a cluster's endpoints are given: a share of its requests, so that a backend in trouble is not asked ever
// more often. Kept by clusters.ts.

const SHARE = 0.2;
/** However few requests there are. */
const MIN_PER_SECOND = 10;
const SLOT_MS = 1000;
const SLOTS = 10;

/** Counts over the last ten seconds. Times in monotonic milliseconds. */
export class RetryBudget {
  readonly #requests = new Array<number>(SLOTS).fill(0);
  readonly #retries = new Array<number>(SLOTS).fill(0);
  #slot = 0;
  #slotEnd = 0;

  /** A request has come. */
  request(now: number): void {
    if (now >= this.#slotEnd) this.#turn(now);
    this.#requests[this.#slot]!++;
  }

  /** True, and counted, where one more retry is within the budget. */
  takeRetry(now: number): boolean {
    if (now >= this.#slotEnd) this.#turn(now);
    const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
    if (sum(this.#retries) >= Math.max(SHARE * sum(this.#requests), MIN_PER_SECOND * SLOTS)) return false;
    this.#retries[this.#slot]!++;
    return true;
  }

  #turn(now: number): void {
    const passed = Math.floor((now - this.#slotEnd) / SLOT_MS) + 1;
    this.#slotEnd += passed * SLOT_MS;
    for (let i = 0; i < Math.min(passed, SLOTS); i++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#requests[this.#slot] = 0;
      this.#retries[this.#slot] = 0;
    }
  }
}
