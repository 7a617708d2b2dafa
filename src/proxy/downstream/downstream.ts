// One HTTP/1 connection of a client: reads requests, has them answered one after the other in order; a client that begins with
// the preface of HTTP/2 is given to downstream-http2.ts. Made by listener.ts.

import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { SelfPeer } from '../events.ts';
import { answerText, interimText, isSentChunked, switchText } from '../exchange/answer-head.ts';
import { Exchange } from '../exchange/exchange.ts';
import { localAnswerText } from '../exchange/local-answer.ts';
import { addWebSocketAccept } from '../exchange/websocket.ts';
import { BodyReader, type BodySink, BY_LENGTH, CHUNKED, NO_BODY } from '../http1/body.ts';
import { hasBareLineFeed, Refusal, type RequestMessage, type ResponseMessage } from '../http1/head.ts';
import { Outlet } from '../http1/outlet.ts';
import type { ChainRef, PreparedHttp } from '../listen/chain.ts';
import type { Lender, Wire, WireUser } from '../wires/wire.ts';
import { type Allowance, allowanceOf } from './client-limits.ts';
import type { ClientConnection, ClientStream, LocalAnswer } from './client-stream.ts';
import { IS_PROXYING, NOT_UPGRADED, openConnectTunnel, refusalOfConnect, type TunnelClient } from './connect-method.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { Http2Downstream } from './downstream-http2.ts';
import { tellRefusal } from './refused.ts';

/** Between requests, or within a head. */
const HEAD = 0;
const BODY = 1;
/** The request was read, its answer is on its way. */
const ANSWER = 2;
/** Answered early: the rest of the body is read and thrown away. */
const DISCARD = 3;
/** The last answer was sent: what still comes is thrown away until the client closes. */
const LINGER = 4;
/** The wire belongs to somebody else. */
const LEFT = 5;

/** As much of HTTP/2's preface as looks like a head. */
const PREFACE_HEAD = 'PRI * HTTP/2.0\r\n\r\n';

const DISCARDED: BodySink = { onBody: () => {}, onBodyEnd: () => {} };

export class Downstream implements ClientConnection, ClientStream, TunnelClient, WireUser, BodySink {
  readonly wire: Wire;
  readonly #outlet: Outlet;
  readonly info: ConnectionInfo;
  readonly self: SelfPeer;
  readonly version = 'http1';
  readonly needsSwitch = false;
  /** What has taken over the wire: HTTP/2, or requests inside a CONNECT tunnel. */
  inner: ClientConnection | undefined;
  reading = false;
  readonly #context: ProxyContext;
  readonly #chain: ChainRef;
  /** Inside a CONNECT tunnel, where there is no second one. */
  readonly #nested: boolean;
  readonly #allowance: Allowance | undefined;
  readonly #reader: BodyReader;
  readonly #deadline: Deadline;
  readonly #exchangeDeadline: Deadline;
  #state = HEAD;
  #head = '';
  /** Its last three characters. */
  #headTail = '';
  /** Bytes behind the present request. */
  #rest: Buffer | undefined;
  #exchange: Exchange | undefined;
  #thrownAway = 0;
  /** Nothing but a part of a head has come. */
  #fresh = true;

  constructor(
    context: ProxyContext,
    wire: Wire,
    chain: ChainRef,
    info: ConnectionInfo,
    self: SelfPeer,
    nested = false,
  ) {
    this.wire = wire;
    this.#outlet = new Outlet(wire, context.flushes);
    this.info = info;
    this.self = self;
    this.#context = context;
    this.#chain = chain;
    this.#nested = nested;
    this.#reader = new BodyReader(context.names, context.limits);
    this.#deadline = new Deadline(() => this.#onDue());
    this.#exchangeDeadline = new Deadline(() => this.#exchange?.onDue());
    this.#allowance = nested ? undefined : allowanceOf(context, chain.current as PreparedHttp, () => this.closeIdle());
    context.deadlines.now();
    this.#waitForRequest();
  }

