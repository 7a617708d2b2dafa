// One HTTP/1.1 connection to an endpoint: sends a request, reads its answer, goes back to its pool if it is clean.
import type { ProxyContext } from '../context.ts';
import { BodyReader, BY_LENGTH, CHUNKED, NO_BODY, UNTIL_CLOSE } from '../http1/body.ts';
import { hasBareLineFeed, Refusal, type RequestMessage, type ResponseMessage } from '../http1/head.ts';
import { Outlet } from '../http1/outlet.ts';
import type { Lender, Wire, WireUser } from '../wires/wire.ts';
import { requestText } from './upstream-request.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

/** What holds idle connections. */
export interface ConnectionOwner {
  release(connection: UpstreamConnection): void;
  /** Closed, or no longer usable; called once. */
  forget(connection: UpstreamConnection): void;
}

const FIRST_LOOK_BYTES = 4096;

/** RFC 9112, 6.3; for answers to anything but HEAD. */
const bodyModeOf = ({ status, chunked, contentLength }: ResponseMessage): number => {
  if (status === 204 || status === 304) return NO_BODY;
  if (chunked) return CHUNKED;
  return contentLength >= 0 ? BY_LENGTH : UNTIL_CLOSE;
};

export class UpstreamConnection implements UpstreamStream, WireUser {
  readonly mayRefuse = false;
  readonly #wire: Wire;
  readonly #outlet: Outlet;
  /** It has carried a request before the present one. */
  #served = false;
  /** A byte of the present answer has come. */
  #answering = false;
  /** When it stops to be usable while it is idle; set by its pool. */
  idleUntil = 0;
  /** The last Keep-Alive field of the peer. */
  keepAliveHint = '';
  readonly #context: ProxyContext;
  readonly #owner: ConnectionOwner;
  readonly #reader: BodyReader;
  #user: UpstreamUser | undefined;
  #head = '';
  #reading = false;
  #reusable = false;
  #gone = false;

  constructor(wire: Wire, context: ProxyContext, owner: ConnectionOwner) {
    this.#wire = wire;
    this.#outlet = new Outlet(wire, context.flushes);
    this.#context = context;
    this.#owner = owner;
    this.#reader = new BodyReader(context.names, context.limits);
  }

  get usable(): boolean {
    return !this.#gone && !this.#wire.ended && !this.#wire.destroyed;
  }

  get lender(): Lender {
    return this.#wire;
  }

  get blocked(): boolean {
    return this.#wire.blocked;
  }

  begin(user: UpstreamUser, message: RequestMessage): void {
    this.#user = user;
    this.#head = '';
    this.#reading = false;
    this.#reusable = false;
    this.#answering = false;
    this.#wire.resume();
    this.#outlet.begin(requestText(message), message.chunked);
  }

  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    this.#outlet.body(from, buffer, start, end);
  }

  end(trailers: readonly string[] | undefined): void {
    this.#outlet.end(trailers);
  }

  flush(): void {
    this.#outlet.flush();
  }

  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  /** It can't be used again. */
  drop(): void {
    this.#user = undefined;
    this.#forget();
    this.#wire.destroy();
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const user = this.#user;
    if (!user) {
      // Nothing was asked: what comes now would be taken for the answer to the next request.
      this.drop();
      return;
    }
    let at = start;
    this.#answering = true;
    while (this.#user === user && !this.#reading) {
      const next = this.#readHead(user, buffer, at, end);
      if (next < 0) break;
      at = next;
    }
    if (this.#reading && this.#user === user) this.#readBody(user, buffer, at, end);
    user.onReadDone();
  }

  #readBody(user: UpstreamUser, buffer: Buffer, start: number, end: number): void {
    const at = this.#reader.feed(buffer, start, end, user);
    if (this.#reader.error !== '') this.#bad(user, this.#reader.error);
    // Bytes behind the answer would be taken for the next one.
    else if (at < end && this.#reader.done) this.#reusable = false;
  }

  finish(clean: boolean): void {
    if (!this.#user) return;
    this.#user = undefined;
    this.#reading = false;
    this.#served = true;
    if (clean && this.#reusable && this.usable && !this.#wire.blocked) this.#owner.release(this);
    else this.drop();
  }

  /** Reads a head from `start`; returns where it ended, or -1 when it isn't complete or the user is done. */
  #readHead(user: UpstreamUser, buffer: Buffer, start: number, end: number): number {
    if (start >= end) return -1;
    const before = this.#head.length;
    // Most heads end early in the first read; the body behind it is left alone.
    let stop = Math.min(end, start + FIRST_LOOK_BYTES);
    let text = this.#head + buffer.toString('latin1', start, stop);
    let headEnd = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (headEnd < 0 && stop < end) {
      stop = Math.min(end, start + this.#context.limits.maxHeadBytes);
      text = this.#head + buffer.toString('latin1', start, stop);
      headEnd = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    }
    if (headEnd < 0 || headEnd > this.#context.limits.maxHeadBytes) {
      if (text.length >= this.#context.limits.maxHeadBytes) this.#bad(user, 'the head of the answer is too large');
      else if (hasBareLineFeed(text, '')) this.#bad(user, 'the answer is not HTTP/1.1');
      else this.#head = text;
      return -1;
    }
    this.#head = '';
    const message = this.#context.parser.response(text, headEnd);
    const next = start + headEnd + 4 - before;
    if (message instanceof Refusal) {
      this.#bad(user, message.reason);
      return -1;
    }
    return this.#take(user, message, buffer, next, end);
  }

  #take(user: UpstreamUser, message: ResponseMessage, buffer: Buffer, at: number, end: number): number {
    const { status } = message;
    if (status < 200) {
      // RFC 9110, 8.6: neither may have a length. Whoever sends one may send that body too, some day later.
      if (message.chunked || message.contentLength > 0) {
        this.#bad(user, 'an interim answer has a body');
        return -1;
      }
      if (status !== 101) {
        user.onInterim(message);
        return at;
      }
      this.#user = undefined;
      this.#forget();
      user.onSwitch(message, this.#wire, at < end ? this.#wire.keep(buffer, at, end) : undefined);
      return -1;
    }
    if (status === 204 && (message.chunked || message.contentLength > 0)) {
      this.#bad(user, 'an answer 204 has a body');
      return -1;
    }
    const mode = user.isHead ? NO_BODY : bodyModeOf(message);
    this.#reusable = !message.close && !message.old && mode !== UNTIL_CLOSE;
    if (message.keepAliveHint !== '') this.keepAliveHint = message.keepAliveHint;
    this.#reader.begin(mode, message.contentLength);
    this.#reading = true;
    // Bytes behind an answer without a body belong to nobody.
    if (this.#reader.done && at < end) this.#reusable = false;
    user.onAnswer(message, mode);
    if (this.#reader.done && this.#user === user) user.onBodyEnd(undefined);
    return at;
  }

  #bad(user: UpstreamUser, reason: string): void {
    this.drop();
    user.onBadAnswer(reason);
  }

  onEnd(): void {
    const user = this.#user;
    if (user && this.#reading) {
      this.#reader.finish(user);
      if (this.#reader.done) {
        user.onReadDone();
        return;
      }
    }
    this.#lost();
  }

  onDrain(): void {
    this.#user?.onUpstreamDrain();
  }

  onClose(): void {
    this.#lost();
  }

  #lost(): void {
    const user = this.#user;
    this.drop();
    user?.onUpstreamGone(this.#served && !this.#answering ? 'stale' : 'lost');
  }

  #forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#owner.forget(this);
  }
}
