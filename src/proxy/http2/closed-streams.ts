// The streams of one connection that were reset here: what the peer sends before it knows of it is not its fault (RFC 9113, 5.1).
// Owned by connection.ts.

const MAX_REMEMBERED = 256;

export class ClosedStreams {
  readonly #ids = new Set<number>();
  /** All up to this one count as reset: the oldest that were forgotten. */
  #floor = 0;

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#ids;
    this.#ids.delete(oldest!);
    this.#floor = Math.max(this.#floor, oldest!);
  }

  has(id: number): boolean {
    return id <= this.#floor || this.#ids.has(id);
  }
}
