// HBONE's server: one HTTP/2 connection of a peer, whose CONNECT streams are connections to ports of the workload, each taken
// by the chains of its port as if it had come by itself. Made by listener.ts.
import { isIPv6 } from 'node:net';
import { parseHostPort } from '../../lib/host-port.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { ClientConnection } from '../downstream/client-stream.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';
import { Downstream } from '../downstream/downstream.ts';
import { tellRefusal } from '../downstream/refused.ts';
import type { SelfPeer } from '../events.ts';
import { localAnswerMessage } from '../exchange/local-answer.ts';
import { Refusal, type RequestMessage, ResponseMessage } from '../http1/head.ts';
import { Http2Connection } from '../http2/connection.ts';
import type { Http2Owner, Http2Stream, Http2StreamUser } from '../http2/contract.ts';
import { NO_ERROR } from '../http2/frames.ts';
import type { ChainRef, LiveChain, PreparedHbone } from '../listen/chain.ts';
import { chooseChain } from '../listen/choose-chain.ts';
import { isHttpBytes } from '../listen/http-bytes.ts';
import { TcpSession, tcpPlan } from '../tcp.ts';
import { StreamWire } from '../wires/stream-wire.ts';
import { NOBODY, type Wire, type WireUser } from '../wires/wire.ts';

export class HboneServer implements ClientConnection, Http2Owner {
  readonly info: ConnectionInfo;
  readonly self: SelfPeer;
  /** What speaks HTTP inside the streams. */
  readonly inner = new Set<ClientConnection>();
  readonly #context: ProxyContext;
  readonly #chain: ChainRef;
  readonly #connection: Http2Connection;
  readonly #idleDeadline = new Deadline(() => this.#onIdleTooLong());

  constructor(context: ProxyContext, wire: Wire, chain: ChainRef, info: ConnectionInfo, self: SelfPeer) {
    this.#context = context;
    this.#chain = chain;
    this.info = info;
    this.self = self;
    this.#connection = new Http2Connection(wire, context, 'server', this);
    wire.user = this.#connection;
  }

  start(early: Buffer | undefined): void {
    const { http2 } = this.#counts;
    http2.connections++;
    http2.activeConnections++;
    this.#connection.start();
    this.onIdle();
    if (early) this.#connection.onData(early, 0, early.length);
  }

  get hbone(): PreparedHbone {
    return this.#chain.current as PreparedHbone;
  }

