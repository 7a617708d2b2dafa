// What filters ask of others while a request waits: its whole body, and requests of their own. Made by filter-run.ts.
import type { AsideAnswer, AsideRequest, RequestOrigin } from '../../filters/filter.ts';
import type { ProxyContext } from '../context.ts';
import type { ClientStream } from '../downstream/client-stream.ts';
import { type RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { PreparedHttp } from '../listen/chain.ts';
import { AskedRequest } from './asked.ts';
import type { ReceivedRequest } from './received-request.ts';

/** Of all bodies that filters wait for, in a proxy. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Of a proxy. */
export class AsideCounts {
  heldBytes = 0;
}

/** The request that waits. */
export interface WaitingRequest {
  readonly message: RequestMessage;
  readonly down: ClientStream;
  readonly requestId: string;
  readonly received: ReceivedRequest;
  readonly cluster: PreparedHttp['cluster'];
}

export class FilterAsides {
  readonly #context: ProxyContext;
  readonly #waiting: WaitingRequest;
  #asked: AskedRequest | undefined;
  #heldBytes = 0;
  #over = false;

  constructor(context: ProxyContext, waiting: WaitingRequest) {
    this.#context = context;
    this.#waiting = waiting;
  }

  get origin(): RequestOrigin {
    const { message, down, requestId } = this.#waiting;
    const { info, version } = down;
    const { peerAddress, peerPort, localAddress, localPort, peer, sni, tls } = info;
    return {
      scheme: tls === 'none' ? 'http' : 'https',
      protocol: version === 'http2' ? 'HTTP/2' : message.old ? 'HTTP/1.0' : 'HTTP/1.1',
      requestId,
      peerAddress,
      peerPort,
      localAddress,
      localPort,
      identity: peer?.spiffeId,
      sni,
    };
  }

  async body(maxBytes: number): Promise<Buffer | 'too-large' | 'too-many'> {
    const { message, down, received } = this.#waiting;
    const { stats } = this.#context;
    if (message.contentLength > maxBytes) return 'too-large';
    const most = received.hasBody && message.contentLength < 0 ? maxBytes : Math.max(0, message.contentLength);
    if (stats.asides.heldBytes + most > MAX_HELD_BYTES) return 'too-many';
    stats.asides.heldBytes += most;
    this.#heldBytes += most;
    const whole = received.whole(maxBytes);
    if (!received.done) this.#wantBody(message, down);
    return (await whole) ?? 'too-large';
  }

  #wantBody(message: RequestMessage, down: ClientStream): void {
    if (message.expectContinue) {
      const interim = new ResponseMessage();
      interim.status = 100;
      down.interim(interim);
      down.flush();
      message.expectContinue = false;
    }
    down.wantBody();
  }

  ask(request: AsideRequest): Promise<AsideAnswer | undefined> {
    const cluster = this.#over ? undefined : this.#waiting.cluster(request.cluster);
    if (!cluster) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#asked = new AskedRequest(this.#context, cluster, request, this.#waiting.down.info, resolve);
      this.#asked.start();
    });
  }

  /** The request is over. */
  end(): void {
    this.#over = true;
    this.#asked?.cancel();
    this.#context.stats.asides.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }
}
