// One HTTP/2 connection of a client: every stream is an exchange of its own. Made by listener.ts (ALPN) and downstream.ts (preface).

import type { Http2Counters } from '../admin/inspection.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { SelfPeer } from '../events.ts';
import { Exchange } from '../exchange/exchange.ts';
import { localAnswerMessage } from '../exchange/local-answer.ts';
import { addWebSocketKey, dropWebSocketAccept } from '../exchange/websocket.ts';
import { NO_BODY } from '../http1/body.ts';
import { Refusal, type RequestMessage, ResponseMessage } from '../http1/head.ts';
import { Http2Connection } from '../http2/connection.ts';
import type { Http2Owner, Http2Stream, Http2StreamUser } from '../http2/contract.ts';
import { INTERNAL_ERROR, NO_ERROR } from '../http2/frames.ts';
import type { ChainRef, PreparedHttp } from '../listen/chain.ts';
import { StreamWire } from '../wires/stream-wire.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import { type Allowance, allowanceOf } from './client-limits.ts';
import type { ClientConnection, ClientStream, LocalAnswer } from './client-stream.ts';
import { IS_PROXYING, NOT_UPGRADED, openConnectTunnel, refusalOfConnect, type TunnelClient } from './connect-method.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { tellRefusal } from './refused.ts';

export class Http2Downstream implements ClientConnection, Http2Owner {
  readonly info: ConnectionInfo;
  readonly self: SelfPeer;
  readonly chain: ChainRef;
  /** Inside a CONNECT tunnel, where there is no second one. */
  readonly nested: boolean;
  /** What speaks inside CONNECT tunnels. */
  readonly tunnels = new Set<ClientConnection>();
  readonly #context: ProxyContext;
  readonly #connection: Http2Connection;
  readonly #allowance: Allowance | undefined;
  readonly #idleDeadline = new Deadline(() => this.#onIdleTooLong());

  constructor(
    context: ProxyContext,
    wire: Wire,
    chain: ChainRef,
    info: ConnectionInfo,
    self: SelfPeer,
    nested = false,
  ) {
    this.#context = context;
    this.chain = chain;
    this.info = info;
    this.self = self;
    this.nested = nested;
    this.#connection = new Http2Connection(wire, context, 'server', this);
    wire.user = this.#connection;
    // Its streams are finished, and no new one is taken.
    this.#allowance = nested ? undefined : allowanceOf(context, this.http, () => this.#connection.goAway());
  }

  /** `early`: what was read before. */
  start(early: Buffer | undefined): void {
    const { http2 } = this;
    http2.connections++;
    http2.activeConnections++;
    this.#connection.start();
    this.onIdle();
    if (early) this.#connection.onData(early, 0, early.length);
  }

  get http2(): Http2Counters {
    return this.#context.stats.by[this.http.direction].http2;
  }

  get http(): PreparedHttp {
    return this.chain.current as PreparedHttp;
  }

  get idle(): boolean {
    return this.#connection.activeStreams === 0;
  }

  get mustClose(): boolean {
    return this.#context.draining || this.chain.gone || this.#allowance?.isUsedUp === true;
  }

  closeIdle(): void {
    this.#connection.goAway();
    for (const inner of this.tunnels) inner.closeIdle();
  }

