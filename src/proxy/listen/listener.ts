// One bound port: accepts connections and gives each to the filter chain that matches. Owned by proxy.ts.
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { TrafficEvent } from '../../model/event.ts';
import type { Problem } from '../../model/problem.ts';
import type { Listener } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import type { ClientConnection } from '../downstream/client-stream.ts';
import { type ConnectionInfo, connectionInfoOf } from '../downstream/connection-info.ts';
import { Downstream } from '../downstream/downstream.ts';
import { Http2Downstream } from '../downstream/downstream-http2.ts';
import { makeEvent, type SelfPeer } from '../events.ts';
import { HboneServer } from '../hbone/server.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import { readProxyHeader } from '../proxy-protocol/read.ts';
import { TcpSession, tcpPlan } from '../tcp.ts';
import type { HandshakeUser } from '../tls/handshakes.ts';
import { ja4Of } from '../tls/ja4.ts';
import { withReadBuffer } from '../wires/accepted-socket.ts';
import { type ReadBuffer, SocketWire } from '../wires/socket-wire.ts';
import { NOBODY, type Wire } from '../wires/wire.ts';
import { type Bound, type BoundAddress, bindProblem } from './bound.ts';
import { type ChainRef, type LiveChain, type PreparedTcp, retireChain, swapChains } from './chain.ts';
import { chooseChain, hasServerFirst, needsFirstLook } from './choose-chain.ts';
import { readFirstBytes } from './first-bytes.ts';
import { type FirstLook, sniffHttp, sniffTls } from './sniff.ts';

/** As Envoy flags what a client does wrong. */
const TLS_REFUSED: readonly string[] = ['DPE'];

const PLAIN_LOOK: FirstLook = { transport: 'plain', serverName: '' };

const BACKLOG = 1024;

