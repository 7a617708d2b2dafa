// One client of a UDP listener: its own socket to an endpoint, datagrams both ways, one event. Called by udp/listener.ts.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { systemCode } from '../../lib/errors.ts';
import { hashText } from '../../lib/hash.ts';
import { INVALID_CLUSTER } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';
import { makeEvent, type SelfPeer } from '../events.ts';
import type { PreparedUdp } from '../listen/chain.ts';
import { NO_HASH } from '../upstream/balancer.ts';
import type { ClusterState } from '../upstream/clusters.ts';
import type { PoolEndpoint } from '../upstream/pool.ts';

export interface UdpSessionOwner {
  /** The present one; a shorter one while its listener drains. */
  readonly idleTimeoutMs: number;
  /** Sends to the client. */
  answer(message: Buffer): void;
  /** Called once; `refused`: it never had an endpoint. False: nobody is to be told. */
  ended(refused: boolean): boolean;
}

const MAX_ATTEMPTS = 4;
/** Datagrams that wait for the name of an endpoint, and bytes that wait to be sent: more are lost, as on a full line. */
const MAX_EARLY = 16;
const MAX_EARLY_BYTES = 131_072;
export const MAX_QUEUED_BYTES = 1_048_576;

export class UdpSession {
  readonly #context: ProxyContext;
  readonly #self: SelfPeer;
  readonly #info: ConnectionInfo;
  readonly #prepared: PreparedUdp;
  readonly #owner: UdpSessionOwner;
  readonly #startMs: number;
  readonly #started: number;
  readonly #deadline = new Deadline(() => this.end());
  readonly #flags = new Set<string>();
  readonly #tried = new Set<PoolEndpoint>();
  #early: Buffer[] | undefined = [];
  #earlyBytes = 0;
  #clusterName = '';
  #cluster: ClusterState | undefined;
  #endpoint: PoolEndpoint | undefined;
  #socket: Socket | undefined;
  #received = 0;
  #sent = 0;
  #attempts = 0;
  #over = false;

  constructor(
    context: ProxyContext,
    self: SelfPeer,
    info: ConnectionInfo,
    prepared: PreparedUdp,
    owner: UdpSessionOwner,
  ) {
    this.#context = context;
    this.#self = self;
    this.#info = info;
    this.#prepared = prepared;
    this.#owner = owner;
    this.#startMs = context.clock.now();
    this.#started = context.deadlines.now();
  }

