// Asks one endpoint once how it is: by HTTP, gRPC's health protocol, or bytes; the way requests go, with connections of its
// own. Called by health-checks.ts.
import { bytesField, numberOf, readFields } from '../../lib/protobuf.ts';
import type { HealthProbe } from '../../model/balancing.ts';
import type { Cluster } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { readGrpcStatus } from '../grpc/status.ts';
import { RequestMessage, type ResponseMessage } from '../http1/head.ts';
import type { Wire, WireUser } from '../wires/wire.ts';
import { type EndpointPool, Http1Pool, type PoolEndpoint, type Waiter } from './pool.ts';
import { Http2Pool } from './pool-http2.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

/** `refused`: it answers that it is not well. */
export type ProbeResult = 'passed' | 'failed' | 'refused';

export interface Prober {
  /** `tell` is called once, unless the returned function is called before. */
  ask(probe: HealthProbe, tell: (result: ProbeResult) => void): () => void;
  /** How it is reached has changed. */
  update(cluster: Cluster): void;
  close(): void;
}

/** Read of an answer's body or of a TCP stream; what is looked for must stand in it. */
const MAX_BYTES = 65_536;
const SERVING = 1;

type Tell = (result: ProbeResult) => void;

/** The bytes that came, up to a bound. */
class Received {
  readonly #pieces: Buffer[] = [];
  #length = 0;