  onRequest(stream: Http2Stream, message: RequestMessage, end: boolean): Http2StreamUser {
    this.#context.deadlines.clear(this.#idleDeadline);
    this.#allowance?.take();
    const client = new Http2ClientStream(this.#context, this, stream);
    client.begin(message, end);
    return client;
  }

  onRefused(refusal: Refusal): void {
    tellRefusal(this.#context, this, this.http, refusal, undefined, 'DPE');
  }

  /** One request is over. */
  streamDone(): void {
    if (this.mustClose) this.#connection.goAway();
  }

  onIdle(): void {
    const { deadlines } = this.#context;
    deadlines.set(this.#idleDeadline, deadlines.now() + this.http.handler.idleTimeoutMs);
  }

  onGoingAway(): void {}

  onMoreStreams(): void {}

  #onIdleTooLong(): void {
    this.#context.stats.by[this.http.direction].limits.idleConnections++;
    this.#connection.goAway();
  }

  onClosed(): void {
    this.#allowance?.close();
    this.http2.activeConnections--;
    this.#context.deadlines.remove(this.#idleDeadline);
  }
}

class Http2ClientStream implements ClientStream, Http2StreamUser, TunnelClient {
  readonly version = 'http2';
  reading = false;
  readonly #context: ProxyContext;
  readonly #owner: Http2Downstream;
  readonly #stream: Http2Stream;
  readonly #deadline: Deadline;
  #exchange: Exchange | undefined;
  /** The protocol of an extended CONNECT is to be spoken, or CONNECT's bytes: none of them are for the exchange. */
  #tunnels = false;
  /** `sec-websocket-key` is ours. */
  #ownKey = false;
  #early: Buffer[] = [];
  #wire: StreamWire | undefined;
  /** It gets the stream's events. */
  #left = false;
  #requestEnded = false;
  #answerEnded = false;

  constructor(context: ProxyContext, owner: Http2Downstream, stream: Http2Stream) {
    this.#context = context;
    this.#owner = owner;
    this.#stream = stream;
    this.#deadline = new Deadline(() => this.#exchange?.onDue());
  }

  get info(): ConnectionInfo {
    return this.#owner.info;
  }

  get self(): SelfPeer {
    return this.#owner.self;
  }

  get wire(): Wire {
    this.#wire ??= new StreamWire(this.#stream);
    return this.#wire;
  }

  get lender(): Lender {
    return this.#stream.wire;
  }

  get mustClose(): boolean {
    return this.#owner.mustClose;
  }

  get blocked(): boolean {
    return this.#stream.blocked;
  }

  get needsSwitch(): boolean {
    return this.#tunnels;
  }

  begin(message: RequestMessage, end: boolean): void {
    const { http } = this.#owner;
    this.#requestEnded = end;
    this.reading = !end;
    this.#tunnels = message.method === 'CONNECT';
    if (this.#tunnels) message.chunked = false;
    if (this.#tunnels && message.protocol === '') {
      this.#connect(message, http);
      return;
    }
    if (this.#tunnels && (NOT_UPGRADED.test(message.protocol) || IS_PROXYING.test(message.protocol))) {
      this.#refuse(new Refusal(501, `the protocol ${message.protocol} is not supported`), message, 'DPE');
      return;
    }
    if (this.#tunnels) {
      // As HTTP/1 asks for it: what is behind this need not know the difference.
      message.method = 'GET';
      message.upgrade = message.protocol;
      message.protocol = '';
      if (message.upgrade === 'websocket') this.#ownKey = addWebSocketKey(message.headers);
    }
    const hasBody = !end && !this.#tunnels;
    message.chunked = hasBody && message.contentLength < 0;
    if (!hasBody && message.contentLength < 0 && TAKES_BODY.has(message.method)) message.contentLength = 0;
    if (http.handler.edge) message.scheme = this.info.tls === 'none' ? 'http' : 'https';
    this.#context.stats.begin(http.direction);
    this.#owner.http2.requests++;
    this.#exchange = new Exchange(this.#context, this, http, message, hasBody);
    this.#exchange.start();
  }

  // --- the answer

  interim(message: ResponseMessage): void {
    this.#stream.interim(message);
  }

  answer(message: ResponseMessage, _request: RequestMessage, bodyMode: number): void {
    this.#answerEnded = bodyMode === NO_BODY;
    this.#stream.answer(message, this.#answerEnded);
  }

  answerLocally(answer: LocalAnswer): void {
    const { message, body } = localAnswerMessage(answer);
    this.#answerEnded = true;
    this.#stream.answer(message, body === undefined);
    if (!body) return;
    this.#stream.body(undefined, body, 0, body.length);
    this.#stream.end();
  }

  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (!this.#answerEnded) this.#stream.body(from, buffer, start, end);
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#answerEnded) return;
    this.#answerEnded = true;
    this.#stream.end(trailers);
  }

  flush(): void {}

  pauseBody(): void {
    this.#stream.pause();
  }

  wantBody(): void {
    this.#stream.resume();
  }

  setExchangeDeadline(at: number): void {
    this.#context.deadlines.set(this.#deadline, at);
  }

  clearExchangeDeadline(): void {
    this.#context.deadlines.clear(this.#deadline);
  }

  exchangeDone(complete: boolean): void {
    this.#endExchange();
    if (!this.#stream.closed) {
      if (!complete) {
        this.#owner.http2.resetHere++;
        this.#stream.reset(INTERNAL_ERROR);
      } else if (!this.#requestEnded) this.#stream.reset(NO_ERROR);
    }
    this.#owner.streamDone();
  }

  #endExchange(): void {
    this.#context.deadlines.remove(this.#deadline);
    if (!this.#exchange) return;
    this.#exchange = undefined;
    this.#context.stats.end(this.#owner.http.direction);
  }

  // --- tunnels

  #connect(message: RequestMessage, http: PreparedHttp): void {
    const refused = refusalOfConnect(this.info, http, message, this.#owner.nested);
    if (refused) this.#refuse(refused.refusal, message, refused.flag);
    else openConnectTunnel(this.#context, this, this.#owner.chain, http, message);
  }

  nest(connection: ClientConnection): void {
    const { tunnels } = this.#owner;
    tunnels.add(connection);
    this.#wire!.onClosed = () => tunnels.delete(connection);
  }

  established(): void {
    const answer = new ResponseMessage();
    answer.status = 200;
    this.#stream.answer(answer, false);
  }

  switchProtocol(message: ResponseMessage): { wire: Wire; early: Buffer | undefined } {
    message.status = 200;
    if (this.#ownKey) dropWebSocketAccept(message.headers);
    this.#stream.answer(message, false);
    return { wire: this.wire, early: this.leave() };
  }

  leave(): Buffer | undefined {
    this.#endExchange();
    const early = this.#early.length > 0 ? Buffer.concat(this.#early) : undefined;
    this.#early = [];
    this.#left = true;
    if (this.#requestEnded) this.#wire!.onBodyEnd();
    return early;
  }

  refuseTunnel(status: number, reason: string, flag: string, message: RequestMessage): void {
    this.#refuse(new Refusal(status, reason), message, flag);
  }

  #refuse(refusal: Refusal, message: RequestMessage, flag: string): void {
    const { status, reason } = refusal;
    const nowMs = this.#context.clock.now();
    if (flag !== '') tellRefusal(this.#context, this, this.#owner.http, refusal, message, flag);
    if (this.#stream.closed) return;
    this.answerLocally({ status, body: `${reason}\n`, headers: [], close: false, isHead: false, nowMs });
    if (!this.#requestEnded) this.#stream.reset(NO_ERROR);
    this.#owner.streamDone();
  }

  // --- of the stream

  onBody(buffer: Buffer, start: number, end: number): void {
    if (this.#left) this.#wire!.onBody(buffer, start, end);
    else if (this.#tunnels) {
      this.#early.push(this.#stream.wire.keep(buffer, start, end));
      this.wire.pause();
    } else this.#exchange?.onRequestBody(buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    this.#requestEnded = true;
    if (this.#left) this.#wire!.onBodyEnd();
    else if (!this.#tunnels) this.#exchange?.onRequestEnd(trailers);
  }

  onReadDone(): void {
    this.reading = false;
    this.#exchange?.onRequestReadDone();
  }

  onDrain(): void {
    if (this.#left) this.#wire!.onDrain();
    else this.#exchange?.onClientDrain();
  }

  onReset(code: number): void {
    this.#owner.http2.resetByClient++;
    this.#wire?.onReset(code);
    this.#exchange?.onClientGone();
  }
}

/** Methods of which a server expects a length. */
const TAKES_BODY = new Set(['POST', 'PUT', 'PATCH']);
