// The part of a request's body that has come, kept small, until it can be sent or for another attempt. Used by exchange.ts.
import type { UpstreamStream } from '../upstream/upstream-stream.ts';

export class KeptBody {
  maxBytes: number;
  #pieces: Buffer[] = [];
  bytes = 0;
  /** Somebody waits for so many, beyond what is kept else. */
  waitsFor = 0;
  #wasSent = false;
  /** False once more came than is kept: it can't be sent again. */
  complete = true;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** The source should stop until somebody takes it. */
  get full(): boolean {
    return this.bytes >= Math.max(this.maxBytes, this.waitsFor);
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
    if (!this.#wasSent || this.bytes <= this.maxBytes) return;
    this.complete = false;
    this.#pieces = [];
    this.bytes = 0;
  }

  recode(decode: (piece: Buffer) => Buffer | undefined): boolean {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.bytes = 0;
    for (const piece of pieces) {
      const decoded = decode(piece);
      if (!decoded) return false;
      if (decoded.length > 0) this.add(decoded);
    }
    return true;
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }

  replay(upstream: UpstreamStream): void {
    for (const piece of this.#pieces) upstream.body(undefined, piece, 0, piece.length);
  }
}
