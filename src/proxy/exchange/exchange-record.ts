// What is remembered of one exchange for its event, and the event at its end. Kept by exchange.ts.
import type { Decision } from '../../policy/authorization.ts';
import type { ProxyContext } from '../context.ts';
import type { ClientStream } from '../downstream/client-stream.ts';
import { httpPart, makeEvent } from '../events.ts';
import type { RequestMessage } from '../http1/head.ts';
import type { PreparedHttp } from '../listen/chain.ts';
import type { PreparedRoute } from '../routes/router.ts';
import type { Attempts } from '../upstream/attempts.ts';
import type { ReceivedRequest } from './received-request.ts';
import type { RequestIds } from './request-headers.ts';
import type { SentAnswer } from './sent-answer.ts';

/** How it went, known at its end. */
export interface ExchangeEnd {
  readonly durationMs: number;
  readonly down: ClientStream;
  readonly http: PreparedHttp;
  readonly route: PreparedRoute | undefined;
  readonly attempts: Attempts | undefined;
  readonly received: ReceivedRequest;
  readonly answer: SentAnswer;
  readonly grpcStatus: number | undefined;
}

const NONE: readonly string[] = [];

export class ExchangeRecord {
  readonly startMs: number;
  ids: RequestIds | undefined;
  decision: Decision | undefined;
  readonly #message: RequestMessage;
  /** As asked, before rewrites. */
  readonly #path: string;
  readonly #host: string;
  #flags: string[] | undefined;

  constructor(startMs: number, message: RequestMessage) {
    this.startMs = startMs;
    this.#message = message;
    this.#path = message.path;
    this.#host = message.host;
  }

  flag(flag: string): void {
    this.#flags ??= [];
    this.#flags.push(flag);
  }

  tell(
    context: ProxyContext,
    { durationMs, down, http, route, attempts, received, answer, grpcStatus }: ExchangeEnd,
  ): void {
    const { decision, ids } = this;
    const flags = this.#flags ?? NONE;
    const cluster = attempts?.cluster.cluster;
    attempts?.ended(answer.status, flags);
    http.writeLogs?.({
      startMs: this.startMs,
      durationMs,
      request: this.#message,
      version: down.version,
      status: answer.status,
      answerHeaders: answer.headers,
      trailers: answer.trailers ?? NONE,
      info: down.info,
      remoteAddress: ids?.remoteAddress,
      endpoint: attempts?.endpoint?.endpoint,
      cluster: cluster?.name,
      route: route?.route.name,
      bytesReceived: received.bytes,
      bytesSent: answer.bytes,
      flags,
      attempts: attempts?.count ?? 0,
      grpcStatus,
    });
    context.onEvent(
      makeEvent(context, down.self.get(context), {
        startMs: this.startMs,
        durationMs,
        direction: http.direction,
        info: down.info,
        service: cluster?.service ?? http.handler.service ?? route?.virtualHost.service,
        endpoint: attempts?.endpoint?.endpoint,
        cluster: cluster?.name,
        route: route?.route.name,
        bytesReceived: received.bytes,
        bytesSent: answer.bytes,
        flags,
        attempts: attempts?.count ?? 0,
        policy: decision,
        http: httpPart({ path: this.#path, host: this.#host }, this.#message.method, answer.status, ids, grpcStatus),
      }),
    );
  }
}