  get #counts() {
    return this.#context.stats.by[this.hbone.direction];
  }

  get idle(): boolean {
    return this.#connection.activeStreams === 0;
  }

  closeIdle(): void {
    this.#connection.goAway();
    for (const inner of this.inner) inner.closeIdle();
  }

  onRequest(stream: Http2Stream, message: RequestMessage, end: boolean): Http2StreamUser {
    this.#context.deadlines.clear(this.#idleDeadline);
    this.#counts.http2.requests++;
    return new HboneStream(this.#context, this, stream, message, end);
  }

  onRefused(refusal: Refusal): void {
    tellRefusal(this.#context, this, { direction: this.hbone.direction, handler: {} }, refusal, undefined, 'DPE');
  }

  streamDone(): void {
    if (this.#context.draining || this.#chain.gone) this.#connection.goAway();
  }

  onReset(): void {
    this.#counts.http2.resetByClient++;
  }

  onIdle(): void {
    const { deadlines } = this.#context;
    deadlines.set(this.#idleDeadline, deadlines.now() + this.hbone.handler.idleTimeoutMs);
  }

  onGoingAway(): void {}

  onMoreStreams(): void {}

  #onIdleTooLong(): void {
    this.#counts.limits.idleConnections++;
    this.#connection.goAway();
  }

  onClosed(): void {
    this.#counts.http2.activeConnections--;
    this.#context.deadlines.remove(this.#idleDeadline);
  }
}

class HboneStream implements Http2StreamUser {
  readonly #context: ProxyContext;
  readonly #owner: HboneServer;
  readonly #stream: Http2Stream;
  readonly #wire: StreamWire;

  constructor(context: ProxyContext, owner: HboneServer, stream: Http2Stream, message: RequestMessage, end: boolean) {
    this.#context = context;
    this.#owner = owner;
    this.#stream = stream;
    this.#wire = new StreamWire(stream);
    this.#wire.onClosed = () => owner.streamDone();
    const found = findPort(owner.hbone, message);
    if (found instanceof Refusal) this.#refuse(found, message);
    else this.#take(found);
    if (end) this.#wire.onBodyEnd();
  }

  #take({ chains, address, port }: Found): void {
    const info = { ...this.#owner.info, localAddress: address, localPort: port };
    const live = chooseChain(chains, PLAIN);
    if (!live) {
      this.#answer(503, 'the port can not be served');
      return;
    }
    if (!live.chain.match.protocol) {
      this.#start(live, info);
      return;
    }
    // What is spoken shows only when the peer may send.
    this.#establish();
    this.#look(live, chooseChain(chains, { ...PLAIN, isHttp: false }), info, undefined);
  }

  #look(http: LiveChain, other: LiveChain | undefined, info: ConnectionInfo, early: Buffer | undefined): void {
    new FirstWord(this.#context, this.#wire, early, (isHttp, bytes) => {
      const chosen = isHttp ? http : other;
      const current = chosen?.ref.current;
      if (!chosen || !current) this.#wire.destroy();
      else if (current.type !== 'tcp') this.#speakHttp(chosen.ref, info, bytes);
      else {
        // Who was silent may still turn out to speak HTTP, whose policies then count.
        const onClientFirst = (first: Buffer) => this.#look(http, other, info, first);
        const plan = { ...tcpPlan(current), ...(!bytes && !this.#wire.ended && { onClientFirst }) };
        new TcpSession(this.#context, this.#wire, info, this.#owner.self, plan, bytes).start();
      }
    });
  }

  /** A TCP session answers CONNECT itself, when it has its endpoint. */
  #start({ ref }: LiveChain, info: ConnectionInfo): void {
    const { current } = ref;
    if (current.type !== 'tcp') {
      this.#establish();
      this.#speakHttp(ref, info, undefined);
      return;
    }
    const plan = {
      ...tcpPlan(current),
      onReady: () => this.#establish(),
      onRefused: (status: number, reason: string) => this.#answer(status, reason),
    };
    new TcpSession(this.#context, this.#wire, info, this.#owner.self, plan).start();
  }

  #speakHttp(ref: ChainRef, info: ConnectionInfo, bytes: Buffer | undefined): void {
    const { inner } = this.#owner;
    const connection = new Downstream(this.#context, this.#wire, ref, info, this.#owner.self, true);
    inner.add(connection);
    this.#wire.onClosed = () => {
      inner.delete(connection);
      this.#owner.streamDone();
    };
    this.#wire.user = connection;
    if (bytes) connection.onData(bytes, 0, bytes.length);
    this.#wire.resume();
  }

  #establish(): void {
    const answer = new ResponseMessage();
    answer.status = 200;
    this.#stream.answer(answer, false);
  }

  #refuse(refusal: Refusal, message: RequestMessage): void {
    const { direction } = this.#owner.hbone;
    const flag = refusal.status === 404 ? 'NR' : 'DPE';
    tellRefusal(this.#context, this.#owner, { direction, handler: {} }, refusal, message, flag);
    this.#answer(refusal.status, refusal.reason);
  }

  #answer(status: number, reason: string): void {
    this.#wire.user = NOBODY;
    if (this.#stream.closed) return;
    const nowMs = this.#context.clock.now();
    const local = { status, body: `${reason}\n`, headers: [], close: false, isHead: false, nowMs };
    const { message, body } = localAnswerMessage(local);
    this.#stream.answer(message, body === undefined);
    if (body) this.#wire.writeBuffer(body);
    this.#wire.end();
    if (!this.#stream.closed) this.#stream.reset(NO_ERROR);
    this.#owner.streamDone();
  }

  // --- of the stream

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#wire.onBody(buffer, start, end);
  }

  onBodyEnd(): void {
    this.#wire.onBodyEnd();
  }

  onReadDone(): void {}

  onDrain(): void {
    this.#wire.onDrain();
  }

  onReset(code: number): void {
    this.#owner.onReset();
    this.#wire.onReset(code);
  }
}

const PLAIN = { transport: 'plain', serverName: '' } as const;

interface Found {
  readonly address: string;
  readonly port: number;
  readonly chains: readonly LiveChain[];
}

const plainHost = (host: string): string => (isIPv6(host) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host);

const findPort = ({ handler, ports }: PreparedHbone, message: RequestMessage): Found | Refusal => {
  if (message.method !== 'CONNECT') return new Refusal(405, 'only CONNECT is taken here');
  if (message.protocol !== '') return new Refusal(501, `the protocol ${message.protocol} is not supported`);
  if (message.contentLength >= 0) return new Refusal(400, 'CONNECT has no body');
  const target = parseHostPort(message.host);
  const address = target && plainHost(target.host);
  if (!address || !handler.addresses.some((own) => plainHost(own) === address))
    return new Refusal(400, `${message.host} is not the workload of this proxy`);
  const chains = ports.get(target.port);
  return chains
    ? { address, port: target.port, chains }
    : new Refusal(404, `the workload has no port ${target.port} in the mesh`);
};

/** Waits for what the peer says first; without bytes where it says nothing. */
class FirstWord implements WireUser {
  readonly #wire: Wire;
  readonly #context: ProxyContext;
  readonly #decide: (isHttp: boolean, bytes: Buffer | undefined) => void;
  readonly #deadline = new Deadline(() => this.#done(false));
  #bytes: Buffer | undefined;

  constructor(
    context: ProxyContext,
    wire: Wire,
    early: Buffer | undefined,
    decide: (isHttp: boolean, bytes: Buffer | undefined) => void,
  ) {
    this.#context = context;
    this.#wire = wire;
    this.#decide = decide;
    context.deadlines.set(this.#deadline, context.deadlines.now() + context.limits.detectionTimeoutMs);
    wire.user = this;
    wire.resume();
    if (early) this.onData(early, 0, early.length);
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const { deadlines, limits } = this.#context;
    const bytes = buffer.subarray(start, end);
    if (this.#bytes) this.#bytes = Buffer.concat([this.#bytes, bytes]);
    else {
      this.#bytes = Buffer.from(bytes);
      deadlines.set(this.#deadline, deadlines.now() + limits.handshakeTimeoutMs);
    }
    const isHttp = isHttpBytes(this.#bytes);
    if (isHttp !== undefined) this.#done(isHttp);
  }

  #done(isHttp: boolean): void {
    this.#context.deadlines.remove(this.#deadline);
    this.#wire.user = NOBODY;
    this.#decide(isHttp, this.#bytes);
  }

  onEnd(): void {
    this.#done(false);
  }

  onDrain(): void {}

  onClose(): void {
    this.#context.deadlines.remove(this.#deadline);
  }
}
