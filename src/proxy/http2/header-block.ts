// A block of header fields out of HEADERS and its CONTINUATION frames (RFC 9113, 6.2 and 6.10). Owned by connection.ts.

const MAX_FRAGMENTS = 32;

export class HeaderBlock {
  /** Of the stream whose block is unfinished; 0 when none is: then no CONTINUATION may come, else nothing but it. */
  id = 0;
  endStream = false;
  readonly #maxBytes: number;
  #fragments: Buffer[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  begin(id: number, endStream: boolean): void {
    this.id = id;
    this.endStream = endStream;
  }

  /** Keeps a copy of a fragment; false when there are too many, or too much of it. */
  add(buffer: Buffer, start: number, end: number): boolean {
    this.#size += end - start;
    if (this.#size > this.#maxBytes || this.#fragments.length >= MAX_FRAGMENTS) return false;
    this.#fragments.push(Buffer.from(buffer.subarray(start, end)));
    return true;
  }

  /** The whole block; the next one may begin. */
  take(): Buffer {
    const whole = Buffer.concat(this.#fragments, this.#size);
    this.#fragments = [];
    this.#size = 0;
    this.id = 0;
    return whole;
  }
}
