// Everything that an HTTP/2 connection writes: small frames gathered into one write per turn, large DATA passed on uncopied.
// Called by connection.ts and stream.ts.
import type { Flushable } from '../http1/flush-queue.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import { DATA, END_STREAM, FRAME_BYTES, frameHead } from './frames.ts';

/** Calls `flush` at the end of the turn, see flush-queue.ts. */
export interface Flushes {
  add(item: Flushable): void;
}

const SMALL_BYTES = 4096;
// Node sends strings of up to 16 KiB from the stack, without allocating.
const GATHER_BYTES = 16_000;

export class Outbox {
  /** The largest frame that the peer takes. */
  maxFrame = FRAME_BYTES;
  /** Frames of DATA, so far. */
  dataFrames = 0;
  readonly #wire: Wire;
  readonly #queue: Flushes;
  #queued = false;
  #text = '';
  /** The last DATA, not framed yet: the end of its stream may follow. */
  #held = '';
  #heldId = 0;

  constructor(wire: Wire, queue: Flushes) {
    this.#wire = wire;
    this.#queue = queue;
  }

  /** One or more whole frames. */
  add(frames: string): void {
    if (this.#heldId !== 0) this.#frameHeld(0);
    if (this.#text.length + frames.length > GATHER_BYTES) this.flush();
    this.#text += frames;
    this.#willFlush();
  }

  /** Bytes that the windows allow, lent by `from`; without it, bytes that nobody changes any more. */
  data(id: number, from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size <= SMALL_BYTES) {
      this.#hold(id, buffer.toString('latin1', start, end));
      return;
    }
    if (this.#heldId !== 0) this.#frameHeld(0);
    for (let at = start; at < end; at += this.maxFrame) {
      const stop = Math.min(end, at + this.maxFrame);
      this.dataFrames++;
      const text = this.#text + frameHead(stop - at, DATA, 0, id);
      this.#text = '';
      this.#wire.passAfter(text, from, buffer, at, stop);
    }
  }

  #hold(id: number, text: string): void {
    if (this.#heldId !== 0 && (this.#heldId !== id || this.#held.length + text.length > FRAME_BYTES))
      this.#frameHeld(0);
    if (this.#text.length + this.#held.length + text.length > GATHER_BYTES) this.#write();
    this.#heldId = id;
    this.#held += text;
    this.#willFlush();
  }

  /** The end of a stream without trailers. */
  end(id: number): void {
    if (this.#heldId === id) this.#frameHeld(END_STREAM);
    else this.add(frameHead(0, DATA, END_STREAM, id));
  }

  #frameHeld(flags: number): void {
    this.dataFrames++;
    this.#text += frameHead(this.#held.length, DATA, flags, this.#heldId) + this.#held;
    this.#held = '';
    this.#heldId = 0;
  }

  #willFlush(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#queue.add(this);
  }

  /** Sends what was gathered; happens by itself at the end of the turn. */
  flush(): void {
    this.#queued = false;
    if (this.#heldId !== 0) this.#frameHeld(0);
    this.#write();
  }

  #write(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#wire.write(text);
  }
}
