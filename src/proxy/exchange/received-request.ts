// What has come of one request's body: counted, kept for another attempt, copied to those who listen in. Kept by exchange.ts.
import type { MakeTap, RequestTap, SendAside } from '../../filters/filter.ts';
import type { GrpcWebClient } from '../grpc/web-client.ts';
import type { RequestMessage } from '../http1/head.ts';
import type { Lender } from '../wires/wire.ts';
import { KeptBody } from './kept-body.ts';

interface WholeWait {
  readonly maxBytes: number;
  readonly tell: (body: Buffer | undefined) => void;
}

export class ReceivedRequest {
  readonly hasBody: boolean;
  /** All of it has come. */
  done: boolean;
  trailers: readonly string[] | undefined;
  bytes = 0;
  kept: KeptBody | undefined;
  #taps: RequestTap[] | undefined;
  #whole: WholeWait | undefined;

  constructor(hasBody: boolean) {
    this.hasBody = hasBody;
    this.done = !hasBody;
  }

  /** From here on what comes is kept, as far as the bound allows. */
  keep(maxBytes: number): void {
    if (this.kept) this.kept.maxBytes = maxBytes;
    else if (!this.done) this.kept = new KeptBody(maxBytes);
  }

  /** All that has come is still at hand. */
  get isWhole(): boolean {
    return !this.hasBody || this.kept?.complete === true;
  }

  take(lender: Lender, buffer: Buffer, start: number, end: number): void {
    if (this.kept?.complete) this.kept.add(lender.keep(buffer, start, end));
    if (this.#whole) this.#tellWhole(this.#whole);
    if (this.#taps) for (const tap of this.#taps) tap.body(Buffer.from(buffer.subarray(start, end)));
  }

  end(trailers: readonly string[] | undefined): void {
    this.done = true;
    this.trailers = trailers;
    if (this.#whole) this.#tellWhole(this.#whole);
    if (this.#taps) for (const tap of this.#taps) tap.end(trailers);
  }

  /** What has come so far as gRPC has it; false where it can't be read. */
  recode(web: GrpcWebClient): boolean {
    const isRead = this.kept?.recode((piece) => web.decode(piece, 0, piece.length)) !== false;
    return isRead && (!this.done || web.done);
  }

  /** All of its body, once it has come; undefined as soon as it is more than so many bytes, or given up. */
  whole(maxBytes: number): Promise<Buffer | undefined> {
    return new Promise((tell) => {
      if (this.kept) this.kept.waitsFor = maxBytes + 1;
      this.#whole = { maxBytes, tell };
      this.#tellWhole(this.#whole);
    });
  }

  #tellWhole({ maxBytes, tell }: WholeWait): void {
    const { kept } = this;
    const isTooLarge = kept !== undefined && kept.bytes > maxBytes;
    if (!isTooLarge && !this.done) return;
    this.#whole = undefined;
    if (kept) kept.waitsFor = 0;
    tell(isTooLarge ? undefined : Buffer.concat(kept?.pieces ?? []));
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
    this.#whole?.tell(undefined);
    this.#whole = undefined;
    if (!this.done && this.#taps) for (const tap of this.#taps) tap.abort();
  }
}
