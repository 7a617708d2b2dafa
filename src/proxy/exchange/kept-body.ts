// The part of a request's body that has come, kept small, until it can be sent or for another attempt. Used by exchange.ts.
import type { UpstreamStream } from '../upstream/upstream-stream.ts';

export class KeptBody {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  bytes = 0;
  /** Somebody waits for so many, beyond what is kept else. */
  waitsFor = 0;
  #wasSent = false;
  /** False once more came than is kept: it can't be sent again. */
  complete = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The source should stop until somebody takes it. */
  get full(): boolean {
    return this.bytes >= Math.max(this.#maxBytes, this.waitsFor);
  }

  add(piece: Buffer): void {
    if (!this.complete) return;
    this.#pieces.push(piece);
    this.bytes += piece.length;
    this.#forgetIfLarge();
  }

  /** From here on it is kept only for another attempt. */
  sent(): void {
    this.#wasSent = true;
    this.#forgetIfLarge();
  }

  #forgetIfLarge(): void {
    if (!this.#wasSent || this.bytes <= this.#maxBytes) return;
    this.complete = false;
    this.#pieces = [];
    this.bytes = 0;
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }

  replay(upstream: UpstreamStream): void {
    for (const piece of this.#pieces) upstream.body(undefined, piece, 0, piece.length);
  }
}