  add(buffer: Buffer, start: number, end: number): void {
    const room = Math.min(end, start + MAX_BYTES - this.#length);
    if (room <= start) return;
    this.#pieces.push(Buffer.from(buffer.subarray(start, room)));
    this.#length += room - start;
  }

  get full(): boolean {
    return this.#length >= MAX_BYTES;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

const requestOf = (probe: HealthProbe & { type: 'http' | 'grpc' }, cluster: Cluster, body: Buffer): RequestMessage => {
  const message = new RequestMessage();
  message.scheme = cluster.tls.mode === 'none' ? 'http' : 'https';
  const { tls, service } = cluster;
  const host = service?.name ?? (tls.mode === 'simple' ? tls.sni : 'health-check');
  message.host = probe.type === 'http' ? (probe.host ?? host) : host;
  if (probe.type === 'http') {
    const [path = '/', query = ''] = probe.path.split(/\?(.*)/s);
    message.method = probe.method;
    message.path = path;
    message.query = query;
    message.headers = ['user-agent', 'weft/health-check'];
    return message;
  }
  message.method = 'POST';
  message.path = '/grpc.health.v1.Health/Check';
  message.teTrailers = true;
  message.contentLength = body.length;
  message.headers = ['content-type', 'application/grpc', 'user-agent', 'weft/health-check'];
  return message;
};

/** One request and its answer. */
class HttpAsk implements Waiter, UpstreamUser {
  readonly isHead: boolean;
  readonly #probe: HealthProbe & { type: 'http' | 'grpc' };
  readonly #message: RequestMessage;
  readonly #body: Buffer;
  readonly #received = new Received();
  #tell: Tell | undefined;
  #stream: UpstreamStream | undefined;
  #status = 0;
  #grpcStatus: number | undefined;
  #ended = false;

  constructor(probe: HealthProbe & { type: 'http' | 'grpc' }, cluster: Cluster, tell: Tell) {
    this.#probe = probe;
    this.#tell = tell;
    this.#body = probe.type === 'grpc' ? frame(bytesField(1, probe.service)) : Buffer.alloc(0);
    this.#message = requestOf(probe, cluster, this.#body);
    this.isHead = this.#message.method === 'HEAD';
  }

  onStream(stream: UpstreamStream): void {
    this.#stream = stream;
    const isEmpty = this.#body.length === 0;
    stream.begin(this, this.#message, isEmpty);
    if (!isEmpty) stream.body(undefined, this.#body, 0, this.#body.length);
    stream.end(undefined);
  }

  onNoStream(): void {
    this.#end('failed');
  }

  onInterim(): void {}

  onSwitch(_message: ResponseMessage, wire: Wire): void {
    wire.destroy();
    this.#end('refused');
  }

  onAnswer(message: ResponseMessage): void {
    this.#status = message.status;
    this.#grpcStatus = readGrpcStatus(message.headers);
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#received.add(buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    if (trailers) this.#grpcStatus ??= readGrpcStatus(trailers);
    this.#ended = true;
  }

  onReadDone(): void {
    if (!this.#tell) return;
    if (this.#ended) {
      const stream = this.#stream;
      this.#stream = undefined;
      stream?.finish(true);
      this.#end(this.#isGood() ? 'passed' : 'refused');
    } else if (this.#received.full) this.#end(this.#isGood() ? 'passed' : 'refused');
  }

  #isGood(): boolean {
    const probe = this.#probe;
    const { bytes } = this.#received;
    if (probe.type === 'grpc') return this.#status === 200 && this.#grpcStatus === 0 && isServing(bytes);
    if (!probe.statuses.includes(this.#status)) return false;
    return probe.receive === undefined || bytes.includes(Buffer.from(probe.receive, 'base64'));
  }

  onUpstreamDrain(): void {}

  onBadAnswer(): void {
    this.#stream = undefined;
    this.#end('failed');
  }

  onUpstreamGone(): void {
    this.#end('failed');
  }

  #end(result: ProbeResult): void {
    const tell = this.#tell;
    this.stop();
    tell?.(result);
  }

  stop(): void {
    this.#tell = undefined;
    this.#stream?.drop();
    this.#stream = undefined;
  }
}

const frame = (message: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

const isServing = (bytes: Buffer): boolean => {
  if (bytes.length < 5 || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) return false;
  try {
    const status = readFields(bytes.subarray(5)).find(({ number }) => number === 1);
    return status !== undefined && numberOf(status) === SERVING;
  } catch {
    return false;
  }
};

/** Bytes to and fro; the connection ends with it. */
const askTcp = (
  context: ProxyContext,
  { endpoint }: PoolEndpoint,
  cluster: Cluster,
  { send, receive }: HealthProbe & { type: 'tcp' },
  tell: Tell,
): (() => void) => {
  const received = new Received();
  const wanted = receive === undefined ? undefined : Buffer.from(receive, 'base64');
  let wire: Wire | undefined;
  let over = false;
  const stop = () => {
    over = true;
    cancel?.();
    wire?.destroy();
  };
  const end = (result: ProbeResult) => {
    if (over) return;
    stop();
    tell(result);
  };
  const user: WireUser = {
    onData(buffer, from, to) {
      received.add(buffer, from, to);
      if (wanted && received.bytes.includes(wanted)) end('passed');
      else if (received.full) end('refused');
    },
    onEnd: () => end('failed'),
    onDrain: () => {},
    onClose: () => end('failed'),
  };
  let cancel: (() => void) | undefined;
  cancel = context.dialer.dial(endpoint, cluster, { origin: undefined }, user, {
    onConnected(opened) {
      cancel = undefined;
      wire = opened;
      wire.user = user;
      if (send !== undefined) wire.writeBuffer(Buffer.from(send, 'base64'));
      if (wanted) wire.resume();
      else end('passed');
    },
    onFailed() {
      cancel = undefined;
      end('failed');
    },
  });
  return stop;
};

class EndpointProber implements Prober {
  readonly #context: ProxyContext;
  readonly #state: PoolEndpoint;
  #cluster: Cluster;
  #pool: EndpointPool | undefined;
  #isHttp2 = false;

  constructor(context: ProxyContext, state: PoolEndpoint, cluster: Cluster) {
    this.#context = context;
    this.#state = state;
    this.#cluster = cluster;
  }

  ask(probe: HealthProbe, tell: Tell): () => void {
    if (probe.type === 'tcp') return askTcp(this.#context, this.#state, this.#cluster, probe, tell);
    const ask = new HttpAsk(probe, this.#cluster, tell);
    const pool = this.#poolFor(probe.type === 'grpc' || this.#cluster.protocol === 'http2');
    pool.acquire(ask, false);
    return () => {
      pool.cancel(ask);
      ask.stop();
    };
  }

  #poolFor(isHttp2: boolean): EndpointPool {
    if (this.#pool && this.#isHttp2 === isHttp2) return this.#pool;
    this.close();
    this.#isHttp2 = isHttp2;
    this.#pool = new (isHttp2 ? Http2Pool : Http1Pool)(this.#context, this.#state, this.#cluster);
    return this.#pool;
  }

  update(cluster: Cluster): void {
    if (cluster !== this.#cluster) this.close();
    this.#cluster = cluster;
  }

  close(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }
}

export const openProber = (context: ProxyContext, state: PoolEndpoint, cluster: Cluster): Prober =>
  new EndpointProber(context, state, cluster);