  start(): void {
    this.touch();
    const picked = this.#prepared.pick();
    const cluster = picked && picked.cluster !== INVALID_CLUSTER ? this.#prepared.cluster(picked.cluster) : undefined;
    if (!picked || !cluster) {
      this.end('NC');
      return;
    }
    this.#clusterName = picked.cluster;
    this.#cluster = cluster;
    cluster.began();
    const { resolving } = cluster;
    if (resolving) void resolving.then(() => this.#choose());
    else this.#choose();
  }

  /** Moves its end: something came, or the idle timeout is another. */
  touch(): void {
    const { deadlines } = this.#context;
    deadlines.set(this.#deadline, deadlines.now() + this.#owner.idleTimeoutMs);
  }

  /** From the client. */
  send(message: Buffer): void {
    this.touch();
    this.#received += message.length;
    if (this.#endpoint && !this.#isCurrent()) this.#move();
    if (this.#over) return;
    if (this.#early) {
      const full = this.#early.length >= MAX_EARLY || this.#earlyBytes + message.length > MAX_EARLY_BYTES;
      if (full) return;
      this.#early.push(message);
      this.#earlyBytes += message.length;
    } else if (this.#socket!.getSendQueueSize() < MAX_QUEUED_BYTES) this.#socket!.send(message);
  }

  /** Its endpoint is still one to send to. */
  #isCurrent(): boolean {
    const { gone, endpoint, available } = this.#endpoint!;
    return (
      !gone &&
      (endpoint.health === 'draining' || available) &&
      this.#prepared.cluster(this.#clusterName) === this.#cluster
    );
  }

  #hash({ balancer }: ClusterState): number {
    return balancer.hashes ? hashText(this.#info.peerAddress) : NO_HASH;
  }

  /** To another endpoint of the same cluster; it stays where nothing better is. The cluster is gone: it ends. */
  #move(): void {
    const cluster = this.#prepared.cluster(this.#clusterName);
    if (!cluster) {
      this.end();
      return;
    }
    const best = cluster.balancer.pick(undefined, this.#hash(cluster));
    if (
      best &&
      !best.available &&
      best.endpoint.health !== 'draining' &&
      cluster === this.#cluster &&
      !this.#endpoint!.gone
    )
      return;
    this.#leave();
    this.#cluster = cluster;
    this.#tried.clear();
    this.#choose();
  }

  #choose(): void {
    if (this.#over) return;
    const cluster = this.#cluster!;
    const state = cluster.balancer.pick(this.#tried, this.#hash(cluster));
    if (!state) this.end('UH');
    else if (state.active >= cluster.cluster.maxConnections) this.end('UO');
    else this.#open(cluster, state);
  }

  #open(cluster: ClusterState, state: PoolEndpoint): void {
    const { address, port } = state.endpoint;
    this.#endpoint = state;
    this.#tried.add(state);
    this.#attempts++;
    this.#early ??= [];
    state.active++;
    state.total++;
    cluster.attempts++;
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    this.#socket = socket;
    let from = '';
    // Connected: from here on the system passes on what this endpoint sends, and nothing of anybody else.
    socket.once('connect', () => {
      if (this.#socket !== socket) return;
      from = socket.remoteAddress().address;
      const early = this.#early!;
      this.#early = undefined;
      this.#earlyBytes = 0;
      for (const message of early) socket.send(message);
    });
    socket.on('message', (message, sender) => {
      // What came before was anybody's.
      if (sender.port !== port || sender.address !== from) return;
      this.touch();
      this.#sent += message.length;
      this.#owner.answer(message);
    });
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#failed(error);
    });
    try {
      socket.connect(port, address);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** ICMP says that nobody is there, or the system can't send: what was sent is lost, what follows may reach another. */
  #failed(error: Error): void {
    const cluster = this.#cluster!;
    // The datagram alone was too large for the line.
    if (systemCode(error) === 'EMSGSIZE') return;
    cluster.failures++;
    this.#flags.add('UF');
    this.#context.log.debug('an endpoint can not be reached over UDP', { cluster: this.#clusterName, error });
    const others = cluster.balancer.endpoints.some((other) => !this.#tried.has(other));
    if (others && this.#tried.size < MAX_ATTEMPTS) {
      this.#leave();
      this.#choose();
    } else if (this.#early) this.end();
  }

  #leave(): void {
    if (this.#endpoint) this.#endpoint.active--;
    this.#endpoint = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.removeAllListeners('message');
    socket.close();
  }

  end(flag?: string): void {
    if (this.#over) return;
    this.#over = true;
    if (flag !== undefined) this.#flags.add(flag);
    this.#context.deadlines.remove(this.#deadline);
    const endpoint = this.#endpoint?.endpoint;
    this.#leave();
    if (!this.#owner.ended(this.#attempts === 0)) return;
    const { direction, handler } = this.#prepared;
    this.#context.onEvent(
      makeEvent(this.#context, this.#self.get(this.#context), {
        protocol: 'udp',
        startMs: this.#startMs,
        durationMs: this.#context.deadlines.now() - this.#started,
        direction,
        info: this.#info,
        service: handler.service ?? this.#cluster?.cluster.service,
        endpoint,
        cluster: this.#clusterName || undefined,
        route: undefined,
        bytesReceived: this.#received,
        bytesSent: this.#sent,
        flags: [...this.#flags],
        attempts: this.#attempts,
        policy: undefined,
        http: undefined,
      }),
    );
  }
}
