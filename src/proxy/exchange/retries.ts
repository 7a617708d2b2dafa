// Whether a request that failed, or was answered badly, is sent once more. Made by exchange.ts for each that is forwarded.
import { mayRepeat, retriesCall, retriesSilence, retriesStatus } from '../../filters/retry/proxy.ts';
import type { ExchangeTimes } from '../../filters/timeout/proxy.ts';
import type { ForwardAction } from '../../model/route.ts';
import type { GrpcCall } from '../grpc/call.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Attempts } from '../upstream/attempts.ts';
import type { UpstreamEnd, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { ReceivedRequest } from './received-request.ts';

export class Retries {
  readonly #attempts: Attempts;
  readonly #config: ForwardAction;
  readonly #message: RequestMessage;
  readonly #received: ReceivedRequest;
  readonly #times: ExchangeTimes;
  readonly #call: GrpcCall | undefined;

  constructor(
    attempts: Attempts,
    config: ForwardAction,
    message: RequestMessage,
    received: ReceivedRequest,
    times: ExchangeTimes,
    call: GrpcCall | undefined,
  ) {
    this.#attempts = attempts;
    this.#config = config;
    this.#message = message;
    this.#received = received;
    this.#times = times;
    this.#call = call;
  }

  /** The request may have to be sent again after it went to `upstream`, so its body is kept. */
  mayFollow(upstream: UpstreamStream): boolean {
    // Where calls are retried by their status, by what method they came says nothing.
    const byStatus = this.#call !== undefined && this.#config.retry?.grpcStatuses !== undefined;
    return this.#attempts.isMesh || upstream.mayRefuse || byStatus || mayRepeat(this.#message.method);
  }

  /** The endpoint's proxy could not reach its program: the next one gets the request, where it is still at hand. */
  moveOn(): boolean {
    if (!this.#received.isWhole || !this.#attempts.isMesh) return false;
    const dueAt = this.#times.attemptDueAt;
    this.#times.endAttempt();
    if (this.#attempts.moveOn()) return true;
    this.#times.attemptDueAt = dueAt;
    return false;
  }

  /** By the status of an answer that the client has not seen. */
  afterAnswer(message: ResponseMessage): boolean {
    const { retry } = this.#config;
    if (retriesStatus(retry, message.status) && this.#again()) return true;
    const call = this.#call;
    if (!call) return false;
    call.readHead(message.headers);
    return retriesCall(retry, call.status) && this.#again(this.#received.isWhole);
  }

  /** It was not answered: a connection ended, or the time of an attempt. */
  afterSilence(): boolean {
    return retriesSilence(this.#config.retry) && this.#again();
  }

  afterLoss(end: UpstreamEnd): boolean {
    const attempts = this.#attempts;
    if (end === 'stale' && this.#repeatable) attempts.replay();
    else if (end === 'unprocessed' && this.#received.isWhole && attempts.canReplayUnprocessed) {
      attempts.replayUnprocessed();
    } else return this.afterSilence();
    return true;
  }

  /** True when the whole request can be sent once more without being done twice. */
  get #repeatable(): boolean {
    return mayRepeat(this.#message.method) && (this.#received.kept?.complete ?? true);
  }

  /** Tries again where that is safe and the route wants it. */
  #again(safe = this.#repeatable): boolean {
    if (!safe || !this.#attempts.takeRetry()) return false;
    this.#times.endAttempt();
    this.#attempts.retry();
    return true;
  }
}
