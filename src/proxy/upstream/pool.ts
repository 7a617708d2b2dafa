// HTTP/1.1 connections to one endpoint of one cluster: reuse, limits, the queue of those who wait. Called by attempts.ts.
import type { Cluster } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import { NOBODY, type Wire } from '../wires/wire.ts';
import type { CancelDial, DialPurpose } from './dial.ts';
import type { EndpointState } from './endpoint-state.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream.ts';
import type { UpstreamStream } from './upstream-stream.ts';

export type NoConnection = 'overflow' | 'connect' | 'timeout';

/** Who waits for a connection. */
export interface Waiter {
  /** To be begun at once. */
  onStream(stream: UpstreamStream): void;
  onNoStream(reason: NoConnection, error: Error | undefined): void;
}

/** Connections to one endpoint, whatever the version of HTTP. */
export interface EndpointPool {
  /** Connections, and those that are being made. */
  readonly open: number;
  /** Connections without a request. */
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
  /** New limits and timeouts; connections stay. */
  update(cluster: Cluster): void;
  /** Calls the waiter at once, or when there is a connection. `fresh`: one that has carried nothing yet. */
  acquire(waiter: Waiter, fresh: boolean): void;
  /** The waiter is not called any more. */
  cancel(waiter: Waiter): void;
  /** The endpoint is gone: who waits is still served, then every connection is closed. */
  drain(): void;
  close(): void;
}

export type PoolEndpoint = EndpointState<EndpointPool>;

const HINT = /(?:^|[,\s])timeout=([0-9]{1,6})/;

export class Http1Pool implements EndpointPool, ConnectionOwner {
  readonly #context: ProxyContext;
  readonly #state: PoolEndpoint;
  readonly #purpose: DialPurpose;
  #cluster: Cluster;
  readonly #idle: UpstreamConnection[] = [];
  readonly #busy = new Set<UpstreamConnection>();
  readonly #waiting: Waiter[] = [];
  readonly #dials = new Set<CancelDial>();
  readonly #idleDeadline = new Deadline(() => this.#closeOld());
  #draining = false;
  #hint = '';
  #hintMs = Number.POSITIVE_INFINITY;

  constructor(context: ProxyContext, state: PoolEndpoint, cluster: Cluster, origin?: Origin) {
    this.#purpose = { http: 'http1', origin };
    this.#context = context;
    this.#state = state;
    this.#cluster = cluster;
  }

  get open(): number {
    return this.#idle.length + this.#busy.size + this.#dials.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get idle(): number {
    return this.#idle.length;
  }

  update(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  acquire(waiter: Waiter, fresh: boolean): void {
    if (!fresh) {
      const connection = this.#takeIdle();
      if (connection) {
        this.#busy.add(connection);
        waiter.onStream(connection);
        return;
      }
    }
    const queued = this.#waiting.length - this.#dials.size;
    if (this.open >= this.#cluster.maxConnections && queued >= this.#cluster.maxPendingRequests) {
      if (!fresh || this.#idle.length === 0) {
        waiter.onNoStream('overflow', undefined);
        return;
      }
    }
    this.#waiting.push(waiter);
    if (this.open >= this.#cluster.maxConnections && this.#idle.length > 0) this.#idle[0]!.drop();
    this.#dialMore();
  }

  cancel(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  release(connection: UpstreamConnection): void {
    this.#busy.delete(connection);
    const waiter = this.#waiting.shift();
    if (waiter) {
      this.#busy.add(connection);
      waiter.onStream(connection);
      return;
    }
    if (this.#draining) {
      connection.drop();
      return;
    }
    const { deadlines } = this.#context;
    connection.idleUntil = deadlines.recent + Math.min(this.#cluster.idleTimeoutMs, this.#peerKeepsMs(connection));
    this.#idle.push(connection);
    if (this.#idleDeadline.index < 0) deadlines.set(this.#idleDeadline, connection.idleUntil);
  }

  forget(connection: UpstreamConnection): void {
    this.#busy.delete(connection);
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    // Its place is free for those who wait.
    this.#dialMore();
    this.#endWhenEmpty();
  }

  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#idle]) connection.drop();
    this.#endWhenEmpty();
  }

  close(): void {
    this.#draining = true;
    this.#waiting.length = 0;
    for (const cancel of this.#dials) cancel();
    this.#dials.clear();
    for (const connection of [...this.#idle, ...this.#busy]) connection.drop();
    this.#context.deadlines.remove(this.#idleDeadline);
  }

  #endWhenEmpty(): void {
    if (this.#draining && this.open === 0) this.#context.deadlines.remove(this.#idleDeadline);
  }

  /** The one used last: it is the least likely to be closed by the peer just now. */
  #takeIdle(): UpstreamConnection | undefined {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.usable && connection.idleUntil > this.#context.deadlines.now()) return connection;
      connection.drop();
    }
    return undefined;
  }

  /** How long the peer says that it keeps an unused connection, less a second for what is under way. */
  #peerKeepsMs(connection: UpstreamConnection): number {
    if (connection.keepAliveHint !== this.#hint) {
      this.#hint = connection.keepAliveHint;
      const seconds = HINT.exec(this.#hint)?.[1];
      this.#hintMs = seconds === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(seconds) * 1000 - 1000);
    }
    return this.#hintMs;
  }

  #closeOld(): void {
    const { deadlines } = this.#context;
    const now = deadlines.now();
    for (const connection of [...this.#idle]) if (connection.idleUntil <= now) connection.drop();
    let next = Number.POSITIVE_INFINITY;
    for (const connection of this.#idle) next = Math.min(next, connection.idleUntil);
    if (this.#idle.length > 0) deadlines.set(this.#idleDeadline, next);
  }

  #dialMore(): void {
    while (this.#waiting.length > this.#dials.size && this.open < this.#cluster.maxConnections) this.#dial();
  }

  #dial(): void {
    const cancel = this.#context.dialer.dial(this.#state.endpoint, this.#cluster, this.#purpose, NOBODY, {
      onConnected: (wire) => {
        this.#dials.delete(cancel);
        this.#connected(wire);
      },
      onFailed: (error, timeout) => {
        this.#dials.delete(cancel);
        this.#waiting.shift()?.onNoStream(timeout ? 'timeout' : 'connect', error);
        this.#dialMore();
        this.#endWhenEmpty();
      },
    });
    this.#dials.add(cancel);
  }

  #connected(wire: Wire): void {
    const connection = new UpstreamConnection(wire, this.#context, this);
    wire.user = connection;
    this.#busy.add(connection);
    this.#context.deadlines.now();
    this.release(connection);
  }
}
