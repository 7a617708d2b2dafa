// What has come of one request's body: counted, kept for another attempt, copied to those who listen in. Kept by exchange.ts.
import type { MakeTap, RequestTap, SendAside } from '../../filters/filter.ts';
import type { RequestMessage } from '../http1/head.ts';
import type { Lender } from '../wires/wire.ts';
import { KeptBody } from './kept-body.ts';

export class ReceivedRequest {
  readonly hasBody: boolean;
  /** All of it has come. */
  done: boolean;
  trailers: readonly string[] | undefined;
  bytes = 0;
  kept: KeptBody | undefined;
  #taps: RequestTap[] | undefined;

  constructor(hasBody: boolean) {
    this.hasBody = hasBody;
    this.done = !hasBody;
  }

  /** From here on what comes is kept, as far as the bound allows. */
  keep(maxBytes: number): void {
    if (!this.done) this.kept = new KeptBody(maxBytes);
  }

  /** All that has come is still at hand. */
  get isWhole(): boolean {
    return !this.hasBody || this.kept?.complete === true;
  }

  take(lender: Lender, buffer: Buffer, start: number, end: number): void {
    if (this.kept?.complete) this.kept.add(lender.keep(buffer, start, end));
    if (this.#taps) for (const tap of this.#taps) tap.body(Buffer.from(buffer.subarray(start, end)));
  }

  end(trailers: readonly string[] | undefined): void {
    this.done = true;
    this.trailers = trailers;
    if (this.#taps) for (const tap of this.#taps) tap.end(trailers);
  }

  openTaps(makers: readonly MakeTap[], message: RequestMessage, aside: SendAside): void {
    for (const make of makers) {
      const tap = make(message, aside);
      if (!tap) continue;
      for (const piece of this.kept?.pieces ?? []) tap.body(piece);
      if (this.done) tap.end(this.trailers);
      else {
        this.#taps ??= [];
        this.#taps.push(tap);
      }
    }
  }

  /** Nothing more of it is wanted. */
  stop(): void {
    if (!this.done && this.#taps) for (const tap of this.#taps) tap.abort();
  }
}
