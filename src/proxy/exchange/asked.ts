// A request of a filter's own, whose whole answer is waited for while the client's request is held. Made by filter-asides.ts.
import type { AsideAnswer, AsideRequest } from '../../filters/filter.ts';
import { mayRepeat } from '../../filters/retry/proxy.ts';
import type { RetryPolicy } from '../../filters/retry/schema.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';
import { RequestMessage, type ResponseMessage } from '../http1/head.ts';
import { type AttemptOwner, Attempts } from '../upstream/attempts.ts';
import type { ClusterState } from '../upstream/clusters.ts';
import type { UpstreamEnd, UpstreamStream, UpstreamUser } from '../upstream/upstream-stream.ts';
import type { Wire } from '../wires/wire.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
/** A server that restarts must not fail a request that another, or the next one, would have let pass. */
const RETRY: RetryPolicy = { attempts: 2, statuses: [], backoffMs: 25 };

const messageOf = (request: AsideRequest, scheme: string): RequestMessage =>
  Object.assign(new RequestMessage(), {
    method: request.method,
    path: request.path,
    query: request.query,
    host: request.host,
    scheme,
    headers: request.headers,
    contentLength: request.body?.length ?? 0,
  });

export class AskedRequest implements UpstreamUser, AttemptOwner {
  readonly isHead: boolean;
  readonly origin: ConnectionInfo;
  readonly version = 'http1';
  readonly #context: ProxyContext;
  readonly #request: AsideRequest;
  readonly #message: RequestMessage;
  readonly #attempts: Attempts;
  readonly #deadline: Deadline;
  readonly #tell: (answer: AsideAnswer | undefined) => void;
  #head: ResponseMessage | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #trailers: readonly string[] | undefined;
  #answered = false;
  #over = false;

  constructor(
    context: ProxyContext,
    cluster: ClusterState,
    request: AsideRequest,
    client: ConnectionInfo,
    tell: (answer: AsideAnswer | undefined) => void,
  ) {
    this.#context = context;
    this.#request = request;
    this.origin = client;
    this.isHead = request.method === 'HEAD';
    this.#message = messageOf(request, client.tls === 'none' ? 'http' : 'https');
    this.#attempts = new Attempts(context, cluster, RETRY, this);
    this.#deadline = new Deadline(() => this.#lose(['UT']));
    this.#tell = tell;
  }

  start(): void {
    const { deadlines } = this.#context;
    deadlines.set(this.#deadline, deadlines.now() + this.#request.timeoutMs);
    this.#attempts.start();
  }

  /** Nobody wants the answer any more. */
  cancel(): void {
    this.#finish([]);
  }

  onReady(stream: UpstreamStream): void {
    const { body } = this.#request;
    const isEmpty = body === undefined || body.length === 0;
    stream.begin(this, this.#message, isEmpty);
    if (!isEmpty) stream.body(undefined, body, 0, body.length);
    stream.end(undefined);
    stream.flush();
  }

  onGivenUp(_status: number, _reason: string, flag: string): void {
    this.#lose([flag]);
  }

  onInterim(): void {}

  onAnswer(message: ResponseMessage): void {
    this.#head = message;
    this.#attempts.answered(message.status);
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > MAX_ANSWER_BYTES) this.#lose(['UPE']);
    else this.#pieces.push(Buffer.from(buffer.subarray(start, end)));
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    this.#trailers = trailers;
    this.#answered = this.#head !== undefined;
  }

  onReadDone(): void {
    if (this.#over || !this.#answered) return;
    const { status, headers } = this.#head!;
    const answer = { status, headers, body: Buffer.concat(this.#pieces), trailers: this.#trailers };
    this.#finish([]);
    this.#tell(answer);
  }

  onUpstreamDrain(): void {}

  onBadAnswer(): void {
    this.#lose(['UPE']);
  }

  onUpstreamGone(end: UpstreamEnd): void {
    const attempts = this.#attempts;
    if (this.#over || !attempts.stream) return;
    if (end === 'lost') attempts.failed();
    const repeatable = !this.#head && (this.#request.mayRepeat || mayRepeat(this.#message.method));
    if (end === 'unprocessed' && attempts.canReplayUnprocessed) attempts.replayUnprocessed();
    else if (end === 'stale' && repeatable) attempts.replay();
    else if (repeatable && attempts.takeRetry()) attempts.retry();
    else this.#lose(['UC']);
  }

  onSwitch(_message: ResponseMessage, wire: Wire): void {
    wire.destroy();
    this.#lose(['UPE']);
  }

  #lose(flags: readonly string[]): void {
    if (this.#over) return;
    if (flags[0] === 'UT') this.#attempts.failed();
    this.#answered = false;
    this.#finish(flags);
    this.#tell(undefined);
  }

  #finish(flags: readonly string[]): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.deadlines.remove(this.#deadline);
    this.#attempts.stop(this.#answered);
    this.#context.deadlines.now();
    this.#attempts.ended(this.#head?.status ?? 0, flags);
  }
}
