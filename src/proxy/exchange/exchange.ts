// One HTTP request from its head to the end of its answer: policy, route, attempts, answer, event. Made by downstream.ts;
// knows its client and its upstream as streams, not by the version of HTTP that they speak.

import type { OpenFilter } from '../../filters/filter.ts';
import { mayRepeat } from '../../filters/retry/proxy.ts';
import { maxRequestBytes } from '../../filters/size-limits/proxy.ts';
import { ExchangeTimes } from '../../filters/timeout/proxy.ts';
import { INVALID_CLUSTER } from '../../model/snapshot.ts';
import { normalizePath } from '../../policy/path.ts';
import type { ProxyContext } from '../context.ts';
import type { LimitCounts } from '../downstream/client-limits.ts';
import type { ClientStream, LocalAnswer } from '../downstream/client-stream.ts';
import { type GrpcCall, openCall, translateWeb } from '../grpc/call.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { PreparedHttp } from '../listen/chain.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import type { PreparedForward, PreparedRoute, PreparedTarget } from '../routes/router.ts';
import { type AttemptOwner, Attempts } from '../upstream/attempts.ts';
import type { ClusterState } from '../upstream/clusters.ts';
import { takeEditedHost } from '../upstream/upstream-request.ts';
import type { UpstreamEnd, UpstreamStream, UpstreamUser } from '../upstream/upstream-stream.ts';
import { Tunnel } from '../wires/tunnel.ts';
import type { Wire } from '../wires/wire.ts';
import { type Affinity, withNamed } from './affinity.ts';
import { decide } from './decide.ts';
import { ExchangeRecord } from './exchange-record.ts';
import { ExchangeFilters } from './filter-run.ts';
import { openMirrored } from './mirrored.ts';
import { ReceivedRequest } from './received-request.ts';
import { addRequestHeaders } from './request-headers.ts';
import { Retries } from './retries.ts';
import { answerHeaders, noRouteText } from './routed-answer.ts';
import { type AnswerOwner, SentAnswer } from './sent-answer.ts';
import { takeUnsent, UNSENT_FIELDS } from './unsent.ts';

const MAX_INTERIM = 16;
const TOO_LARGE = 'the answer of the upstream is too large';
const NOT_BASE64 = 'the body is not base64';

export class Exchange implements UpstreamUser, AttemptOwner, AnswerOwner {
  readonly isHead: boolean;
  readonly #context: ProxyContext;
  #down: ClientStream;
  readonly #http: PreparedHttp;
  readonly #message: RequestMessage;
  readonly #record: ExchangeRecord;

  #route: PreparedRoute | undefined;
  #forward: PreparedForward | undefined;
  #target: PreparedTarget | undefined;
  #attempts: Attempts | undefined;
  #retries: Retries | undefined;
  /** Where filters do more than to edit heads. */
  #filters: ExchangeFilters | undefined;
  #affinity: Affinity | undefined;
  readonly #times: ExchangeTimes;

  readonly #received: ReceivedRequest;
  /** Some of it was written to an upstream. */
  #wasSent = false;
  /** Why no upstream could be reached, told once the request has come whole. */
  #heldReason: string | undefined;

  #interims = 0;
  /** The client was told 100 (Continue). */
  #continued = false;
  readonly #answer: SentAnswer;
  #call: GrpcCall | undefined;
  #close: boolean;
  #over = false;

  constructor(
    context: ProxyContext,
    down: ClientStream,
    http: PreparedHttp,
    message: RequestMessage,
    hasBody: boolean,
  ) {
    this.#context = context;
    this.#down = down;
    this.#http = http;
    this.#message = message;
    this.isHead = message.method === 'HEAD';
    this.#call = openCall(message);
    this.#received = new ReceivedRequest(hasBody);
    this.#answer = new SentAnswer(this);
    this.#close = message.close || message.old;
    this.#record = new ExchangeRecord(context.clock.now(), message);
    this.#times = new ExchangeTimes(context.deadlines, http.handler.limits, context.limits.stallTimeoutMs);
  }

  // --- the request

