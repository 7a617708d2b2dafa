// One stream of an HTTP/2 connection: what its user writes, as far as windows allow, and what connection.ts knows of it.
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import type { Http2Stream, Http2StreamUser } from './contract.ts';
import { headersText, NO_ERROR } from './frames.ts';
import { answerBlock, requestBlock, trailersBlock } from './head-block.ts';
import { type ChunkStore, HeldBytes } from './held-bytes.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import type { Outbox } from './outbox.ts';
import { STREAM_WINDOW } from './settings.ts';

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly wire: Wire;
  readonly outbox: Outbox;
  readonly encoder: HpackEncoder;
  readonly chunks: ChunkStore;
  /** What the peer takes of all streams together. */
  sendWindow: number;
  /** Something of it waits: `pump` is called when there is room. */
  onWaiting(stream: Stream): void;
  onLocalEnd(stream: Stream): void;
  onLocalReset(stream: Stream, code: number): void;
  /** It is read again: the peer may send as much more as it was not told of yet. */
  onResumed(stream: Stream, withheld: number): void;
}

export const NOBODY: Http2StreamUser = {
  onBody: () => {},
  onBodyEnd: () => {},
  onReadDone: () => {},
  onDrain: () => {},
  onReset: () => {},
};

export class Stream implements Http2Stream {
  readonly id: number;
  readonly wire: Wire;
  user: Http2StreamUser = NOBODY;
  closed = false;

  // Receiving: kept by the connection.
  recvWindow = STREAM_WINDOW;
  /** Taken, and not yet told in a WINDOW_UPDATE. */
  uncredited = 0;
  /** Received while it was paused. */
  withheld = 0;
  paused = false;
  /** What Content-Length leaves to come; -1 when nobody knows. */
  bodyLeft = -1;
  /** Client: when the request was begun. */
  begunAtMs = 0;
  /** Client: the answer has begun. */
  answered = false;
  readonly #method: string;
  remoteEnded = false;
  /** Stands in the connection's list of those that got something in this read. */
  touched = false;

  // Sending.
  sendWindow: number;
  localEnded = false;
  /** When something of it was last sent, or began to wait. */
  movedAtMs = 0;
  readonly #host: StreamHost;
  /** Undefined while nothing waits. */
  #held: HeldBytes | undefined;
  #ending = false;
  #trailers: readonly string[] | undefined;
  /** Reset as soon as everything was sent. */
  #resetBehind = false;

  constructor(id: number, host: StreamHost, sendWindow: number, method: string) {
    this.id = id;
    this.wire = host.wire;
    this.#host = host;
    this.sendWindow = sendWindow;
    this.#method = method;
  }

  /** Client: what may come behind the head of the answer (RFC 9110, 6.4.1 and 9.3.6). */
  expectBody({ status, contentLength }: ResponseMessage): void {
    if (this.#method === 'HEAD' || status === 204 || status === 304) this.bodyLeft = 0;
    else this.bodyLeft = this.#method === 'CONNECT' && status < 300 ? -1 : contentLength;
  }

  get waits(): boolean {
    return this.#held !== undefined;
  }

  get blocked(): boolean {
    return !this.closed && (this.#held !== undefined || this.wire.blocked);
  }

  request(message: RequestMessage, end: boolean): void {
    this.#head(requestBlock(this.#host.encoder, message, end), end);
  }

  interim(message: ResponseMessage): void {
    if (!this.closed && !this.#ending) this.#head(answerBlock(this.#host.encoder, message), false);
  }

  answer(message: ResponseMessage, end: boolean): void {
    if (!this.closed && !this.#ending) this.#head(answerBlock(this.#host.encoder, message), end);
  }

  #head(block: string, end: boolean): void {
    const { outbox } = this.#host;
    outbox.add(headersText(this.id, block, end, outbox.maxFrame));
    if (!end) return;
    this.#ending = true;
    this.localEnded = true;
    this.#host.onLocalEnd(this);
  }

  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.closed || this.#ending) return;
    const at = this.#held ? start : start + this.send(from, buffer, start, end);
    if (at < end) this.#hold(buffer, at, end);
  }

  /** Sends what the windows allow; returns how much that was. */
  send(from: Lender | undefined, buffer: Buffer, start: number, end: number): number {
    const host = this.#host;
    const size = Math.min(end - start, this.sendWindow, host.sendWindow);
    if (size <= 0) return 0;
    this.sendWindow -= size;
    host.sendWindow -= size;
    host.outbox.data(this.id, from, buffer, start, start + size);
    return size;
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    if (!this.#held) {
      this.#held = new HeldBytes(this.#host.chunks);
      this.#host.onWaiting(this);
    }
    this.#held.add(buffer, start, end);
  }

  /** Sends what waits, `share` bytes at most; tells the user when nothing waits any more. True when something was sent. */
  pump(share: number): boolean {
    const held = this.#held;
    if (!held) return false;
    const before = held.size;
    let left = Math.min(share, before);
    while (left > 0) {
      const sent = held.take(left, this);
      if (sent === 0) return held.size < before;
      left -= sent;
    }
    if (held.size > 0) return true;
    this.#held = undefined;
    if (this.#ending) this.#sendEnd();
    if (!this.wire.blocked) this.user.onDrain();
    return true;
  }

  end(trailers?: readonly string[]): void {
    if (this.closed || this.#ending) return;
    this.#ending = true;
    this.#trailers = trailers;
    if (!this.#held) this.#sendEnd();
  }

  #sendEnd(): void {
    const { outbox, encoder } = this.#host;
    const trailers = this.#trailers;
    if (!trailers || trailers.length === 0) outbox.end(this.id);
    else outbox.add(headersText(this.id, trailersBlock(encoder, trailers), true, outbox.maxFrame));
    this.localEnded = true;
    this.#host.onLocalEnd(this);
    if (this.#resetBehind) this.#host.onLocalReset(this, NO_ERROR);
  }

  reset(code: number): void {
    if (this.closed) return;
    if (code === NO_ERROR && this.#ending && !this.localEnded) {
      this.#resetBehind = true;
      this.user = NOBODY;
      this.resume();
    } else this.#host.onLocalReset(this, code);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const bytes = this.withheld;
    this.withheld = 0;
    if (bytes > 0) this.#host.onResumed(this, bytes);
  }

  /** Nothing goes either way any more; called by the connection. */
  close(): void {
    this.closed = true;
    this.#held = undefined;
    this.resume();
  }
}
