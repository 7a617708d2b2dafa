// HTTP/2 to an endpoint: one connection, and the streams on it, each one attempt of a request. Made by pool-http2.ts.
import type { ProxyContext } from '../context.ts';
import { BY_LENGTH, CHUNKED, NO_BODY } from '../http1/body.ts';
import { RequestMessage, type ResponseMessage } from '../http1/head.ts';
import { Http2Connection } from '../http2/connection.ts';
import type { Http2Owner, Http2Stream, Http2StreamUser } from '../http2/contract.ts';
import { CANCEL } from '../http2/frames.ts';
import { StreamWire } from '../wires/stream-wire.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

/** What holds connections. */
export interface Http2UpstreamOwner {
  /** A stream can be opened where none could before. */
  hasRoom(): void;
  unused(upstream: Http2Upstream): void;
  /** No stream can be opened any more. */
  leaving(upstream: Http2Upstream): void;
  forget(upstream: Http2Upstream): void;
}

export class Http2Upstream implements Http2Owner {
  /** When it stops to be usable while it is idle; set by its pool. */
  idleUntil = Number.POSITIVE_INFINITY;
  /** It has carried a whole answer. */
  served = false;
  readonly connection: Http2Connection;
  readonly wire: Wire;
  readonly #owner: Http2UpstreamOwner;
  #greeted = false;
  #waiting: (() => void)[] = [];

  constructor(context: ProxyContext, wire: Wire, owner: Http2UpstreamOwner) {
    this.wire = wire;
    this.#owner = owner;
    this.connection = new Http2Connection(wire, context, 'client', this);
    wire.user = this.connection;
    this.connection.start();
    wire.resume();
  }

  get hasRoom(): boolean {
    const { connection } = this;
    return connection.usable && connection.activeStreams < connection.peerMaxStreams;
  }

  /** Once the peer has said what it can do; not at all where it never does. */
  whenGreeted(then: () => void): void {
    if (this.#greeted) then();
    else this.#waiting.push(then);
  }

  onGreeted(): void {
    this.#greeted = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const then of waiting) then();
  }

  onMoreStreams(): void {
    this.#owner.hasRoom();
  }

  onIdle(): void {
    this.#owner.unused(this);
  }

  onGoingAway(): void {
    this.#owner.leaving(this);
  }

  onClosed(): void {
    this.onGreeted();
    this.#owner.forget(this);
  }
}

export class Http2UpstreamStream implements UpstreamStream, Http2StreamUser {
  readonly mayRefuse = true;
  readonly #upstream: Http2Upstream;
  #user: UpstreamUser | undefined;
  #stream: Http2Stream | undefined;
  #answering = false;
  #answerEnded = false;
  #mode = NO_BODY;
  /** The protocol that is asked for. */
  #upgrade = '';
  #wire: StreamWire | undefined;

  constructor(upstream: Http2Upstream) {
    this.#upstream = upstream;
  }

  get lender(): Lender {
    return this.#upstream.wire;
  }

  get blocked(): boolean {
    return this.#stream?.blocked ?? false;
  }

  begin(user: UpstreamUser, message: RequestMessage, empty: boolean): void {
    this.#user = user;
    // The bytes behind it are the answer.
    if (message.method === 'CONNECT') this.#upgrade = 'CONNECT';
    if (message.upgrade === '') this.#open(message, empty);
    else this.#upstream.whenGreeted(() => this.#openUpgrade(message));
  }

  /** RFC 8441. Where the peer does not know of it, the request goes without: nobody has to switch protocols. */
  #openUpgrade(message: RequestMessage): void {
    if (!this.#user) return;
    if (!this.#upstream.connection.takesExtendedConnect) {
      this.#open(message, true);
      return;
    }
    this.#upgrade = message.upgrade;
    const connect = Object.assign(new RequestMessage(), message);
    connect.method = 'CONNECT';
    connect.protocol = message.upgrade;
    this.#open(connect, false);
  }

  #open(message: RequestMessage, empty: boolean): void {
    this.#stream = this.#upstream.connection.open(message, empty, this);
    // Told later: who begins isn't ready for it.
    if (!this.#stream) queueMicrotask(() => this.#user?.onUpstreamGone('unprocessed'));
  }

  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    this.#stream?.body(from, buffer, start, end);
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#upgrade === '') this.#stream?.end(trailers);
  }

  flush(): void {}

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  drop(): void {
    this.#user = undefined;
    this.#stream?.reset(CANCEL);
  }

  finish(): void {
    if (!this.#user) return;
    if (!this.#answerEnded) {
      this.drop();
      return;
    }
    this.#user = undefined;
    this.#upstream.served = true;
  }

  // --- of the stream

  onInterim(message: ResponseMessage): void {
    this.#answering = true;
    this.#user?.onInterim(message);
  }

  onAnswer(message: ResponseMessage, end: boolean): void {
    const user = this.#user;
    if (!user) return;
    this.#answering = true;
    const { status } = message;
    if (this.#upgrade !== '' && status < 300) {
      this.#switch(user, message, end);
      return;
    }
    if (end || user.isHead || status === 204 || status === 304) this.#mode = NO_BODY;
    else this.#mode = message.contentLength >= 0 ? BY_LENGTH : CHUNKED;
    message.chunked = this.#mode === CHUNKED;
    this.#answerEnded = end;
    user.onAnswer(message, this.#mode);
    if (end) this.#user?.onBodyEnd(undefined);
  }

  #switch(user: UpstreamUser, message: ResponseMessage, end: boolean): void {
    const wire = new StreamWire(this.#stream!);
    this.#wire = wire;
    this.#user = undefined;
    message.status = 101;
    message.upgrade = this.#upgrade;
    message.chunked = false;
    message.contentLength = -1;
    user.onSwitch(message, wire, undefined);
    if (end) wire.onBodyEnd();
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    if (this.#wire) this.#wire.onBody(buffer, start, end);
    else if (this.#mode !== NO_BODY) this.#user?.onBody(buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    this.#answerEnded = true;
    if (this.#wire) this.#wire.onBodyEnd();
    else this.#user?.onBodyEnd(trailers);
  }

  onReadDone(): void {
    this.#user?.onReadDone();
  }

  onDrain(): void {
    if (this.#wire) this.#wire.onDrain();
    else this.#user?.onUpstreamDrain();
  }

  onBadAnswer(reason: string): void {
    this.#user?.onBadAnswer(reason);
  }

  onReset(code: number, unprocessed: boolean): void {
    const { wire } = this.#upstream;
    this.#wire?.onReset(code);
    const isStale = !this.#answering && this.#upstream.served && (wire.ended || wire.destroyed);
    this.#user?.onUpstreamGone(unprocessed ? 'unprocessed' : isStale ? 'stale' : 'lost');
  }
}
