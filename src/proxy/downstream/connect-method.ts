// CONNECT on the explicit proxy: tells TCP from HTTP by the first bytes, as the tunnel's service says. Called by both downstreams.

import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { SelfPeer } from '../events.ts';
import { decide } from '../exchange/decide.ts';
import { Refusal, type RequestMessage } from '../http1/head.ts';
import type { ChainRef, PreparedHttp, PreparedTunnel } from '../listen/chain.ts';
import { type TcpPlan, TcpSession } from '../tcp.ts';
import type { Wire, WireUser } from '../wires/wire.ts';
import type { ClientConnection } from './client-stream.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { Downstream } from './downstream.ts';

/** Protocols that would carry requests past routing and policy: never switched to. */
export const NOT_UPGRADED = /^(?:h2c|http\/|tls\/)|,/;

/** Proxying of UDP and of IP inside HTTP (RFC 9298, RFC 9484): refused, as no route says where it may lead. */
export const IS_PROXYING = /^connect-(?:udp|ip)$/;

/** The client's side of a CONNECT, whatever the version of HTTP. */
export interface TunnelClient {
  readonly info: ConnectionInfo;
  readonly self: SelfPeer;
  readonly wire: Wire;
  /** Requests inside the tunnel. */
  nest(connection: ClientConnection): void;
  /** Tells the client that there is a tunnel. */
  established(): void;
  /** Gives the wire away; returns what was read beyond the request. */
  leave(): Buffer | undefined;
  refuseTunnel(status: number, reason: string, flag: string, message: RequestMessage): void;
}

/** Why a CONNECT is not even looked up; undefined for one that is. */
export const refusalOfConnect = (
  info: ConnectionInfo,
  http: PreparedHttp,
  message: RequestMessage,
  nested: boolean,
): { refusal: Refusal; flag: string } | undefined => {
  if (message.chunked || message.contentLength >= 0) {
    return { refusal: new Refusal(400, 'CONNECT has no body'), flag: 'DPE' };
  }
  if (!http.handler.explicitProxy || nested) {
    return { refusal: new Refusal(405, 'CONNECT is not supported here'), flag: 'DPE' };
  }
  const decision = decide(http, info, info.peerAddress, message);
  if (!decision || decision.verdict === 'allow') return undefined;
  return { refusal: new Refusal(403, 'RBAC: access denied'), flag: 'RBAC' };
};

/** Longest method that is taken for one, with the space behind it. */
const MAX_METHOD_BYTES = 33;

/** True: a request line begins. False: it doesn't. Undefined: too few bytes to say. */
export const looksLikeHttp = (bytes: Buffer): boolean | undefined => {
  for (let i = 0; i < Math.min(bytes.length, MAX_METHOD_BYTES); i++) {
    const byte = bytes[i]!;
    if (byte === 32) return i > 0;
    const isLetter = (byte >= 65 && byte <= 90) || (i > 0 && byte === 45);
    if (!isLetter) return false;
  }
  return bytes.length >= MAX_METHOD_BYTES ? false : undefined;
};

/** Waits for the first bytes inside a tunnel. */
class FirstBytes implements WireUser {
  readonly #wire: Wire;
  readonly #context: ProxyContext;
  readonly #decide: (isHttp: boolean, bytes: Buffer) => void;
  readonly #deadline: Deadline;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(context: ProxyContext, wire: Wire, idleMs: number, decide: (isHttp: boolean, bytes: Buffer) => void) {
    this.#context = context;
    this.#wire = wire;
    this.#decide = decide;
    this.#deadline = new Deadline(() => this.#wire.destroy());
    context.deadlines.set(this.#deadline, context.deadlines.now() + idleMs);
    wire.user = this;
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.#bytes = Buffer.concat([this.#bytes, buffer.subarray(start, end)]);
    const isHttp = looksLikeHttp(this.#bytes);
    if (isHttp === undefined) return;
    this.#context.deadlines.remove(this.#deadline);
    this.#decide(isHttp, this.#bytes);
  }

  onEnd(): void {
    this.#wire.destroy();
  }

  onDrain(): void {}

  onClose(): void {
    this.#context.deadlines.remove(this.#deadline);
  }
}

const startTcp = (
  context: ProxyContext,
  down: TunnelClient,
  http: PreparedHttp,
  found: PreparedTunnel,
  early: Buffer | undefined,
  /** To be answered once there is an upstream; undefined: it was answered before. */
  message: RequestMessage | undefined,
): void => {
  const { wire } = down;
  const plan: TcpPlan = {
    direction: http.direction,
    pick: found.pick,
    cluster: http.cluster,
    authorize: undefined,
    policyPort: http.policyPort,
    idleTimeoutMs: http.handler.idleTimeoutMs,
    service: found.tunnel.service,
    ...(message && {
      onReady: () => down.established(),
      // The session has told of it.
      onRefused: (status: number, reason: string) => down.refuseTunnel(status, reason, '', message),
    }),
  };
  new TcpSession(context, wire, down.info, down.self, plan, early).start();
};

/** Takes the wire of `down`. */
export const openConnectTunnel = (
  context: ProxyContext,
  down: TunnelClient,
  chain: ChainRef,
  http: PreparedHttp,
  message: RequestMessage,
): void => {
  const found = http.tunnels.get(message.host);
  if (!found) {
    down.refuseTunnel(404, `no service "${message.host}" in the mesh; add a Service or ServiceEntry`, 'NR', message);
    return;
  }
  // What was read behind the head is only known when the read is done.
  down.wire.pause();
  queueMicrotask(() => {
    const early = down.leave();
    if (down.wire.destroyed) return;
    if (found.tunnel.protocol === 'tcp') {
      startTcp(context, down, http, found, early, message);
      return;
    }
    const { wire } = down;
    down.established();
    const first = new FirstBytes(context, wire, http.handler.idleTimeoutMs, (isHttp, bytes) => {
      if (!isHttp) {
        startTcp(context, down, http, found, bytes, undefined);
        return;
      }
      const inner = new Downstream(context, wire, chain, down.info, down.self, true);
      wire.user = inner;
      down.nest(inner);
      inner.onData(bytes, 0, bytes.length);
    });
    if (early) first.onData(early, 0, early.length);
    wire.resume();
  });
};
