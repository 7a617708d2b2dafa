// Bytes of one stream that the peer's windows hold back, in chunks of memory that a connection uses again and again: what is
// passed on at full speed leaves no garbage. Owned by stream.ts and connection.ts.
import type { Lender } from '../wires/wire.ts';

const CHUNK_BYTES = 16_384;
/** Of one connection; what is beyond is left to the garbage collector. */
const MAX_FREE = 32;

export interface ByteSender {
  /** Sends what it can; returns how much that was. */
  send(from: Lender, buffer: Buffer, start: number, end: number): number;
}

export class ChunkStore implements Lender {
  /** The chunk that was passed on last is still needed by the wire. */
  left = false;
  #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  give(chunk: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(chunk);
  }

  /** Nothing is being sent for now. */
  clear(): void {
    this.#free = [];
  }

  keep(buffer: Buffer, start: number, end: number): Buffer {
    return Buffer.from(buffer.subarray(start, end));
  }

  leaveBuffer(): void {
    this.left = true;
  }
}

export class HeldBytes {
  size = 0;
  readonly #store: ChunkStore;
  readonly #chunks: Buffer[] = [];
  /** Where the first chunk begins, and the last one ends. */
  #start = 0;
  #end = CHUNK_BYTES;
  #isFirstLeft = false;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  add(buffer: Buffer, start: number, end: number): void {
    this.size += end - start;
    for (let at = start; at < end; ) {
      if (this.#end === CHUNK_BYTES) {
        this.#chunks.push(this.#store.take());
        this.#end = 0;
      }
      const copied = buffer.copy(this.#chunks.at(-1)!, this.#end, at, end);
      this.#end += copied;
      at += copied;
    }
  }

  /** Hands the first bytes, `most` of them or fewer, to `sender`; returns how many it took. */
  take(most: number, sender: ByteSender): number {
    const first = this.#chunks[0]!;
    const isLast = this.#chunks.length === 1;
    const stop = Math.min(isLast ? this.#end : CHUNK_BYTES, this.#start + most);
    this.#store.left = false;
    const sent = sender.send(this.#store, first, this.#start, stop);
    if (this.#store.left) this.#isFirstLeft = true;
    this.size -= sent;
    this.#start += sent;
    if (this.#start < (isLast ? this.#end : CHUNK_BYTES)) return sent;
    this.#chunks.shift();
    if (!this.#isFirstLeft) this.#store.give(first);
    this.#isFirstLeft = false;
    this.#start = 0;
    if (isLast) this.#end = CHUNK_BYTES;
    return sent;
  }
}
