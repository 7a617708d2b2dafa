// Writes one message after the other to a wire: small pieces gathered into one write, large ones passed on uncopied.
import type { Lender, Wire } from '../wires/wire.ts';
import type { FlushQueue } from './flush-queue.ts';
import { lastChunk } from './serialize.ts';

const SMALL_BYTES = 4096;
// Node sends strings of up to 16 KiB from the stack, without allocating.
const GATHER_BYTES = 16_000;

export class Outlet {
  readonly wire: Wire;
  readonly #queue: FlushQueue;
  #queued = false;
  #text = '';
  #chunked = false;

  constructor(wire: Wire, queue: FlushQueue) {
    this.wire = wire;
    this.#queue = queue;
  }

  /** Starts a message with its head, empty line included. */
  begin(head: string, chunked: boolean): void {
    this.#text += head;
    this.#chunked = chunked;
  }

  /** A piece of the body, lent by `from`; without it, a buffer that nobody changes any more. */
  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size <= SMALL_BYTES) {
      if (this.#text.length + size > GATHER_BYTES) this.flush();
      const text = buffer.toString('latin1', start, end);
      this.#text += this.#chunked ? `${size.toString(16)}\r\n${text}\r\n` : text;
      return;
    }
    if (this.#chunked) this.#text += `${size.toString(16)}\r\n`;
    if (this.#text === '') this.wire.pass(from, buffer, start, end);
    else this.wire.passAfter(this.#text, from, buffer, start, end);
    this.#text = this.#chunked ? '\r\n' : '';
  }

  /** Ends the message; what was gathered is sent at the end of this turn. */
  end(trailers: readonly string[] | undefined): void {
    if (this.#chunked) this.#text += lastChunk(trailers);
    if (this.#text === '' || this.#queued) return;
    this.#queued = true;
    this.#queue.add(this);
  }

  /** Sends what was gathered; called at the end of every read. */
  flush(): void {
    this.#queued = false;
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.wire.write(text);
  }
}