export class BoundListener implements Bound {
  listener: Listener;
  readonly #context: ProxyContext;
  readonly #self: SelfPeer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #http = new Set<ClientConnection>();
  #chains: readonly LiveChain[];
  #looks: boolean;
  #serverFirst: boolean;
  /** Connections since it was bound. */
  total = 0;
  overflows = 0;
  #stopped: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  private constructor(context: ProxyContext, self: SelfPeer, listener: Listener, chains: readonly LiveChain[]) {
    this.#context = context;
    this.#self = self;
    this.listener = listener;
    this.#chains = chains;
    this.#looks = needsFirstLook(listener.chains);
    this.#serverFirst = hasServerFirst(listener.chains);
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: true, pauseOnConnect: true },
      (socket) => this.#accept(socket),
    );
  }

  /** Binds it, or says why that can't be done. */
  static async open(
    context: ProxyContext,
    self: SelfPeer,
    listener: Listener,
    chains: readonly LiveChain[],
  ): Promise<BoundListener | Problem> {
    const reusePort = context.claimPort !== undefined;
    const port = (await context.claimPort?.(listener)) ?? listener.port;
    if (typeof port !== 'number') return port;
    const bound = new BoundListener(context, self, listener, chains);
    const server = bound.#server;
    return new Promise((resolve) => {
      server.once('error', (error) => resolve(bindProblem(listener, error)));
      server.listen({ host: listener.address, port, backlog: BACKLOG, ...(reusePort && { reusePort }) }, () => {
        server.removeAllListeners('error');
        // E.g. too many open files: clients wait in the backlog, what is open goes on.
        server.on('error', (error) =>
          context.log.warn('could not accept a connection', { listener: listener.name, error }),
        );
        resolve(bound);
      });
    });
  }

  get bound(): BoundAddress {
    const address = this.#server.address();
    const { name } = this.listener;
    if (address === null || typeof address === 'string') return { name, address: this.listener.address, port: 0 };
    return { name, address: address.address, port: address.port };
  }

  get accepting(): boolean {
    return this.#server.listening;
  }

  get chains(): readonly LiveChain[] {
    return this.#chains;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The swap: connections see the new chains at their next request. */
  update(listener: Listener, chains: readonly LiveChain[]): void {
    swapChains(this.#chains, chains);
    this.listener = listener;
    this.#chains = chains;
    this.#looks = needsFirstLook(listener.chains);
    this.#serverFirst = hasServerFirst(listener.chains);
  }

  /** Takes who waits to be accepted, then closes the port; what is open goes on. Resolves when the port is free. */
  stopAccepting(): Promise<void> {
    this.#stopped ??= this.#acceptLast().then(() => this.#close());
    return this.#stopped;
  }

  /** The kernel resets connections that wait in a queue when it is closed. One is taken in each turn of the loop. */
  async #acceptLast(): Promise<void> {
    for (let turn = 0, before = -1; turn < BACKLOG && this.total !== before && this.#server.listening; turn++) {
      before = this.total;
      await setImmediate();
      await setImmediate();
    }
  }

  #close(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** It is no longer configured: what is open is finished. Resolves when the port is free. */
  retire(): Promise<void> {
    for (const live of this.#chains) retireChain(live.ref);
    return this.stopAccepting();
  }

  closeIdle(): void {
    for (const connection of this.#http) connection.closeIdle();
  }

  destroy(): void {
    this.#close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when the last connection is closed. */
  empty(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onEmpty;
      this.#onEmpty = () => {
        before?.();
        resolve();
      };
    });
  }

  #accept(accepted: Socket): void {
    accepted.on('error', () => {});
    if (this.#context.stats.connections >= this.#context.limits.maxConnections) {
      this.overflows++;
      accepted.destroy();
      return;
    }
    const { proxyProtocol } = this.listener;
    if (this.#looks || proxyProtocol) {
      this.#track(accepted);
      if (!proxyProtocol) this.#look(accepted, undefined, undefined);
      else
        readProxyHeader(this.#context, accepted, proxyProtocol, (origin, rest) => this.#look(accepted, origin, rest));
      return;
    }
    const better = withReadBuffer(accepted);
    const socket = better?.socket ?? accepted;
    this.#track(socket);
    this.#dispatch(socket, PLAIN_LOOK, undefined, undefined, better?.readBuffer);
  }

  #track(socket: Socket): void {
    const { stats } = this.#context;
    stats.connections++;
    stats.totalConnections++;
    this.total++;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      stats.connections--;
      this.#sockets.delete(socket);
      if (this.#sockets.size > 0) return;
      this.#onEmpty?.();
      this.#onEmpty = undefined;
    });
  }

  #look(socket: Socket, origin: Origin | undefined, early: Buffer | undefined): void {
    if (!this.#looks) {
      this.#dispatch(socket, PLAIN_LOOK, origin, early);
      return;
    }
    const silence = this.#silence(() => {
      const live = chooseChain(this.#chains, { ...PLAIN_LOOK, isHttp: false });
      const info = connectionInfoOf(socket, '', undefined, origin);
      this.#giveFirstWord(live, socket, info, (bytes) => this.#look(socket, origin, bytes));
    });
    sniffTls(this.#context, socket, early, silence, (look, bytes) => this.#dispatch(socket, look, origin, bytes));
  }

  #silence(onSilence: () => void) {
    return this.#serverFirst ? { afterMs: this.#context.limits.detectionTimeoutMs, onSilence } : undefined;
  }

  #dispatch(
    socket: Socket,
    look: FirstLook,
    origin: Origin | undefined,
    bytes: Buffer | undefined,
    readBuffer?: ReadBuffer,
  ): void {
    const live = this.#looks ? chooseChain(this.#chains, look) : this.#chains[0];
    if (!live || !this.#admit(live, socket)) {
      socket.destroy();
      return;
    }
    const { terminator } = live;
    if (!live.chain.tls || look.transport === 'plain') {
      const info = connectionInfoOf(socket, look.serverName, undefined, origin);
      this.#enter(live, look, socket, info, bytes, readBuffer);
      return;
    }
    if (!terminator) {
      socket.destroy();
      return;
    }
    if (bytes) socket.unshift(bytes);
    const refused = connectionInfoOf(socket, look.serverName, undefined, origin);
    const started = this.#context.deadlines.now();
    const user: HandshakeUser = {
      onSecure: (secured, peer) => {
        const info = connectionInfoOf(secured, look.serverName, peer, origin);
        this.#enter(live, look, secured, info, undefined, undefined);
      },
      onRefused: (reason) => this.#tellRefused(live, refused, started, { reason, ja4: bytes ? ja4Of(bytes) : '' }),
    };
    terminator.secure(socket, user, look.serverName);
  }

  /** Counts it where there is a limit; false: there are too many. */
  #admit({ chain: { maxConnections }, ref }: LiveChain, socket: Socket): boolean {
    if (maxConnections === undefined) return true;
    if (ref.connections >= maxConnections) {
      this.overflows++;
      return false;
    }
    ref.connections++;
    socket.once('close', () => ref.connections--);
    return true;
  }

  #tellRefused(
    { chain }: LiveChain,
    info: ConnectionInfo,
    started: number,
    tlsRefusal: NonNullable<TrafficEvent['tlsRefusal']>,
  ): void {
    const context = this.#context;
    const durationMs = context.deadlines.now() - started;
    context.onEvent(
      makeEvent(context, this.#self.get(context), {
        startMs: context.clock.now() - durationMs,
        durationMs,
        direction: this.listener.direction,
        info,
        service: chain.handler.type === 'hbone' ? undefined : chain.handler.service,
        endpoint: undefined,
        cluster: undefined,
        route: undefined,
        bytesReceived: 0,
        bytesSent: 0,
        flags: TLS_REFUSED,
        attempts: 0,
        policy: undefined,
        http: undefined,
        tlsRefusal,
      }),
    );
  }

  /** Past TLS: where nothing declares what is spoken, the first bytes say it. */
  #enter(
    live: LiveChain,
    look: FirstLook,
    socket: Socket,
    info: ConnectionInfo,
    bytes: Buffer | undefined,
    readBuffer?: ReadBuffer,
  ): void {
    // Over TLS callers may have said it before.
    if (!live.chain.match.protocol || ('alpnProtocol' in socket && socket.alpnProtocol)) {
      this.#start(live.ref, socket, info, bytes, readBuffer);
      return;
    }
    const other = chooseChain(this.#chains, { ...look, isHttp: false });
    const silence = this.#silence(() =>
      this.#giveFirstWord(other, socket, info, (early) => this.#enter(live, look, socket, info, early)),
    );
    sniffHttp(this.#context, socket, bytes, silence, (isHttp, read) => {
      const found = isHttp ? live : other;
      if (found) this.#start(found.ref, socket, info, read, undefined);
      else socket.destroy();
    });
  }

  /** To the endpoint, as the client is silent; unless it speaks before. */
  #giveFirstWord(
    live: LiveChain | undefined,
    socket: Socket,
    info: ConnectionInfo,
    onClientFirst: (bytes: Buffer) => void,
  ): void {
    const current = live?.ref.current;
    if (current?.type !== 'tcp') {
      readFirstBytes(this.#context, socket, undefined, { parse: (bytes) => bytes, onRead: onClientFirst });
      return;
    }
    this.#startTcp(current, new SocketWire(socket, NOBODY), info, undefined, onClientFirst);
  }

  #start(
    ref: ChainRef,
    socket: Socket,
    info: ConnectionInfo,
    bytes: Buffer | undefined,
    readBuffer: ReadBuffer | undefined,
  ): void {
    const wire = new SocketWire(socket, NOBODY, readBuffer);
    if (ref.current.type === 'tcp') {
      this.#startTcp(ref.current, wire, info, bytes);
      return;
    }
    const isHttp2 = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';
    const kind = ref.current.type === 'hbone' ? HboneServer : isHttp2 ? Http2Downstream : Downstream;
    const connection = new kind(this.#context, wire, ref, info, this.#self);
    this.#http.add(connection);
    socket.once('close', () => this.#http.delete(connection));
    if (!(connection instanceof Downstream)) connection.start(bytes);
    else {
      wire.user = connection;
      if (bytes) wire.receive(bytes, bytes.length);
    }
    if (!wire.paused) socket.resume();
  }

  #startTcp(
    tcp: PreparedTcp,
    wire: Wire,
    info: ConnectionInfo,
    bytes: Buffer | undefined,
    onClientFirst?: (bytes: Buffer) => void,
  ): void {
    const plan = { ...tcpPlan(tcp), onClientFirst };
    new TcpSession(this.#context, wire, info, this.#self, plan, bytes).start();
  }
}
