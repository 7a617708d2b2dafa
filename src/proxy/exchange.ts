// One HTTP request from its head to the end of its answer: policy, route, attempts, answer, event. Made by downstream.ts.
import type { TrafficEvent } from '../model/event.ts';
import { INVALID_CLUSTER, type ServiceRef } from '../model/snapshot.ts';
import type { Decision } from '../policy/authorization.ts';
import { normalizePath } from '../policy/path.ts';
import type { PreparedHttp } from './chain.ts';
import type { ClusterState } from './clusters.ts';
import type { ProxyContext } from './context.ts';
import type { Downstream } from './downstream.ts';
import { makeEvent } from './events.ts';
import { CHUNKED, NO_BODY, UNTIL_CLOSE } from './http1/body.ts';
import type { RequestMessage, ResponseMessage } from './http1/head.ts';
import { fieldLines, statusLine } from './http1/serialize.ts';
import { KeptBody } from './kept-body.ts';
import { localAnswerText } from './local-answer.ts';
import type { EndpointPool, NoConnection, PoolEndpoint, Waiter } from './pool.ts';
import { addRequestHeaders, type RequestIds } from './request-headers.ts';
import { mayRepeat, retryDelayMs } from './retry.ts';
import type { PreparedForward, PreparedRoute, PreparedTarget } from './router.ts';
import { Tunnel } from './tunnel.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream.ts';
import { requestText, takeEditedHost } from './upstream-request.ts';

const MAX_INTERIM = 16;
const MAX_OTHER_ENDPOINTS = 3;
const NEVER = Number.POSITIVE_INFINITY;

export class Exchange implements UpstreamUser, Waiter {
  readonly isHead: boolean;
  readonly #context: ProxyContext;
  readonly #down: Downstream;
  readonly #http: PreparedHttp;
  readonly #message: RequestMessage;
  readonly #startMs: number;
  readonly #started: number;
  /** As asked, before rewrites. */
  readonly #path: string;
  readonly #host: string;
  #ids: RequestIds | undefined;
  #decision: Decision | undefined;
  #flags: string[] | undefined;

  #route: PreparedRoute | undefined;
  #forward: PreparedForward | undefined;
  #target: PreparedTarget | undefined;
  #cluster: ClusterState | undefined;
  #endpoint: PoolEndpoint | undefined;
  #pool: EndpointPool | undefined;
  #connection: UpstreamConnection | undefined;
  #excluded: Set<PoolEndpoint> | undefined;
  #attempts = 0;
  #retries = 0;
  #moved = 0;
  #waiting = false;
  #text = '';
  #requestDeadline = NEVER;
  #attemptDeadline = NEVER;
  #cancelRetry: (() => void) | undefined;

  #kept: KeptBody | undefined;
  #requestDone: boolean;
  #requestTrailers: readonly string[] | undefined;
  #received = 0;

  #interims = 0;
  #answered = false;
  #answerDone = false;
  #answerTrailers: readonly string[] | undefined;
  #status = 0;
  #sent = 0;
  #close: boolean;
  #over = false;

  constructor(context: ProxyContext, down: Downstream, http: PreparedHttp, message: RequestMessage, hasBody: boolean) {
    this.#context = context;
    this.#down = down;
    this.#http = http;
    this.#message = message;
    this.#path = message.path;
    this.#host = message.host;
    this.isHead = message.method === 'HEAD';
    this.#requestDone = !hasBody;
    this.#close = message.close || message.old;
    this.#startMs = context.clock.now();
    this.#started = context.deadlines.now();
  }

  get over(): boolean {
    return this.#over;
  }

  // --- the request

