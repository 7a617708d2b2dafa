// Connections to endpoints by HBONE: a CONNECT stream each, many on one connection of HTTP/2 over mutual TLS to the endpoint's
// proxy. Other endpoints are dialed as ever. Made by proxy.ts.
import { WeftError } from '../../lib/errors.ts';
import { formatHostPort } from '../../lib/host-port.ts';
import type { Svid, SvidSource } from '../../model/identity.ts';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import { RequestMessage, type ResponseMessage } from '../http1/head.ts';
import { encodeProxyHeader, NO_ORIGIN } from '../proxy-protocol/header.ts';
import type { CancelDial, Dialer, DialPurpose, DialResult } from '../upstream/dial.ts';
import { EndpointState } from '../upstream/endpoint-state.ts';
import type { EndpointPool, NoConnection, Waiter } from '../upstream/pool.ts';
import { Http2Pool } from '../upstream/pool-http2.ts';
import type { UpstreamEnd, UpstreamStream, UpstreamUser } from '../upstream/upstream-stream.ts';
import type { Wire, WireUser } from '../wires/wire.ts';

/** The connections under the streams, to one proxy. */
const TRANSPORT = {
  name: 'hbone',
  discovery: { type: 'eds' },
  protocol: 'http2',
  loadBalancing: 'round-robin',
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxConnections: 64,
  maxPendingRequests: 4096,
} as const satisfies Partial<Cluster>;

/** Nothing of a client was sent before a stream is open, so it may be asked for again. */
const MAX_TRIES = 3;

interface Transport {
  readonly pool: Http2Pool;
  /** What its connections have shown: streams for a newer one get new connections. */
  readonly svid: Svid | undefined;
}

export class HboneDialer implements Dialer {
  readonly #direct: Dialer;
  readonly #svid: SvidSource | undefined;
  readonly #contextOf: () => ProxyContext;
  readonly #transports = new Map<string, Transport>();
  readonly #leaving = new Set<Http2Pool>();

  constructor(direct: Dialer, svid: SvidSource | undefined, contextOf: () => ProxyContext) {
    this.#direct = direct;
    this.#svid = svid;
    this.#contextOf = contextOf;
  }

  dial(endpoint: Endpoint, cluster: Cluster, purpose: DialPurpose, user: WireUser, result: DialResult): CancelDial {
    const { hbone, identity } = endpoint;
    if (!hbone || !identity || cluster.tls.mode !== 'mesh') {
      return this.#direct.dial(endpoint, cluster, purpose, user, result);
    }
    const context = this.#contextOf();
    const poolOf = () => this.#poolOf({ ...endpoint, port: hbone.port }, identity);
    const told: DialResult = {
      onConnected: (wire) => {
        const header = cluster.proxyProtocol && encodeProxyHeader(cluster.proxyProtocol, purpose.origin ?? NO_ORIGIN);
        wire.user = user;
        if (header) wire.writeBuffer(header);
        result.onConnected(wire);
      },
      onFailed: result.onFailed,
    };
    const authority = formatHostPort(endpoint.address, endpoint.port);
    const stream = new StreamDial(context, poolOf, authority, cluster.connectTimeoutMs, told);
    return () => stream.cancel();
  }

  #poolOf({ hbone: _, ...proxy }: Endpoint, identity: string): EndpointPool {
    const key = `${proxy.address} ${proxy.port} ${identity}`;
    const svid = this.#svid?.current();
    const before = this.#transports.get(key);
    if (before && before.svid === svid) return before.pool;
    if (before) this.#retire(key, before);
    for (const [other, transport] of this.#transports) {
      if (transport.pool.open === 0 && transport.pool.waiting === 0) this.#retire(other, transport);
    }
    for (const pool of this.#leaving) if (pool.open === 0) this.#leaving.delete(pool);
    const cluster: Cluster = { ...TRANSPORT, tls: { mode: 'mesh', sni: '', identities: [identity] } };
    const context = { ...this.#contextOf(), dialer: this.#direct };
    const pool = new Http2Pool(context, new EndpointState<EndpointPool>(proxy), cluster);
    this.#transports.set(key, { pool, svid });
    return pool;
  }

  #retire(key: string, { pool }: Transport): void {
    this.#transports.delete(key);
    this.#leaving.add(pool);
    pool.drain();
  }

  close(): void {
    for (const { pool } of this.#transports.values()) pool.close();
    for (const pool of this.#leaving) pool.close();
  }
}

/** One CONNECT, until it is a wire. */
class StreamDial implements Waiter, UpstreamUser {
  readonly isHead = false;
  readonly #context: ProxyContext;
  readonly #poolOf: () => EndpointPool;
  readonly #authority: string;
  readonly #result: DialResult;
  readonly #deadline = new Deadline(() => this.#fail(new Error('the tunnel was not opened in time'), true));
  #pool: EndpointPool | undefined;
  #stream: UpstreamStream | undefined;
  #tries = 0;
  #over = false;

  constructor(
    context: ProxyContext,
    poolOf: () => EndpointPool,
    authority: string,
    timeoutMs: number,
    result: DialResult,
  ) {
    this.#context = context;
    this.#poolOf = poolOf;
    this.#authority = authority;
    this.#result = result;
    context.deadlines.set(this.#deadline, context.deadlines.now() + timeoutMs);
    // Whoever dials is not ready for an answer yet.
    queueMicrotask(() => this.#try());
  }

  cancel(): void {
    this.#over = true;
    this.#context.deadlines.remove(this.#deadline);
    this.#pool?.cancel(this);
    this.#stream?.drop();
  }

  #try(): void {
    if (this.#over) return;
    this.#tries++;
    this.#stream = undefined;
    this.#pool = this.#poolOf();
    this.#pool.acquire(this, false);
  }

  #fail(error: Error, timeout: boolean): void {
    if (this.#over) return;
    this.cancel();
    this.#result.onFailed(error, timeout);
  }

  onStream(stream: UpstreamStream): void {
    this.#stream = stream;
    const message = new RequestMessage();
    message.method = 'CONNECT';
    message.form = 'authority';
    message.host = this.#authority;
    stream.begin(this, message, false);
  }

  onNoStream(reason: NoConnection, error: Error | undefined): void {
    this.#fail(error ?? new Error('too many tunnels wait for this proxy'), reason === 'timeout');
  }

  onSwitch(_message: ResponseMessage, wire: Wire): void {
    this.#stream = undefined;
    if (this.#over) {
      wire.destroy();
      return;
    }
    this.cancel();
    this.#result.onConnected(wire);
  }

  onAnswer({ status }: ResponseMessage): void {
    const message = `the endpoint's proxy refused a tunnel to ${this.#authority} with ${status}`;
    const hint = HINTS[status] ?? "look at the log of the workload's proxy";
    this.#fail(new WeftError('TUNNEL_REFUSED', message, { hint }), false);
  }

  onUpstreamGone(end: UpstreamEnd): void {
    this.#stream = undefined;
    if (this.#tries < MAX_TRIES) queueMicrotask(() => this.#try());
    else this.#fail(new Error(`the tunnel was reset before it was open (${end})`), false);
  }

  onBadAnswer(reason: string): void {
    this.#fail(new Error(`the endpoint's proxy answered with what is not valid: ${reason}`), false);
  }

  onInterim(): void {}
  onBody(): void {}
  onBodyEnd(): void {}
  onReadDone(): void {}
  onUpstreamDrain(): void {}
}

const HINTS: Readonly<Record<number, string>> = {
  400: 'does the workload have this address?',
  403: 'an AuthorizationPolicy of the workload denies this caller',
  404: 'does the workload serve this port?',
};
