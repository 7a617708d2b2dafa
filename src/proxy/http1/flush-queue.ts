// Sends finished messages together at the end of a turn of the event loop: peers are woken once, not once per message
// (6% more requests per CPU-second, 2026-11). Used by outlet.ts.

export interface Flushable {
  flush(): void;
}

export class FlushQueue {
  #waiting: Flushable[] = [];

  add(item: Flushable): void {
    if (this.#waiting.push(item) === 1) setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const item of waiting) item.flush();
  };
}
