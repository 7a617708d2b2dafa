// Deadlines of many connections over one timer. Moving one later, which every request does, costs one assignment.
import type { Clock, Timer } from '../lib/clock.ts';

/** One thing that may become due; made once per connection and set again and again. */
export class Deadline {
  /** When it is due; Infinity while it isn't set. */
  at = Number.POSITIVE_INFINITY;
  /** Where it stands in the heap; never later than `at` while it is set. */
  key = 0;
  index = -1;
  readonly onDue: () => void;

  constructor(onDue: () => void) {
    this.onDue = onDue;
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #heap: Deadline[] = [];
  /** The time as it was last asked for: near enough for what is counted in seconds. */
  recent = 0;
  #closed = false;
  #timer: Timer | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    this.recent = this.#clock.monotonic();
    return this.recent;
  }

  /** `at` in monotonic milliseconds. */
  set(deadline: Deadline, at: number): void {
    if (this.#closed) return;
    deadline.at = at;
    if (deadline.index >= 0) {
      // Later than where it stands: it is looked at again when that time comes.
      if (deadline.key <= at) return;
      deadline.key = at;
      this.#up(deadline.index);
    } else {
      deadline.key = at;
      deadline.index = this.#heap.push(deadline) - 1;
      this.#up(deadline.index);
    }
    if (at < this.#armedFor) this.#arm();
  }

  clear(deadline: Deadline): void {
    deadline.at = Number.POSITIVE_INFINITY;
  }

  /** Forgets it; for owners that end. */
  remove(deadline: Deadline): void {
    deadline.at = Number.POSITIVE_INFINITY;
    const { index } = deadline;
    if (index < 0) return;
    deadline.index = -1;
    const last = this.#heap.pop()!;
    if (last === deadline) return;
    this.#heap[index] = last;
    last.index = index;
    this.#up(index);
    this.#down(last.index);
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Nothing is due any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const deadline of this.#heap) deadline.index = -1;
    this.#heap.length = 0;
  }

  #arm(): void {
    this.#timer?.cancel();
    const first = this.#heap[0];
    if (!first) {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#timer = undefined;
      return;
    }
    this.#armedFor = first.key;
    // Node's timers may fire a part of a millisecond early.
    this.#timer = this.#clock.after(Math.max(1, Math.ceil(first.key - this.now())), () => this.#run());
  }

  #run(): void {
    const now = this.now();
    for (let first = this.#heap[0]; first && first.key <= now; first = this.#heap[0]) {
      const due = first.at <= now;
      const { at } = first;
      this.remove(first);
      if (due) first.onDue();
      else if (at !== Number.POSITIVE_INFINITY) this.set(first, at);
    }
    this.#arm();
  }

  #up(from: number): void {
    const heap = this.#heap;
    const item = heap[from]!;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.key <= item.key) break;
      heap[index] = heap[parent]!;
      heap[index]!.index = index;
      index = parent;
    }
    heap[index] = item;
    item.index = index;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const item = heap[from]!;
    let index = from;
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.key < heap[child]!.key) child++;
      if (heap[child]!.key >= item.key) break;
      heap[index] = heap[child]!;
      heap[index]!.index = index;
      index = child;
    }
    heap[index] = item;
    item.index = index;
  }
}
