// Messages as gRPC frames them in a stream: a flag, four bytes of length, then the bytes. Called by call.ts.

const HEAD_BYTES = 5;

/** What stands before a message that is not compressed. */
export const messageHead = (size: number): Buffer => {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(size, 1);
  return head;
};

/** Puts messages together again; `maxBytes` bounds each. */
export class MessageReader {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;
  /** Of the message that comes; undefined while its head does. */
  #size: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The stream may end here. */
  get isBetween(): boolean {
    return this.#length === 0 && this.#size === undefined;
  }

  /** Takes bytes that nobody changes any more. */
  feed(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** The next whole message; undefined until more has come; a text says why there will be none. */
  next(): Buffer | string | undefined {
    if (this.#size === undefined) {
      if (this.#length < HEAD_BYTES) return undefined;
      const head = this.#take(HEAD_BYTES);
      if (head[0] !== 0) return 'a message is compressed, though nobody asked for that';
      this.#size = head.readUInt32BE(1);
    }
    if (this.#size > this.#maxBytes) return `a message of ${this.#size} bytes is larger than ${this.#maxBytes}`;
    if (this.#length < this.#size) return undefined;
    const message = this.#take(this.#size);
    this.#size = undefined;
    return message;
  }

  #take(size: number): Buffer {
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = all.length > size ? [all.subarray(size)] : [];
    this.#length -= size;
    return all.subarray(0, size);
  }
}
