// A queue of bounded length: when it is full the oldest makes room. Used by the sender and the hub.

export class Ring<T> {
  readonly #capacity: number;
  readonly #items: (T | undefined)[] = [];
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  /** True when an older one had to go. */
  push(item: T): boolean {
    if (this.#length < this.#capacity) {
      this.#items[(this.#start + this.#length++) % this.#capacity] = item;
      return false;
    }
    this.#items[this.#start] = item;
    this.#start = (this.#start + 1) % this.#capacity;
    return true;
  }

  /** Takes out up to `count` of the oldest. */
  take(count: number): T[] {
    const taken: T[] = [];
    for (let n = Math.min(count, this.#length); n > 0; n--) {
      taken.push(this.#items[this.#start]!);
      this.#items[this.#start] = undefined;
      this.#start = (this.#start + 1) % this.#capacity;
      this.#length--;
    }
    return taken;
  }

  /** From the newest to the oldest. */
  *newestFirst(): Generator<T> {
    for (let i = this.#length - 1; i >= 0; i--) yield this.#items[(this.#start + i) % this.#capacity]!;
  }
}