  get mustClose(): boolean {
    return this.#context.draining || this.#chain.gone || this.#allowance?.isUsedUp === true;
  }

  /** No request has begun. */
  get idle(): boolean {
    if (this.inner) return this.inner.idle;
    return this.#state === HEAD && this.#head === '' && !this.#rest;
  }

  /** Ends it where no request has begun. */
  closeIdle(): void {
    if (this.inner) this.inner.closeIdle();
    else if (this.idle) this.#linger();
  }

  destroy(): void {
    this.wire.destroy();
  }

  // --- reading

  onData(buffer: Buffer, start: number, end: number): void {
    if (this.#state === LINGER) {
      this.#thrownAway += end - start;
      if (this.#thrownAway > this.#context.limits.maxDiscardBytes) this.wire.destroy();
      return;
    }
    if (this.#state === ANSWER) {
      const kept = this.wire.keep(buffer, start, end);
      this.#rest = this.#rest ? Buffer.concat([this.#rest, kept]) : kept;
      this.wire.pause();
      return;
    }
    this.#run(buffer, start, end);
  }

  #run(buffer: Buffer, start: number, end: number): void {
    this.reading = true;
    let at = start;
    while (at < end) {
      if (this.#state === HEAD) at = this.#readHead(buffer, at, end);
      else if (this.#state === BODY) at = this.#readBody(buffer, at, end);
      else if (this.#state === DISCARD) at = this.#discard(buffer, at, end);
      else break;
    }
    this.reading = false;
    if (at < end && (this.#state === ANSWER || this.#state === LEFT)) {
      this.#rest = this.wire.keep(buffer, at, end);
      if (this.#state === ANSWER) this.wire.pause();
    }
    this.#exchange?.onRequestReadDone();
  }

  #readHead(buffer: Buffer, start: number, end: number): number {
    const { maxHeadBytes } = this.#context.limits;
    const before = this.#head.length;
    const piece = buffer.toString('latin1', start, Math.min(end, start + maxHeadBytes));
    // Only what is new is looked at: a head that comes byte by byte costs no more than one that comes at once.
    const seen = this.#headTail;
    const window = seen + piece;
    // RFC 9112, 2.2: one empty line before a request is let pass.
    const from = before === seen.length && window.charCodeAt(0) === 13 && window.charCodeAt(1) === 10 ? 2 : 0;
    const found = window.indexOf('\r\n\r\n', from);
    const headEnd = found < 0 ? -1 : found + before - seen.length;
    if (headEnd < 0 || headEnd > maxHeadBytes) {
      if (before + piece.length >= maxHeadBytes) this.#refuse(new Refusal(431, 'the request head is too large'));
      else if (hasBareLineFeed(piece, seen.slice(-1))) this.#refuse(new Refusal(400, 'a line does not end in CRLF'));
      else {
        if (before === 0) this.#armHeadTimeout();
        this.#head += piece;
        this.#headTail = window.slice(-3);
      }
      return end;
    }
    const text = this.#head + piece;
    const skipped = text.charCodeAt(0) === 13 && text.charCodeAt(1) === 10 ? 2 : 0;
    this.#headTail = '';
    this.#head = '';
    if (this.#fresh) {
      if (text.startsWith(PREFACE_HEAD)) {
        this.#startHttp2(text, buffer.subarray(start + piece.length, end));
        return end;
      }
      this.#fresh = false;
    }
    const message = this.#context.parser.request(text, skipped, headEnd);
    if (message instanceof Refusal) {
      this.#refuse(message);
      return end;
    }
    this.#begin(message);
    return start + headEnd + 4 - before;
  }

  /** Prior knowledge (RFC 9113, 3.3). What was read as a head is where its preface begins. */
  #startHttp2(text: string, rest: Buffer): void {
    this.leave();
    const inner = new Http2Downstream(this.#context, this.wire, this.#chain, this.info, this.self, this.#nested);
    this.inner = inner;
    inner.start(Buffer.concat([Buffer.from(text, 'latin1'), rest]));
  }

  #begin(message: RequestMessage): void {
    const context = this.#context;
    context.deadlines.clear(this.#deadline);
    const http = this.#chain.current as PreparedHttp;
    context.stats.begin(http.direction);
    this.#allowance?.take();
    if (message.method === 'CONNECT') {
      this.#connect(message, http);
      return;
    }
    if (IS_PROXYING.test(message.upgrade)) {
      context.stats.end(http.direction);
      this.#refuse(new Refusal(501, `the protocol ${message.upgrade} is not supported`), message);
      return;
    }
    const hasBody = message.chunked || message.contentLength > 0;
    this.#state = hasBody ? BODY : ANSWER;
    if (hasBody) this.#reader.begin(message.chunked ? CHUNKED : BY_LENGTH, message.contentLength);
    else this.#reader.begin(NO_BODY);
    if (message.upgrade !== '' && (hasBody || message.old || NOT_UPGRADED.test(message.upgrade))) message.upgrade = '';
    const exchange = new Exchange(context, this, http, message, hasBody);
    this.#exchange = exchange;
    exchange.start();
  }

  #connect(message: RequestMessage, http: PreparedHttp): void {
    this.#context.stats.end(http.direction);
    const refused = refusalOfConnect(this.info, http, message, this.#nested);
    if (refused) this.#refuse(refused.refusal, message, refused.flag);
    else {
      this.#state = LEFT;
      openConnectTunnel(this.#context, this, this.#chain, http, message);
    }
  }

  #readBody(buffer: Buffer, start: number, end: number): number {
    const at = this.#reader.feed(buffer, start, end, this);
    if (this.#reader.error === '') return at;
    this.#exchange?.onBadRequest(this.#reader.error);
    if (this.#state !== LINGER) this.wire.destroy();
    return end;
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#exchange?.onRequestBody(buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    if (this.#state === BODY) this.#state = ANSWER;
    this.#exchange?.onRequestEnd(trailers);
  }

  #discard(buffer: Buffer, start: number, end: number): number {
    const at = this.#reader.feed(buffer, start, end, DISCARDED);
    this.#thrownAway += at - start;
    if (this.#reader.error !== '' || this.#thrownAway > this.#context.limits.maxDiscardBytes) this.#linger();
    else if (this.#reader.done) {
      this.#context.deadlines.now();
      this.#waitForRequest();
    }
    return at;
  }

  // --- what exchanges ask for

  get lender(): Lender {
    return this.wire;
  }

  get blocked(): boolean {
    return this.wire.blocked;
  }

  interim(message: ResponseMessage): void {
    this.#outlet.begin(interimText(message), false);
  }

  answer(message: ResponseMessage, request: RequestMessage, bodyMode: number, close: boolean): void {
    this.#outlet.begin(answerText(message, request, bodyMode, close), isSentChunked(request, bodyMode));
  }

  answerLocally(answer: LocalAnswer): void {
    this.#outlet.begin(localAnswerText(answer), false);
    this.#outlet.flush();
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

  pauseBody(): void {
    this.wire.pause();
  }

  wantBody(): void {
    if (!this.#rest) this.wire.resume();
  }

  setExchangeDeadline(at: number): void {
    this.#context.deadlines.set(this.#exchangeDeadline, at);
  }

  clearExchangeDeadline(): void {
    this.#context.deadlines.clear(this.#exchangeDeadline);
  }

  switchProtocol(message: ResponseMessage, request: RequestMessage): { wire: Wire; early: Buffer | undefined } {
    if (message.upgrade === 'websocket') addWebSocketAccept(message.headers, request.headers);
    this.#outlet.begin(switchText(message), false);
    this.#outlet.flush();
    return { wire: this.wire, early: this.leave() };
  }

  /** Gives the wire away; returns what was read beyond the request. */
  leave(): Buffer | undefined {
    const rest = this.#rest;
    this.#rest = undefined;
    this.#state = LEFT;
    this.#endExchange();
    this.#allowance?.close();
    this.#context.deadlines.remove(this.#deadline);
    this.#context.deadlines.remove(this.#exchangeDeadline);
    return rest;
  }

  #endExchange(): void {
    if (!this.#exchange) return;
    this.#exchange = undefined;
    this.#context.stats.end(this.#chain.current.direction);
  }

  exchangeDone(complete: boolean, close: boolean, requestDone: boolean): void {
    this.#endExchange();
    if (this.#state === LEFT || this.wire.closed) return;
    if (!complete) {
      this.#outlet.flush();
      if (close) this.wire.abort();
      else this.wire.destroy();
      return;
    }
    if (close) {
      this.#linger();
      return;
    }
    if (requestDone) this.#waitForRequest();
    else {
      this.#state = DISCARD;
      this.#thrownAway = 0;
      this.#context.deadlines.set(this.#deadline, this.#context.deadlines.now() + this.#context.limits.lingerMs);
    }
    if (this.reading) {
      this.wire.resume();
      return;
    }
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) this.#run(rest, 0, rest.length);
    if (!this.#rest && this.#state !== LEFT) this.wire.resume();
  }

  nest(connection: ClientConnection): void {
    this.inner = connection;
  }

  established(): void {
    this.wire.write('HTTP/1.1 200 Connection Established\r\n\r\n');
  }

  /** A CONNECT that leads nowhere: answers, and closes. */
  refuseTunnel(status: number, reason: string, flag: string, message: RequestMessage): void {
    this.wire.user = this;
    this.#refuse(new Refusal(status, reason), message, flag);
  }

  // --- the connection

  /** Right after the time was asked for. */
  #waitForRequest(): void {
    this.#state = HEAD;
    const { handler } = this.#chain.current as PreparedHttp;
    const { deadlines } = this.#context;
    deadlines.set(this.#deadline, deadlines.recent + handler.idleTimeoutMs);
  }

  #armHeadTimeout(): void {
    const { handler } = this.#chain.current as PreparedHttp;
    const { deadlines } = this.#context;
    deadlines.set(this.#deadline, deadlines.now() + handler.headTimeoutMs);
  }

  #onDue(): void {
    const { limits } = this.#context.stats.by[this.#chain.current.direction];
    if (this.#state === HEAD && this.#head !== '') {
      limits.headTimeouts++;
      this.#refuse(new Refusal(408, 'the request head did not come in time'));
    } else if (this.#state === HEAD) {
      limits.idleConnections++;
      this.#linger();
    } else this.wire.destroy();
  }

  /** Ends the own side; a client that still sends is given time to read the answer first (RFC 9112, 9.6). */
  #linger(): void {
    this.#state = LINGER;
    this.#head = '';
    this.#rest = undefined;
    this.#thrownAway = 0;
    this.#outlet.flush();
    const { deadlines, limits } = this.#context;
    // A slow reader gets the time that it needs; from then on the client has only to close.
    deadlines.set(this.#deadline, deadlines.now() + limits.stallTimeoutMs);
    this.wire.end(() => {
      if (!this.wire.closed) deadlines.set(this.#deadline, deadlines.now() + limits.lingerMs);
    });
    this.wire.resume();
  }

  /** Answers what isn't a proper request, and closes. */
  #refuse(refusal: Refusal, message?: RequestMessage, flag = 'DPE'): void {
    const nowMs = this.#context.clock.now();
    const { status, reason } = refusal;
    this.#state = LINGER;
    this.#outlet.begin(
      localAnswerText({ status, body: `${reason}\n`, headers: [], close: true, isHead: false, nowMs }),
      false,
    );
    if (flag !== '') tellRefusal(this.#context, this, this.#chain.current as PreparedHttp, refusal, message, flag);
    this.#linger();
  }

  onEnd(): void {
    if (this.#exchange) this.#exchange.onClientGone();
    else if (this.#state === LINGER) this.wire.destroy();
    else this.#linger();
  }

  onDrain(): void {
    this.#exchange?.onClientDrain();
  }

  onClose(): void {
    this.#exchange?.onClientGone();
    this.#allowance?.close();
    this.#context.deadlines.remove(this.#deadline);
    this.#context.deadlines.remove(this.#exchangeDeadline);
  }
}
