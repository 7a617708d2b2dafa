// One bound UDP port: keeps the sessions of its clients, each with an own socket to its endpoint. Owned by proxy.ts.
// Who sends nothing gets nothing: datagrams go back to known sessions only, from the endpoint that each has.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Listener } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { plainAddress } from '../downstream/connection-info.ts';
import type { SelfPeer } from '../events.ts';
import { type Bound, type BoundAddress, bindProblem } from '../listen/bound.ts';
import type { LiveChain, PreparedUdp } from '../listen/chain.ts';
import { MAX_QUEUED_BYTES, UdpSession } from './session.ts';

/** Sessions last no longer without a datagram once their listener goes. */
const LEAVING_IDLE_MS = 1000;
/** Clients that are turned away are told of once in so long: their addresses may be invented. */
const REFUSALS_EVERY_MS = 1000;

const bind = (socket: Socket, { address, port }: Listener): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port }, () => {
      socket.off('error', reject);
      resolve();
    });
  });

export class UdpListener implements Bound {
  listener: Listener;
  readonly bound: BoundAddress;
  /** Sessions since it was bound. */
  total = 0;
  readonly overflows = 0;
  readonly #context: ProxyContext;
  readonly #self: SelfPeer;
  readonly #socket: Socket;
  readonly #sessions = new Map<string, UdpSession>();
  readonly #perSource = new Map<string, number>();
  #chains: readonly LiveChain[];
  #accepting = true;
  #leaving = false;
  #closed = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #onEmpty: (() => void)[] = [];

  private constructor(
    context: ProxyContext,
    self: SelfPeer,
    listener: Listener,
    chains: readonly LiveChain[],
    socket: Socket,
  ) {
    this.#context = context;
    this.#self = self;
    this.listener = listener;
    this.#chains = chains;
    this.#socket = socket;
    const { address, port } = socket.address();
    this.bound = { name: listener.name, address, port };
    socket.on('message', (message, from) => this.#receive(message, from));
    socket.on('error', (error) => context.log.debug('a datagram was not sent', { listener: listener.name, error }));
  }

  /** Binds it, or says why that can't be done. */
  static async open(
    context: ProxyContext,
    self: SelfPeer,
    listener: Listener,
    chains: readonly LiveChain[],
  ): Promise<UdpListener | Problem> {
    const socket = createSocket(isIPv6(listener.address) ? 'udp6' : 'udp4');
    try {
      await bind(socket, listener);
      return new UdpListener(context, self, listener, chains, socket);
    } catch (error) {
      socket.close();
      return bindProblem(listener, error);
    }
  }

  get chains(): readonly LiveChain[] {
    return this.#chains;
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Sessions go on with their cluster for as long as it exists, whatever the targets are now. */
  update(listener: Listener, chains: readonly LiveChain[]): void {
    for (const live of chains) live.ref.current = live.next;
    this.listener = listener;
    this.#chains = chains;
    for (const session of this.#sessions.values()) session.touch();
  }

  async stopAccepting(): Promise<void> {
    this.#accepting = false;
    this.#closeWhenEmpty();
  }

  retire(): Promise<void> {
    return this.stopAccepting();
  }

  closeIdle(): void {
    this.#leaving = true;
    for (const session of this.#sessions.values()) session.touch();
  }

  destroy(): void {
    this.#accepting = false;
    for (const session of [...this.#sessions.values()]) session.end();
    this.#closeWhenEmpty();
  }

  empty(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  #closeWhenEmpty(): void {
    if (this.#sessions.size > 0) return;
    for (const tell of this.#onEmpty.splice(0)) tell();
    if (this.#accepting || this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #receive(message: Buffer, from: RemoteInfo): void {
    // Node throws at who answers to it.
    if (from.port === 0) return;
    const key = `${from.address} ${from.port}`;
    const session = this.#sessions.get(key) ?? this.#begin(key, from);
    session?.send(message);
  }

  #begin(key: string, from: RemoteInfo): UdpSession | undefined {
    const prepared = this.#chains[0]?.ref.current;
    if (!this.#accepting || prepared?.type !== 'udp') return undefined;
    const { stats, limits } = this.#context;
    const ofSource = this.#perSource.get(from.address) ?? 0;
    const full = stats.udpSessions >= limits.maxUdpSessions || ofSource >= limits.maxUdpSessionsPerSource;
    const session = this.#sessionFor(key, from, prepared);
    this.#sessions.set(key, session);
    this.#perSource.set(from.address, ofSource + 1);
    stats.udpSessions++;
    this.total++;
    if (full) session.end('UO');
    else session.start();
    return this.#sessions.get(key);
  }

  #sessionFor(key: string, { address, port }: RemoteInfo, prepared: PreparedUdp): UdpSession {
    const { bound } = this;
    const info = {
      peerAddress: plainAddress(address),
      peerPort: port,
      localAddress: plainAddress(bound.address),
      localPort: bound.port,
      directAddress: plainAddress(address),
      sni: '',
      tls: 'none' as const,
      peer: undefined,
      caller: undefined,
    };
    const owner = this;
    return new UdpSession(this.#context, this.#self, info, prepared, {
      get idleTimeoutMs() {
        const { idleTimeoutMs } = owner.#current(prepared).handler;
        return owner.#leaving ? Math.min(idleTimeoutMs, LEAVING_IDLE_MS) : idleTimeoutMs;
      },
      answer: (message) => {
        if (this.#socket.getSendQueueSize() < MAX_QUEUED_BYTES) this.#socket.send(message, port, address);
      },
      ended: (refused) => this.#ended(key, address, refused),
    });
  }

  #current(old: PreparedUdp): PreparedUdp {
    const current = this.#chains[0]?.ref.current;
    return current?.type === 'udp' ? current : old;
  }

  #ended(key: string, address: string, refused: boolean): boolean {
    this.#sessions.delete(key);
    const ofSource = this.#perSource.get(address)! - 1;
    if (ofSource === 0) this.#perSource.delete(address);
    else this.#perSource.set(address, ofSource);
    this.#context.stats.udpSessions--;
    this.#closeWhenEmpty();
    if (!refused) return true;
    const now = this.#context.deadlines.recent;
    if (now - this.#toldAt < REFUSALS_EVERY_MS) return false;
    this.#toldAt = now;
    return true;
  }
}
