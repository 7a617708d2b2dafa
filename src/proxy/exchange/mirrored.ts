// A copy of a request on its way to a cluster whose answer nobody reads. Whatever happens to it, the request itself does
// not notice. Made by exchange.ts for filters.
import type { RequestTap } from '../../filters/filter.ts';
import type { Route } from '../../model/route.ts';
import type { Listener } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { ClientStream } from '../downstream/client-stream.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';
import { httpPart, makeEvent } from '../events.ts';
import { RequestMessage, type ResponseMessage } from '../http1/head.ts';
import type { PreparedHttp } from '../listen/chain.ts';
import { type AttemptOwner, Attempts } from '../upstream/attempts.ts';
import type { ClusterState } from '../upstream/clusters.ts';
import type { UpstreamStream, UpstreamUser } from '../upstream/upstream-stream.ts';
import type { Wire } from '../wires/wire.ts';
import type { RequestIds } from './request-headers.ts';

/** Under way at a time, and what they hold of bodies that their endpoints do not take as fast; beyond it copies are given up. */
const MAX_COPIES = 1024;
const MAX_HELD_BYTES = 16 * 1024 * 1024;
const MAX_HELD_BYTES_OF_ONE = 1024 * 1024;

/** Of all copies of a proxy. */
export class MirrorCounts {
  active = 0;
  heldBytes = 0;
  givenUp = 0;
}

/** What is copied, and what its event tells of it. */
export interface Original {
  readonly message: RequestMessage;
  readonly down: Pick<ClientStream, 'info' | 'self' | 'version'>;
  readonly ids: RequestIds | undefined;
  readonly route: Route;
}

const copyOf = (message: RequestMessage): RequestMessage => {
  const copy = Object.assign(new RequestMessage(), message);
  copy.headers = [...message.headers];
  copy.expectContinue = false;
  return copy;
};

/** Undefined where too many are under way. A protocol that is switched to can't be copied. */
export const openMirrored = (
  context: ProxyContext,
  { cluster: find, direction }: Pick<PreparedHttp, 'cluster' | 'direction'>,
  to: string,
  hasBody: boolean,
  original: Original,
): RequestTap | undefined => {
  const cluster = find(to);
  const { mirrors } = context.stats;
  if (!cluster || original.message.upgrade !== '') return undefined;
  if (mirrors.active >= MAX_COPIES || mirrors.heldBytes >= MAX_HELD_BYTES) {
    mirrors.givenUp++;
    return undefined;
  }
  const copy = new MirroredRequest(context, cluster, direction, hasBody, original);
  copy.start();
  return copy;
};

class MirroredRequest implements RequestTap, UpstreamUser, AttemptOwner {
  readonly isHead: boolean;
  readonly #context: ProxyContext;
  readonly #original: Original;
  readonly #direction: Listener['direction'];
  readonly #hasBody: boolean;
  readonly #message: RequestMessage;
  readonly #attempts: Attempts;
  readonly #deadline: Deadline;
  readonly #startMs: number;
  readonly #startedAt: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #requestDone: boolean;
  #trailers: readonly string[] | undefined;
  #sent = 0;
  #received = 0;
  #status = 0;
  #flags: readonly string[] = [];
  #answerDone = false;
  #over = false;

  constructor(
    context: ProxyContext,
    cluster: ClusterState,
    direction: Listener['direction'],
    hasBody: boolean,
    original: Original,
  ) {
    this.#context = context;
    this.#original = original;
    this.#message = copyOf(original.message);
    this.isHead = this.#message.method === 'HEAD';
    this.#direction = direction;
    this.#hasBody = hasBody;
    this.#requestDone = !hasBody;
    this.#attempts = new Attempts(context, cluster, undefined, this);
    this.#deadline = new Deadline(() => this.#give('UT'));
    this.#startMs = context.clock.now();
    this.#startedAt = context.deadlines.now();
    context.stats.mirrors.active++;
  }

