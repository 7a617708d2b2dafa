// HTTP/2 connections to one endpoint of one cluster: requests side by side on as few as have room for them. Called by attempts.ts.
import type { Cluster } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import { NOBODY } from '../wires/wire.ts';
import type { CancelDial, DialPurpose } from './dial.ts';
import type { EndpointPool, PoolEndpoint, Waiter } from './pool.ts';
import { Http2Upstream, type Http2UpstreamOwner, Http2UpstreamStream } from './upstream-http2.ts';

/** How many requests one more connection is thought to take, before it has said so. */
const STREAMS_PER_DIAL = 100;

export class Http2Pool implements EndpointPool, Http2UpstreamOwner {
  readonly #context: ProxyContext;
  readonly #state: PoolEndpoint;
  readonly #purpose: DialPurpose;
  #cluster: Cluster;
  readonly #live: Http2Upstream[] = [];
  /** They take no further requests, and finish those that they have. */
  readonly #leaving = new Set<Http2Upstream>();
  readonly #waiting: Waiter[] = [];
  readonly #dials = new Set<CancelDial>();
  readonly #idleDeadline = new Deadline(() => this.#closeOld());
  #draining = false;

  constructor(context: ProxyContext, state: PoolEndpoint, cluster: Cluster, origin?: Origin) {
    this.#purpose = { http: 'http2', origin };
    this.#context = context;
    this.#state = state;
    this.#cluster = cluster;
  }

  get open(): number {
    return this.#live.length + this.#leaving.size + this.#dials.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get idle(): number {
    return this.#live.filter(({ connection }) => connection.activeStreams === 0).length;
  }

  update(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  acquire(waiter: Waiter, fresh: boolean): void {
    const upstream = this.#pick(fresh);
    if (upstream) {
      this.#give(upstream, waiter);
      return;
    }
    const { maxConnections, maxPendingRequests } = this.#cluster;
    const queued = this.#waiting.length - this.#dials.size * STREAMS_PER_DIAL;
    if (this.open >= maxConnections && queued >= maxPendingRequests) {
      waiter.onNoStream('overflow', undefined);
      return;
    }
    this.#waiting.push(waiter);
    this.#dialMore();
  }

  cancel(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  #pick(fresh: boolean): Http2Upstream | undefined {
    for (const upstream of this.#live) if (upstream.hasRoom && !(fresh && upstream.served)) return upstream;
    return undefined;
  }

  #give(upstream: Http2Upstream, waiter: Waiter): void {
    upstream.idleUntil = Number.POSITIVE_INFINITY;
    waiter.onStream(new Http2UpstreamStream(upstream));
  }

  hasRoom(): void {
    while (this.#waiting.length > 0) {
      const upstream = this.#pick(false);
      if (!upstream) break;
      this.#give(upstream, this.#waiting.shift()!);
    }
    if (this.#waiting.length > 0) this.#dialMore();
    else if (this.#draining) this.#goAway();
  }

  unused(upstream: Http2Upstream): void {
    const { deadlines } = this.#context;
    upstream.idleUntil = deadlines.now() + this.#cluster.idleTimeoutMs;
    if (this.#idleDeadline.index < 0) deadlines.set(this.#idleDeadline, upstream.idleUntil);
  }

  #closeOld(): void {
    const { deadlines } = this.#context;
    const now = deadlines.now();
    for (const upstream of [...this.#live]) if (upstream.idleUntil <= now) this.#retire(upstream);
    let next = Number.POSITIVE_INFINITY;
    for (const { idleUntil } of this.#live) next = Math.min(next, idleUntil);
    if (next !== Number.POSITIVE_INFINITY) deadlines.set(this.#idleDeadline, next);
  }

  leaving(upstream: Http2Upstream): void {
    const index = this.#live.indexOf(upstream);
    if (index < 0) return;
    this.#live.splice(index, 1);
    this.#leaving.add(upstream);
    this.#dialMore();
  }

  forget(upstream: Http2Upstream): void {
    this.leaving(upstream);
    this.#leaving.delete(upstream);
    this.#dialMore();
    this.#endWhenEmpty();
  }

  #dialMore(): void {
    const { maxConnections } = this.#cluster;
    while (this.#waiting.length > this.#dials.size * STREAMS_PER_DIAL && this.open < maxConnections) this.#dial();
  }

  #dial(): void {
    const cancel = this.#context.dialer.dial(this.#state.endpoint, this.#cluster, this.#purpose, NOBODY, {
      onConnected: (wire) => {
        this.#dials.delete(cancel);
        const upstream = new Http2Upstream(this.#context, wire, this);
        this.#live.push(upstream);
        this.hasRoom();
        if (upstream.connection.activeStreams === 0 && upstream.connection.usable) this.unused(upstream);
      },
      onFailed: (error, timeout) => {
        this.#dials.delete(cancel);
        const failed = this.#waiting.splice(0, STREAMS_PER_DIAL);
        for (const waiter of failed) waiter.onNoStream(timeout ? 'timeout' : 'connect', error);
        this.#dialMore();
        this.#endWhenEmpty();
      },
    });
    this.#dials.add(cancel);
  }

  drain(): void {
    this.#draining = true;
    if (this.#waiting.length === 0) this.#goAway();
    this.#endWhenEmpty();
  }

  #goAway(): void {
    for (const upstream of [...this.#live]) this.#retire(upstream);
  }

  #retire(upstream: Http2Upstream): void {
    this.leaving(upstream);
    upstream.connection.goAway();
  }

  #endWhenEmpty(): void {
    if (this.#draining && this.open === 0) this.#context.deadlines.remove(this.#idleDeadline);
  }

  close(): void {
    this.#draining = true;
    this.#waiting.length = 0;
    for (const cancel of this.#dials) cancel();
    this.#dials.clear();
    for (const { connection } of [...this.#live, ...this.#leaving]) connection.destroy();
    this.#context.deadlines.remove(this.#idleDeadline);
  }
}