  start(): void {
    const { handler, router } = this.#http;
    const message = this.#message;
    const path = normalizePath(message.path);
    if (path === undefined) {
      this.onBadRequest('the path is not valid');
      return;
    }
    message.path = path;
    const { info } = this.#down;
    const ids = addRequestHeaders(message, info, handler, this.#context.ids);
    const decision = decide(this.#http, info, ids.remoteAddress, message);
    this.#record.ids = ids;
    this.#record.decision = decision;
    if (decision && decision.verdict !== 'allow') {
      this.answer(403, 'RBAC: access denied', 'RBAC');
      return;
    }
    if (this.#isTooLarge()) return;
    const before = router.before?.(message.host);
    if (before) this.#openFilters(before, () => this.#takeRoute());
    else this.#takeRoute();
  }

  #takeRoute(): void {
    const message = this.#message;
    const route = this.#http.router.match(message);
    if (!route) {
      this.answer(404, noRouteText(this.#http, message.host), 'NR');
      return;
    }
    this.#route = route;
    const { action } = route;
    if (action.type === 'forward') this.#startForward(action);
    else this.#openFilters(action.open, () => this.#answerByRoute(action));
  }

  #answerByRoute(action: Exclude<PreparedRoute['action'], PreparedForward>): void {
    const headers = answerHeaders(action, this.#message, this.#scheme, this.#http.listenerPort);
    this.answer(action.status, action.type === 'direct' ? action.body : '', undefined, headers);
  }

  /** Calls `next` once no filter answers by itself: at once, or when those that ask others have heard. */
  #openFilters(open: readonly OpenFilter[] | undefined, next: () => void): void {
    if (!open) {
      next();
      return;
    }
    const { remoteAddress, requestId } = this.#record.ids!;
    this.#armDeadline();
    if (!this.#received.kept) this.#received.keep(this.#context.limits.maxKeptBytes);
    this.#filters ??= new ExchangeFilters(remoteAddress, this.#context, {
      message: this.#message,
      down: this.#down,
      requestId,
      received: this.#received,
      cluster: this.#http.cluster,
    });
    this.#filters.open(open, this.#message, (answer) => {
      if (this.#over) return;
      if (answer) this.answer(answer.status, answer.body ?? '', answer.flag, answer.headers, answer.exact);
      else next();
    });
  }

  get #scheme(): 'http' | 'https' {
    return this.#down.info.tls === 'none' ? 'http' : 'https';
  }

  get version(): 'http1' | 'http2' {
    return this.#down.version;
  }

  get origin(): Origin {
    return this.#down.info;
  }