  start(): void {
    const { handler, router } = this.#http;
    const message = this.#message;
    const path = normalizePath(message.path);
    if (path === undefined) {
      this.#close = true;
      this.answer(400, 'the path is not valid', 'DPE');
      return;
    }
    message.path = path;
    const { info } = this.#down;
    const ownId = info.peer && this.#context.svid?.current().spiffeId;
    this.#ids = addRequestHeaders(message, info, handler.edge, ownId, this.#context.ids);
    if (!this.#isAllowed(this.#ids)) {
      this.answer(403, 'RBAC: access denied', 'RBAC');
      return;
    }
    const route = router.match(message);
    if (!route) {
      this.#noRoute();
      return;
    }
    this.#route = route;
    const { action } = route;
    if (action.type === 'forward') {
      this.#startForward(action);
      return;
    }
    const headers: string[] = [];
    if (action.type === 'redirect') {
      const scheme = info.tls === 'none' ? 'http' : 'https';
      headers.push('location', action.location(message, scheme, this.#http.listenerPort));
    }
    action.editResponse?.({ headers });
    this.answer(action.status, action.type === 'direct' ? action.body : '', undefined, headers);
  }

  #isAllowed(ids: RequestIds): boolean {
    const { authorize, policyPort } = this.#http;
    if (!authorize) return true;
    const { info } = this.#down;
    this.#decision = authorize({
      identity: info.peer?.identity,
      peerAddress: info.peerAddress,
      remoteAddress: ids.remoteAddress,
      localAddress: info.localAddress,
      localPort: policyPort,
      sni: info.sni,
      head: this.#message,
    });
    return this.#decision.verdict === 'allow';
  }

  #noRoute(): void {
    const { host } = this.#message;
    const { handler, router } = this.#http;
    const known = router.virtualHost(host) !== undefined;
    if (!handler.explicitProxy || known) {
      this.answer(404, 'no route for this host and path', 'NR');
      return;
    }
    const authority = /:[0-9]+$/.test(host) ? host : `${host}:80`;
    this.answer(404, `no service "${authority}" in the mesh; add a Service or ServiceEntry`, 'NR');
  }

  #startForward(action: PreparedForward): void {
    const message = this.#message;
    const target = action.pick();
    this.#forward = action;
    this.#target = target;
    if (target.cluster === INVALID_CLUSTER) {
      this.answer(500, 'the backend of this route is not valid');
      return;
    }
    const cluster = this.#http.cluster(target.cluster);
    if (!cluster) {
      this.answer(503, 'the cluster of this route is not known', 'NC');
      return;
    }
    this.#cluster = cluster;
    action.rewrite?.(message);
    if (target.editRequest) {
      target.editRequest(message);
      takeEditedHost(message);
    }
    this.#text = requestText(message, this.#requestDone);
    if (this.#requestDone) this.#setRequestDeadline();
    else this.#kept = new KeptBody(this.#context.limits.maxKeptBytes);
    cluster.requests++;
    const { resolving } = cluster;
    if (resolving) void resolving.then(() => this.#attempt(false));
    else this.#attempt(false);
  }

  onRequestBody(buffer: Buffer, start: number, end: number): void {
    this.#received += end - start;
    if (this.#over || this.#answerDone) return;
    const { wire } = this.#down;
    this.#kept?.add(wire.keep(buffer, start, end));
    if (this.#connection) this.#connection.outlet.body(wire, buffer, start, end);
    else if (this.#kept?.full) wire.pause();
  }

  onRequestEnd(trailers: readonly string[] | undefined): void {
    if (this.#over) return;
    this.#requestDone = true;
    this.#requestTrailers = trailers;
    this.#setRequestDeadline();
    if (this.#connection) {
      this.#connection.outlet.end(trailers);
      this.#setAttemptDeadline();
    }
    this.#armDeadline();
  }

  /** One read of the client was handed over. */
  onRequestReadDone(): void {
    const connection = this.#connection;
    if (this.#over || this.#requestDone || !connection) return;
    connection.outlet.flush();
    if (connection.wire.blocked) this.#down.wire.pause();
    this.#context.deadlines.now();
    this.#armDeadline();
  }

  onBadRequestBody(reason: string): void {
    this.#close = true;
    this.answer(400, reason, 'DPE');
  }

  onClientDrain(): void {
    this.#connection?.wire.resume();
    this.#armDeadline();
  }

  /** The client has gone: nobody wants the answer. */
  onClientGone(): void {
    if (this.#over) return;
    this.#flag('DC');
    this.#finish();
  }

  // --- attempts

  #attempt(fresh: boolean): void {
    if (this.#over) return;
    const cluster = this.#cluster!;
    const state = fresh && this.#endpoint ? this.#endpoint : this.#pickEndpoint(cluster);
    this.#endpoint = state;
    if (!state) {
      this.answer(503, 'no healthy upstream', 'UH');
      return;
    }
    state.active++;
    this.#attempts++;
    this.#waiting = true;
    this.#pool = cluster.poolOf(state);
    this.#pool.acquire(this, fresh);
    if (this.#waiting) this.#armDeadline();
  }

  #pickEndpoint(cluster: ClusterState): PoolEndpoint | undefined {
    const state = cluster.balancer.pick(this.#excluded);
    return state ?? (this.#excluded ? cluster.balancer.pick() : undefined);
  }

  onConnection(connection: UpstreamConnection): void {
    this.#waiting = false;
    this.#connection = connection;
    connection.begin(this);
    const { outlet } = connection;
    outlet.begin(this.#text, this.#message.chunked);
    const kept = this.#kept;
    kept?.replay(outlet);
    if (kept && !mayRepeat(this.#message.method)) this.#kept = undefined;
    else kept?.sent();
    if (this.#requestDone) {
      outlet.end(this.#requestTrailers);
      this.#setAttemptDeadline();
    } else {
      // Pieces of the same read follow at once; else this is sent when the read is done.
      if (!this.#down.reading) outlet.flush();
      this.#down.wantBody();
    }
    this.#armDeadline();
  }

  onNoConnection(reason: NoConnection, error: Error | undefined): void {
    this.#waiting = false;
    const state = this.#endpoint!;
    this.#leaveEndpoint();
    if (reason === 'overflow') {
      this.answer(503, 'too many requests wait for this upstream', 'UO');
      return;
    }
    this.#cluster!.failures++;
    const code = error && 'code' in error ? String(error.code) : '';
    if (code === 'PEER_IDENTITY' || code === 'NO_IDENTITY') {
      this.#context.log.warn('a peer was refused', { cluster: this.#cluster!.cluster.name, error });
    }
    // Nothing was sent, so another endpoint can be asked whatever the method is.
    this.#excluded ??= new Set();
    this.#excluded.add(state);
    const others = Math.min(this.#cluster!.balancer.endpoints.length - 1, MAX_OTHER_ENDPOINTS);
    if (this.#moved < others) {
      this.#moved++;
      this.#attempt(false);
      return;
    }
    if (this.#retryLater()) return;
    const why =
      reason === 'timeout' ? 'the connection was not made in time' : (CONNECT_ERRORS[code] ?? 'no connection');
    this.answer(503, `upstream connect error: ${why}`, 'UF');
  }

  #leaveEndpoint(): void {
    if (this.#endpoint && this.#attempts > this.#left) {
      this.#left = this.#attempts;
      this.#endpoint.active--;
    }
  }

  /** Attempts whose endpoint was counted down again. */
  #left = 0;

  /** True when the whole request can be sent once more without being done twice. */
  get #repeatable(): boolean {
    return !this.#answered && mayRepeat(this.#message.method) && (this.#kept?.complete ?? true);
  }

  /** Plans a further attempt as the route's policy allows; false when it doesn't. */
  #retryLater(): boolean {
    const policy = this.#forward?.config.retry;
    if (!policy || this.#retries >= policy.attempts || this.#answered) return false;
    const delay = retryDelayMs(policy, this.#retries++, this.#context.random);
    this.#attemptDeadline = NEVER;
    const timer = this.#context.clock.after(delay, () => {
      this.#cancelRetry = undefined;
      this.#attempt(false);
    });
    this.#cancelRetry = () => timer.cancel();
    return true;
  }

  /** Gives the attempt up and tries again where that is safe. */
  #retryAfterFailure(): boolean {
    if (!this.#repeatable) return false;
    const state = this.#endpoint;
    this.#dropConnection();
    if (state) {
      this.#excluded ??= new Set();
      this.#excluded.add(state);
    }
    return this.#retryLater();
  }

  #dropConnection(): void {
    this.#leaveEndpoint();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.drop();
  }

  // --- the answer

  onInterim(message: ResponseMessage): void {
    if (this.#over) return;
    if (++this.#interims > MAX_INTERIM) {
      this.#badAnswer('there are too many interim answers');
      return;
    }
    if (this.#message.old || this.#answered) return;
    if (message.status === 100 && (!this.#message.expectContinue || this.#requestDone)) return;
    this.#down.continued = this.#down.continued || message.status === 100;
    this.#down.outlet.begin(`${statusLine(message.status)}${fieldLines(message.headers)}\r\n`, false);
  }

  onAnswer(message: ResponseMessage, bodyMode: number): void {
    const { status } = message;
    const retry = this.#forward!.config.retry;
    if (retry?.statuses.includes(status) && this.#retryAfterFailure()) return;
    const request = this.#message;
    this.#answered = true;
    this.#status = status;
    if (this.#down.mustClose || (request.expectContinue && !this.#down.continued && !this.#requestDone))
      this.#close = true;
    this.#target!.editResponse?.(message);
    const chunked = (bodyMode === CHUNKED || bodyMode === UNTIL_CLOSE) && !request.old;
    let text = statusLine(status) + fieldLines(message.headers);
    if (bodyMode !== NO_BODY) {
      if (chunked) text += 'transfer-encoding: chunked\r\n';
      else if (bodyMode !== CHUNKED && bodyMode !== UNTIL_CLOSE) text += `content-length: ${message.contentLength}\r\n`;
    } else if (status !== 204) {
      // What GET would have got.
      if (message.contentLength >= 0) text += `content-length: ${message.contentLength}\r\n`;
      else if (message.chunked && !request.old) text += 'transfer-encoding: chunked\r\n';
    }
    this.#down.outlet.begin(this.#close ? `${text}connection: close\r\n\r\n` : `${text}\r\n`, chunked);
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    if (this.#over || !this.#connection) return;
    this.#sent += end - start;
    this.#down.outlet.body(this.#connection.wire, buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    if (this.#connection && this.#answered) this.#answerDone = true;
    this.#answerTrailers = trailers;
  }

  onReadDone(): void {
    if (this.#over) return;
    const { outlet, wire } = this.#down;
    if (this.#answerDone) {
      outlet.end(this.#answerTrailers);
      this.#finish();
      return;
    }
    outlet.flush();
    this.#context.deadlines.now();
    if (wire.blocked) this.#connection?.wire.pause();
    this.#armDeadline();
  }

  onUpstreamDrain(): void {
    this.#down.wantBody();
    this.#armDeadline();
  }

  onBadAnswer(reason: string): void {
    this.#badAnswer(reason);
  }

  #badAnswer(reason: string): void {
    if (this.#over) return;
    this.#cluster!.failures++;
    this.#context.log.debug('an upstream answer was refused', { cluster: this.#cluster!.cluster.name, reason });
    if (this.#answered) {
      this.#abort('UPE');
      return;
    }
    this.answer(502, 'upstream protocol error: its answer is not valid HTTP/1.1', 'UPE');
  }

  onUpstreamGone(): void {
    if (this.#over || !this.#connection) return;
    const connection = this.#connection;
    if (this.#answered) {
      this.#abort('UC');
      return;
    }
    this.#cluster!.failures++;
    if (!connection.answering && connection.served > 0 && this.#repeatable) {
      // The peer closed an idle connection while the request was on its way.
      this.#leaveEndpoint();
      this.#connection = undefined;
      this.#attempt(true);
      return;
    }
    if (this.#retryAfterFailure()) return;
    this.answer(503, 'upstream connect error or disconnect before an answer: the connection was reset', 'UC');
  }

  onSwitch(message: ResponseMessage, rest: Buffer | undefined): void {
    const connection = this.#connection!;
    if (this.#over) {
      connection.wire.destroy();
      return;
    }
    if (this.#message.upgrade === '' || message.upgrade === '') {
      connection.wire.destroy();
      this.#badAnswer('it switches protocols unasked');
      return;
    }
    this.#answered = true;
    this.#status = 101;
    this.#target!.editResponse?.(message);
    const upgrade = `connection: Upgrade\r\nupgrade: ${message.upgrade}\r\n\r\n`;
    this.#down.outlet.begin(`${statusLine(101)}${fieldLines(message.headers)}${upgrade}`, false);
    this.#down.outlet.flush();
    this.#over = true;
    const early = this.#down.leave();
    new Tunnel(this.#context.deadlines, this.#down.wire, connection.wire, {
      idleTimeoutMs: Math.max(this.#http.handler.idleTimeoutMs, this.#context.limits.stallTimeoutMs),
      fromClient: early,
      fromUpstream: rest,
      onDone: ({ received, sent, end }) => {
        this.#received += received;
        this.#sent += sent;
        if (end === 'idle') this.#flag('SI');
        this.#leaveEndpoint();
        this.#tell();
      },
    });
  }

  // --- the end

  /** Answers by itself, where no answer has begun; else cuts the connection. */
  answer(status: number, body: string, flag?: string, headers: readonly string[] = []): void {
    if (this.#over) return;
    if (flag) this.#flag(flag);
    if (this.#answered) {
      this.#abort(undefined);
      return;
    }
    const { expectContinue } = this.#message;
    if (this.#down.mustClose || (expectContinue && !this.#requestDone && !this.#down.continued)) this.#close = true;
    this.#answered = true;
    this.#status = status;
    const text = body === '' || body.endsWith('\n') || this.#route?.action.type === 'direct' ? body : `${body}\n`;
    this.#sent = this.isHead ? 0 : Buffer.byteLength(text);
    const { isHead } = this;
    const nowMs = this.#context.clock.now();
    this.#down.outlet.begin(localAnswerText({ status, body: text, headers, close: this.#close, isHead, nowMs }), false);
    this.#down.outlet.flush();
    this.#answerDone = true;
    this.#finish();
  }

  /** The answer can't be completed: the client must not take it for whole. */
  #abort(flag: string | undefined): void {
    if (this.#over) return;
    if (flag) this.#flag(flag);
    this.#answerDone = false;
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#cancelRetry?.();
    this.#down.clearExchangeDeadline();
    if (this.#waiting) {
      this.#waiting = false;
      this.#pool!.cancel(this);
    }
    const connection = this.#connection;
    this.#leaveEndpoint();
    if (connection) {
      if (this.#answerDone) connection.finish(this.#requestDone);
      else connection.drop();
    }
    this.#tell();
    this.#down.exchangeDone(this.#answerDone, this.#close, this.#requestDone);
  }

  onDue(): void {
    if (this.#over) return;
    const now = this.#context.deadlines.now();
    if (now >= this.#requestDeadline) {
      this.answer(504, 'upstream request timeout', 'UT');
      return;
    }
    if (now >= this.#attemptDeadline) {
      this.#cluster!.failures++;
      if (!this.#answered && this.#retryAfterFailure()) return;
      this.answer(504, 'upstream request timeout', 'UT');
      return;
    }
    if (!this.#requestDone && !this.#answered) {
      this.#close = true;
      this.answer(408, 'the request body did not come in time', 'SI');
      return;
    }
    this.answer(504, 'stream timeout', 'SI');
  }

  #setRequestDeadline(): void {
    const timeout = this.#forward?.config.timeoutMs;
    if (timeout !== undefined && timeout > 0) this.#requestDeadline = this.#context.deadlines.now() + timeout;
  }

  #setAttemptDeadline(): void {
    const timeout = this.#forward!.config.attemptTimeoutMs;
    if (timeout !== undefined && timeout > 0) this.#attemptDeadline = this.#context.deadlines.now() + timeout;
  }

  /** After anything moved. */
  #armDeadline(): void {
    if (this.#over) return;
    const stall = this.#context.deadlines.recent + this.#context.limits.stallTimeoutMs;
    this.#down.setExchangeDeadline(Math.min(this.#requestDeadline, this.#attemptDeadline, stall));
  }

  #flag(flag: string): void {
    this.#flags ??= [];
    this.#flags.push(flag);
  }

  #serviceOf(): ServiceRef | undefined {
    return this.#cluster?.cluster.service ?? this.#http.handler.service ?? this.#route?.virtualHost.service;
  }

  #tell(): void {
    const context = this.#context;
    const decision = this.#decision;
    const ids = this.#ids;
    const http: TrafficEvent['http'] = {
      method: this.#message.method,
      path: this.#path,
      host: this.#host,
      status: this.#status,
      requestId: ids ? ids.requestId : '',
      ...(ids && { traceparent: ids.traceparent }),
    };
    context.onEvent(
      makeEvent(context, this.#down.self.get(context), {
        startMs: this.#startMs,
        durationMs: context.deadlines.now() - this.#started,
        direction: this.#http.direction,
        info: this.#down.info,
        service: this.#serviceOf(),
        endpoint: this.#endpoint?.endpoint,
        cluster: this.#cluster?.cluster.name,
        route: this.#route?.route.name,
        bytesReceived: this.#received,
        bytesSent: this.#sent,
        flags: this.#flags ?? NO_FLAGS,
        attempts: this.#attempts,
        policy: decision && { verdict: decision.verdict, names: decision.names, reason: decision.reason },
        http,
      }),
    );
  }
}

const NO_FLAGS: readonly string[] = [];

const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; is the program running?',
  EHOSTUNREACH: 'the host is not reachable',
  ENETUNREACH: 'the network is not reachable',
  ECONNRESET: 'the connection was reset',
  PEER_IDENTITY: "the peer's identity is not the expected one",
  NO_IDENTITY: 'this proxy has no identity yet',
};