  start(): void {
    const { deadlines, limits } = this.#context;
    const { action } = this.#original.route;
    const timeoutMs = action.type === 'forward' ? action.timeoutMs : undefined;
    deadlines.set(this.#deadline, this.#startedAt + (timeoutMs || limits.stallTimeoutMs));
    this.#attempts.start();
  }

  // --- the request

  body(bytes: Buffer): void {
    if (this.#over) return;
    const { stream } = this.#attempts;
    if (stream && !stream.blocked && this.#held.length === 0) {
      this.#write(stream, bytes);
      stream.flush();
    } else this.#hold(bytes);
  }

  #write(stream: UpstreamStream, bytes: Buffer): void {
    this.#sent += bytes.length;
    stream.body(undefined, bytes, 0, bytes.length);
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const { mirrors } = this.#context.stats;
    mirrors.heldBytes += bytes.length;
    if (this.#heldBytes > MAX_HELD_BYTES_OF_ONE || mirrors.heldBytes > MAX_HELD_BYTES) this.#give('UO');
  }

  #writeHeld(stream: UpstreamStream): void {
    const held = this.#held;
    this.#forgetHeld();
    for (const bytes of held) this.#write(stream, bytes);
    if (this.#requestDone) stream.end(this.#trailers);
    stream.flush();
  }

  #forgetHeld(): void {
    this.#context.stats.mirrors.heldBytes -= this.#heldBytes;
    this.#held = [];
    this.#heldBytes = 0;
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#over || this.#requestDone) return;
    this.#requestDone = true;
    this.#trailers = trailers;
    const { stream } = this.#attempts;
    if (stream && this.#held.length === 0) stream.end(trailers);
  }

  abort(): void {
    this.#give('DC');
  }

  // --- the attempt

  get origin(): ConnectionInfo {
    return this.#original.down.info;
  }

  get version(): 'http1' | 'http2' {
    return this.#original.down.version;
  }

  onReady(stream: UpstreamStream): void {
    this.#message.scheme ||= this.#original.down.info.tls === 'none' ? 'http' : 'https';
    stream.begin(this, this.#message, !this.#hasBody);
    this.#writeHeld(stream);
  }

  onGivenUp(_status: number, _reason: string, flag: string): void {
    this.#give(flag);
  }

  // --- the answer, of which only the status counts

  onInterim(): void {}

  onAnswer(message: ResponseMessage): void {
    this.#status = message.status;
  }

  onBody(_buffer: Buffer, start: number, end: number): void {
    this.#received += end - start;
  }

  onBodyEnd(): void {
    this.#answerDone = this.#status > 0;
  }

  onReadDone(): void {
    if (!this.#over && this.#answerDone) this.#finish();
  }

  onUpstreamDrain(): void {
    const { stream } = this.#attempts;
    if (!this.#over && stream && this.#held.length > 0) this.#writeHeld(stream);
  }

  onBadAnswer(): void {
    this.#give('UPE');
  }

  onUpstreamGone(): void {
    this.#give('UC');
  }

  onSwitch(_message: ResponseMessage, wire: Wire): void {
    wire.destroy();
    this.#give('UPE');
  }

  #give(flag: string): void {
    if (this.#over) return;
    this.#context.stats.mirrors.givenUp++;
    this.#flags = [flag];
    this.#answerDone = false;
    this.#finish();
  }

  #finish(): void {
    const context = this.#context;
    const attempts = this.#attempts;
    this.#over = true;
    this.#forgetHeld();
    context.stats.mirrors.active--;
    context.deadlines.remove(this.#deadline);
    attempts.stop(this.#answerDone && this.#requestDone);
    attempts.ended(this.#status, this.#flags);
    const { down, route, ids } = this.#original;
    const { cluster } = attempts.cluster;
    context.onEvent(
      makeEvent(context, down.self.get(context), {
        startMs: this.#startMs,
        durationMs: context.deadlines.now() - this.#startedAt,
        direction: this.#direction,
        info: down.info,
        service: cluster.service,
        endpoint: attempts.endpoint?.endpoint,
        cluster: cluster.name,
        route: route.name,
        bytesReceived: this.#sent,
        bytesSent: this.#received,
        flags: this.#flags,
        attempts: attempts.count,
        policy: undefined,
        http: httpPart(this.#message, this.#message.method, this.#status, ids, undefined),
      }),
    );
  }
}