  #startForward(action: PreparedForward): void {
    const message = this.#message;
    const target = action.pick();
    this.#affinity = target.affinity?.(message, this.#record.ids!.remoteAddress, this.#record.startMs);
    this.#forward = action;
    this.#target = target;
    if (this.#isTooLarge()) return;
    const cluster = target.cluster === INVALID_CLUSTER ? undefined : this.#http.cluster(target.cluster);
    if (cluster?.cluster.protocol === 'http2') this.#call ??= translateWeb(this.#down, message);
    const web = this.#call?.web;
    this.#down = web ?? this.#down;
    if (web && !this.#received.recode(web)) {
      this.onBadRequest(NOT_BASE64);
      return;
    }
    // Calls give themselves a time, and may be silent for as long.
    this.#times.limitCall(this.#call?.timeoutMs(message, action.config.timeoutMs));
    if (this.#received.done) this.#times.limitRequest(action.config.timeoutMs);
    this.#received.keep(action.config.keptRequestBytes ?? this.#context.limits.maxKeptBytes);
    if (!target.open) {
      this.#forwardTo(target, action, cluster);
      return;
    }
    this.#openFilters(target.open, () => this.#forwardTo(target, action, cluster));
  }

  #forwardTo(target: PreparedTarget, action: PreparedForward, cluster: ClusterState | undefined): void {
    const message = this.#message;
    if (target.redirect) {
      this.#answerByRoute(target.redirect);
      return;
    }
    if (target.cluster === INVALID_CLUSTER) {
      this.answer(action.config.invalidStatus ?? 500, 'the backend of this route is not valid');
      return;
    }
    if (!cluster) {
      this.answer(503, 'the cluster of this route is not known', 'NC');
      return;
    }
    if (target.editRequest) {
      target.editRequest(message);
      takeEditedHost(message);
    }
    if (target.taps) {
      const original = { message, down: this.#down, ids: this.#record.ids, route: this.#route!.route };
      const aside = (name: string) => openMirrored(this.#context, this.#http, name, this.#received.hasBody, original);
      this.#received.openTaps(target.taps, message, aside);
    }
    const { endpointHeaders } = cluster.cluster;
    if (endpointHeaders) this.#affinity = withNamed(this.#affinity, endpointHeaders, message, cluster);
    this.#attempts = new Attempts(this.#context, cluster, action.config.retry, this, this.#affinity);
    this.#retries = new Retries(this.#attempts, action.config, message, this.#received, this.#times, this.#call);
    this.#armDeadline();
    this.#attempts.start();
  }

  onRequestBody(buffer: Buffer, start: number, end: number): void {
    this.#received.bytes += end - start;
    if (this.#over || this.#answer.done || this.#isTooLarge()) return;
    const web = this.#call?.web;
    if (!web) {
      this.#takeBody(buffer, start, end);
      return;
    }
    const bytes = web.decode(buffer, start, end);
    if (!bytes) this.onBadRequest(NOT_BASE64);
    else if (bytes.length > 0) this.#takeBody(bytes, 0, bytes.length);
  }

  #takeBody(buffer: Buffer, start: number, end: number): void {
    const { lender } = this.#down;
    this.#received.take(lender, buffer, start, end);
    const upstream = this.#attempts?.stream;
    if (upstream) upstream.body(lender, buffer, start, end);
    else if (!this.#received.kept?.full) return;
    else if (this.#heldReason !== undefined) this.#tellUnsent(this.#heldReason);
    else this.#down.pauseBody();
  }

  onRequestEnd(trailers: readonly string[] | undefined): void {
    if (this.#over) return;
    if (this.#call?.web?.done === false) {
      this.onBadRequest(NOT_BASE64);
      return;
    }
    this.#received.end(trailers);
    if (this.#heldReason !== undefined) {
      this.#tellUnsent(this.#heldReason);
      return;
    }
    this.#times.limitRequest(this.#forward?.config.timeoutMs);
    const upstream = this.#attempts?.stream;
    if (upstream) {
      upstream.end(trailers);
      this.#times.limitAttempt(this.#forward!.config.attemptTimeoutMs);
    }
    this.#armDeadline();
  }

  /** One read of the client was handed over. */
  onRequestReadDone(): void {
    const upstream = this.#attempts?.stream;
    if (this.#over || this.#received.done || !upstream) return;
    upstream.flush();
    if (upstream.blocked) this.#down.pauseBody();
    this.#context.deadlines.now();
    this.#armDeadline();
  }

  /** It is answered then. */
  #isTooLarge(): boolean {
    const bytes = Math.max(this.#message.contentLength, this.#received.bytes);
    if (bytes <= maxRequestBytes(this.#http.handler.limits, this.#forward?.config)) return false;
    this.#limitCounts.largeRequests++;
    this.#close = true;
    this.answer(413, 'the request body is too large');
    return true;
  }

  get #limitCounts(): LimitCounts {
    return this.#context.stats.by[this.#http.direction].limits;
  }

  onBadRequest(reason: string): void {
    this.#close = true;
    this.answer(400, reason, 'DPE');
  }

  onClientDrain(): void {
    if (!this.#answer.blocked) this.#attempts?.stream?.resume();
    this.#armDeadline();
  }

  /** The client has gone: nobody wants the answer. */
  onClientGone(): void {
    if (this.#over) return;
    this.#record.flag('DC');
    this.#finish();
  }

  // --- attempts

  onReady(upstream: UpstreamStream): void {
    this.#wasSent = true;
    const message = this.#message;
    message.scheme ||= this.#scheme;
    // Nobody waits for 100 (Continue) any more.
    if (this.#received.done) message.expectContinue = false;
    upstream.begin(this, message, !this.#received.hasBody);
    const kept = this.#received.kept;
    kept?.replay(upstream);
    if (kept && !this.#retries!.mayFollow(upstream)) this.#received.kept = undefined;
    else kept?.sent();
    if (this.#received.done) {
      upstream.end(this.#received.trailers);
      this.#times.limitAttempt(this.#forward!.config.attemptTimeoutMs);
    } else {
      // Pieces of the same read follow at once; else this is sent when the read is done.
      if (!this.#down.reading) upstream.flush();
      this.#down.wantBody();
    }
    this.#armDeadline();
  }

  onGivenUp(status: number, reason: string, flag: string): void {
    if (flag !== 'UF' || !this.#isUnsent) this.answer(status, reason, flag);
    // A caller that still sends would have to pass an early answer on; one that waits for 100 (Continue) sends nothing.
    else if (
      !this.#received.done &&
      this.#received.kept?.complete &&
      !this.#received.kept.full &&
      !this.#message.expectContinue
    ) {
      this.#heldReason = reason;
      this.#down.wantBody();
    } else this.#tellUnsent(reason);
  }

  /** Another endpoint may get the request, and the caller is a proxy that understands it. */
  get #isUnsent(): boolean {
    const nothingDone = !this.#wasSent || mayRepeat(this.#message.method);
    return nothingDone && this.#http.direction === 'inbound' && this.#down.info.tls === 'mutual';
  }

  #tellUnsent(reason: string): void {
    this.answer(503, reason, 'UF', UNSENT_FIELDS);
  }

  // --- the answer

  onInterim(message: ResponseMessage): void {
    if (this.#over) return;
    if (++this.#interims > MAX_INTERIM) {
      this.onBadAnswer('there are too many interim answers');
      return;
    }
    if (this.#message.old || this.#answer.begun) return;
    if (message.status === 100 && (!this.#message.expectContinue || this.#received.done)) return;
    if (message.status === 100) this.#continued = true;
    this.#down.interim(message);
  }

  onAnswer(message: ResponseMessage, bodyMode: number): void {
    const { status } = message;
    this.#attempts!.answered(this.#call?.outcome(message) ?? status);
    const unsent = takeUnsent(message.headers);
    if (unsent && status === 503 && this.#http.direction !== 'inbound' && this.#retries!.moveOn()) return;
    if (this.#message.upgrade !== '' && this.#down.needsSwitch && status < 300) {
      this.#attempts!.stream?.drop();
      this.onBadAnswer('it does not switch protocols, and its answer would be taken for that');
      return;
    }
    if (this.#retries!.afterAnswer(message)) return;
    if (!this.#answer.fits(this.#forward!.config.maxResponseBytes, message, bodyMode)) {
      this.onTooLarge();
      return;
    }
    const request = this.#message;
    this.#answer.begun = true;
    this.#answer.status = status;
    if (this.#down.mustClose || (request.expectContinue && !this.#continued && !this.#received.done))
      this.#close = true;
    this.#affinity?.mark(message.headers, this.#attempts!.endpoint!.endpoint, this.#context.clock.now());
    this.#editAnswer(message);
    this.#answer.begin(this.#down, message, request, bodyMode, this.#close, this.#filters);
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    const upstream = this.#attempts?.stream;
    if (!this.#over && upstream) this.#answer.body(this.#down, upstream.lender, buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    if (this.#attempts?.stream && this.#answer.begun) this.#answer.done = true;
    this.#answer.trailers = trailers;
    this.#call?.readTrailers(trailers);
  }

  onReadDone(): void {
    if (this.#over) return;
    const down = this.#down;
    if (this.#answer.done) {
      if (!this.#answer.endFilter()) this.onFiltered();
      else {
        // The rest of it comes later; the upstream is free.
        this.#attempts!.stop(this.#received.done);
        this.#armDeadline();
      }
      return;
    }
    this.#answer.flush();
    down.flush();
    this.#context.deadlines.now();
    if (down.blocked || this.#answer.blocked) this.#attempts?.stream?.pause();
    this.#armDeadline();
  }

  /** The last of the answer was handed over. */
  onFiltered(): void {
    this.#down.end(this.#answer.trailers);
    this.#finish();
  }

  onFilterDrained(): void {
    if (!this.#down.blocked) this.#attempts?.stream?.resume();
  }

  onFilterFailed(): void {
    this.#abort(undefined);
  }

  #editAnswer(message: ResponseMessage): void {
    this.#target!.editResponse?.(message);
    this.#filters?.editAnswer(message);
  }

  onTooLarge(): void {
    this.#attempts!.stream?.drop();
    this.onBadAnswer(TOO_LARGE, TOO_LARGE);
  }

  onUpstreamDrain(): void {
    this.#down.wantBody();
    this.#armDeadline();
  }

  onBadAnswer(reason: string, told = 'upstream protocol error: its answer is not valid HTTP'): void {
    if (this.#over) return;
    const { cluster } = this.#attempts!;
    cluster.failures++;
    this.#context.log.debug('an upstream answer was refused', { cluster: cluster.cluster.name, reason });
    if (this.#answer.begun) {
      this.#abort('UPE');
      return;
    }
    this.answer(502, told, 'UPE');
  }

  onUpstreamGone(end: UpstreamEnd): void {
    const attempts = this.#attempts;
    if (this.#over || !attempts?.stream) return;
    if (this.#answer.begun) {
      this.#abort('UC');
      return;
    }
    attempts.cluster.failures++;
    if (end === 'lost') attempts.failed();
    if (!this.#retries!.afterLoss(end)) {
      this.answer(503, 'upstream connect error or disconnect before an answer: the connection was reset', 'UC');
    }
  }

  onSwitch(message: ResponseMessage, upstream: Wire, rest: Buffer | undefined): void {
    if (this.#over) {
      upstream.destroy();
      return;
    }
    if (this.#message.upgrade === '' || message.upgrade === '') {
      upstream.destroy();
      this.onBadAnswer('it switches protocols unasked');
      return;
    }
    this.#answer.begun = true;
    this.#answer.status = 101;
    takeUnsent(message.headers);
    this.#editAnswer(message);
    this.#over = true;
    const { wire, early } = this.#down.switchProtocol(message, this.#message);
    new Tunnel(this.#context.deadlines, wire, upstream, {
      idleTimeoutMs: Math.max(this.#http.handler.idleTimeoutMs, this.#context.limits.stallTimeoutMs),
      fromClient: early,
      fromUpstream: rest,
      onDone: ({ received, sent, end }) => {
        this.#received.bytes += received;
        this.#answer.bytes += sent;
        if (end === 'idle') this.#record.flag('SI');
        this.#attempts!.leave();
        this.#tell();
      },
    });
  }

  // --- the end

  /** Answers by itself, where no answer has begun; else cuts the connection. */
  answer(status: number, body: string, flag?: string, headers: readonly string[] = [], exact = false): void {
    if (this.#over) return;
    if (flag) this.#record.flag(flag);
    if (this.#answer.begun) {
      this.#abort(undefined);
      return;
    }
    const { expectContinue } = this.#message;
    if (this.#down.mustClose || (expectContinue && !this.#received.done && !this.#continued)) this.#close = true;
    this.#answer.begun = true;
    const isWhole = exact || body === '' || body.endsWith('\n') || this.#route?.action.type === 'direct';
    const text = isWhole ? body : `${body}\n`;
    const { isHead } = this;
    const nowMs = this.#context.clock.now();
    const head = { status, headers: [...headers] };
    this.#filters?.editAnswer(head);
    const plain: LocalAnswer = { ...head, body: text, close: this.#close, isHead, nowMs };
    const answer = this.#call?.localAnswer(plain, flag === 'UT') ?? plain;
    this.#answer.status = answer.status;
    this.#answer.headers = answer.headers;
    this.#answer.bytes = isHead ? 0 : Buffer.byteLength(answer.body);
    this.#down.answerLocally(answer);
    this.#answer.done = true;
    this.#finish();
  }

  /** The answer can't be completed: the client must not take it for whole. */
  #abort(flag: string | undefined): void {
    if (this.#over) return;
    if (flag) this.#record.flag(flag);
    this.#answer.done = false;
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#answer.stop();
    this.#received.stop();
    this.#down.clearExchangeDeadline();
    this.#attempts?.stop(this.#answer.done && this.#received.done);
    this.#tell();
    this.#down.exchangeDone(this.#answer.done, this.#close, this.#received.done);
  }

  onDue(): void {
    if (this.#over) return;
    const now = this.#context.deadlines.now();
    if (now >= this.#times.requestDueAt) {
      if (!this.#answer.begun) this.#attempts?.failed();
      this.answer(504, 'upstream request timeout', 'UT');
      return;
    }
    if (now >= this.#times.attemptDueAt) {
      this.#attempts!.cluster.failures++;
      this.#attempts!.failed();
      if (this.#answer.begun || !this.#retries!.afterSilence()) this.answer(504, 'upstream request timeout', 'UT');
      return;
    }
    if (this.#isReceiving && now >= this.#times.receiveDueAt) this.#limitCounts.requestTimeouts++;
    else this.#limitCounts.stalledRequests++;
    if (this.#isReceiving) {
      this.#close = true;
      this.answer(408, 'the request body did not come in time', 'SI');
      return;
    }
    this.answer(504, 'stream timeout', 'SI');
  }

  /** The request still comes, and nobody has answered it. */
  get #isReceiving(): boolean {
    return !this.#received.done && !this.#answer.begun;
  }

  /** After anything moved. */
  #armDeadline(): void {
    if (this.#over) return;
    // Streams of calls may be silent as long as both sides like, once they have met.
    const isSilent = this.#call !== undefined && this.#wasSent && !this.#down.blocked;
    this.#down.setExchangeDeadline(this.#times.dueAt(this.#isReceiving, isSilent));
  }

  #tell(): void {
    this.#filters?.ended();
    this.#record.tell(this.#context, {
      durationMs: this.#context.deadlines.now() - this.#times.startedAt,
      down: this.#down,
      http: this.#http,
      route: this.#route,
      attempts: this.#attempts,
      received: this.#received,
      answer: this.#answer,
      grpcStatus: this.#call?.status,
    });
  }
}
