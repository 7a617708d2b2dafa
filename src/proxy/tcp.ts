// One TCP connection through the proxy: authorization, an endpoint, bytes both ways, one event. Called by listener.ts
// and for CONNECT.

import { hashText } from '../lib/hash.ts';
import type { TrafficEvent } from '../model/event.ts';
import { INVALID_CLUSTER, type Listener, type ServiceRef, type WeightedCluster } from '../model/snapshot.ts';
import type { Authorization, Decision } from '../policy/authorization.ts';
import type { ProxyContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import type { ConnectionInfo } from './downstream/connection-info.ts';
import { makeEvent, type SelfPeer } from './events.ts';
import { decide } from './exchange/decide.ts';
import type { PreparedTcp } from './listen/chain.ts';
import { NO_HASH } from './upstream/balancer.ts';
import type { ClusterState } from './upstream/clusters.ts';
import type { CancelDial } from './upstream/dial.ts';
import type { PoolEndpoint } from './upstream/pool.ts';
import { Tunnel } from './wires/tunnel.ts';
import { NOBODY, type Wire, type WireUser } from './wires/wire.ts';

export interface TcpPlan {
  readonly direction: Listener['direction'];
  readonly pick: () => WeightedCluster | undefined;
  readonly cluster: (name: string) => ClusterState | undefined;
  readonly authorize: Authorization | undefined;
  readonly policyPort: number;
  readonly idleTimeoutMs: number;
  readonly maxDurationMs?: number | undefined;
  readonly service: ServiceRef | undefined;
  /**
   * The client was silent, so the endpoint may speak first. Called when the client does instead, with what it says: the
   * session is then over without an event, and the wire as it was.
   */
  readonly onClientFirst?: ((bytes: Buffer) => void) | undefined;
  /** What the caller of CONNECT is told; nothing where bytes speak for themselves. */
  readonly onReady?: () => void;
  /** Has to end the connection. */
  readonly onRefused?: (status: number, reason: string) => void;
}

/** For connections that a chain takes. */
export const tcpPlan = ({ direction, pick, cluster, authorize, policyPort, handler }: PreparedTcp): TcpPlan => {
  const { idleTimeoutMs, maxDurationMs, service } = handler;
  return { direction, pick, cluster, authorize, policyPort, idleTimeoutMs, maxDurationMs, service };
};

const MAX_ATTEMPTS = 4;

export class TcpSession implements WireUser {
  readonly #context: ProxyContext;
  readonly #wire: Wire;
  readonly #info: ConnectionInfo;
  readonly #self: SelfPeer;
  readonly #plan: TcpPlan;
  readonly #startMs: number;
  readonly #started: number;
  readonly #flags: string[] = [];
  readonly #tried = new Set<PoolEndpoint>();
  #early: Buffer | undefined;
  #cluster: ClusterState | undefined;
  #endpoint: PoolEndpoint | undefined;
  #cancel: CancelDial | undefined;
  #decision: Decision | undefined;
  #received = 0;
  #sent = 0;
  #over = false;
  /** Nobody has spoken yet, and either side may. */
  #waits: boolean;
  #waitingUpstream: Wire | undefined;
  readonly #deadline: Deadline;

  constructor(context: ProxyContext, wire: Wire, info: ConnectionInfo, self: SelfPeer, plan: TcpPlan, early?: Buffer) {
    this.#context = context;
    this.#wire = wire;
    this.#info = info;
    this.#self = self;
    this.#plan = plan;
    this.#early = early;
    this.#startMs = context.clock.now();
    this.#started = context.deadlines.now();
    wire.user = this;
    this.#deadline = new Deadline(() => this.#onSilence());
    this.#waits = plan.onClientFirst !== undefined && !wire.ended;
    // Held back until there is an upstream.
    wire.pause();
    if (this.#waits) wire.resume();
  }

  start(): void {
    const plan = this.#plan;
    this.#decision = decide(plan, this.#info, this.#info.peerAddress);
    if (this.#decision?.verdict === 'deny') {
      if (this.#waits) {
        // What the client says yet may be allowed.
        this.#waitFor(this.#context.limits.handshakeTimeoutMs);
        return;
      }
      this.#refuse(403, 'RBAC: access denied', 'RBAC');
      return;
    }
    const picked = plan.pick();
    if (!picked || picked.cluster === INVALID_CLUSTER) {
      this.#refuse(503, 'the backend is not valid', 'NC');
      return;
    }
    const cluster = plan.cluster(picked.cluster);
    if (!cluster) {
      this.#refuse(503, 'the cluster is not known', 'NC');
      return;
    }
    this.#cluster = cluster;
    cluster.began();
    const { resolving } = cluster;
    if (resolving) void resolving.then(() => this.#attempt());
    else this.#attempt();
  }

  #attempt(): void {
    if (this.#over) return;
    const cluster = this.#cluster!;
    const hash = cluster.balancer.hashes ? hashText(this.#info.peerAddress) : NO_HASH;
    const state = cluster.balancer.pick(this.#tried, hash);
    if (!state) {
      this.#refuse(503, 'no healthy upstream', 'UH');
      return;
    }
    if (state.active >= cluster.cluster.maxConnections) {
      this.#refuse(503, 'too many connections', 'UO');
      return;
    }
    this.#endpoint = state;
    this.#tried.add(state);
    state.active++;
    state.total++;
    cluster.attempts++;
    const purpose = { origin: this.#info };
    this.#cancel = this.#context.dialer.dial(state.endpoint, cluster.cluster, purpose, this, {
      onConnected: (wire) => {
        cluster.report(state, 200);
        this.#connected(wire);
      },
      onFailed: (error) => {
        state.active--;
        cluster.failures++;
        cluster.report(state);
        this.#context.log.debug('no connection to an endpoint', { cluster: cluster.cluster.name, error });
        const others = cluster.balancer.endpoints.some((other) => !this.#tried.has(other));
        if (others && this.#tried.size < MAX_ATTEMPTS) this.#attempt();
        else this.#refuse(503, 'upstream connect error', 'UF');
      },
    });
  }

  #connected(upstream: Wire): void {
    this.#cancel = undefined;
    if (!this.#waits) {
      this.#join(upstream, undefined);
      return;
    }
    this.#waitingUpstream = upstream;
    this.#waitFor(this.#plan.idleTimeoutMs);
    upstream.user = {
      onData: (buffer, start, end) => this.#join(upstream, upstream.keep(buffer, start, end)),
      onEnd: () => this.#join(upstream, undefined),
      onDrain: () => {},
      onClose: () => this.#join(upstream, undefined),
    };
  }

  #waitFor(ms: number): void {
    const { deadlines } = this.#context;
    deadlines.set(this.#deadline, deadlines.now() + ms);
  }

  #onSilence(): void {
    this.#dropUpstream();
    if (this.#decision?.verdict === 'deny') this.#refuse(403, 'RBAC: access denied', 'RBAC');
    else this.#refuse(408, 'nobody spoke', 'SI');
  }

  /** Whatever there is of a way to the endpoint. */
  #dropUpstream(): void {
    const upstream = this.#waitingUpstream;
    if (!upstream && !this.#cancel) return;
    this.#endpoint!.active--;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waitingUpstream = undefined;
    upstream?.destroy();
  }

  /** The client spoke first: who made the session goes on with what it said. */
  #standBack(bytes: Buffer): void {
    this.#over = true;
    this.#context.deadlines.remove(this.#deadline);
    this.#dropUpstream();
    this.#wire.user = NOBODY;
    this.#wire.pause();
    this.#plan.onClientFirst!(bytes);
  }

  #join(upstream: Wire, fromUpstream: Buffer | undefined): void {
    if (this.#over) return;
    this.#waits = false;
    this.#waitingUpstream = undefined;
    this.#context.deadlines.remove(this.#deadline);
    this.#plan.onReady?.();
    const early = this.#early;
    this.#early = undefined;
    const { maxDurationMs } = this.#plan;
    const lifetime = new Deadline(() => {
      this.#flags.push('DT');
      tunnel.destroy();
    });
    const tunnel = new Tunnel(this.#context.deadlines, this.#wire, upstream, {
      idleTimeoutMs: this.#plan.idleTimeoutMs,
      fromClient: early,
      fromUpstream,
      onDone: ({ received, sent, end }) => {
        this.#context.deadlines.remove(lifetime);
        this.#endpoint!.active--;
        this.#received = received;
        this.#sent = sent;
        if (end === 'idle') this.#flags.push('SI');
        if (end === 'upstream-reset') this.#flags.push('UC');
        if (end === 'client-reset') this.#flags.push('DC');
        this.#finish();
      },
    });
    if (maxDurationMs !== undefined && !this.#over)
      this.#context.deadlines.set(lifetime, this.#started + maxDurationMs);
  }

  #refuse(status: number, reason: string, flag: string): void {
    if (this.#over) return;
    this.#flags.push(flag);
    this.#finish();
    if (this.#plan.onRefused) this.#plan.onRefused(status, reason);
    else this.#wire.destroy();
  }

  onData(buffer: Buffer, start: number, end: number): void {
    const kept = this.#wire.keep(buffer, start, end);
    if (this.#waits) {
      this.#standBack(kept);
      return;
    }
    this.#early = this.#early ? Buffer.concat([this.#early, kept]) : kept;
    this.#wire.pause();
  }

  onEnd(): void {
    if (!this.#waits) return;
    this.#waits = false;
    if (this.#waitingUpstream) this.#join(this.#waitingUpstream, undefined);
  }

  onDrain(): void {}

  onClose(): void {
    if (this.#over) return;
    this.#flags.push('DC');
    this.#dropUpstream();
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.deadlines.remove(this.#deadline);
    const decision = this.#decision;
    const policy: TrafficEvent['policy'] = decision && {
      verdict: decision.verdict,
      names: decision.names,
      reason: decision.reason,
    };
    this.#context.onEvent(
      makeEvent(this.#context, this.#self.get(this.#context), {
        startMs: this.#startMs,
        durationMs: this.#context.deadlines.now() - this.#started,
        direction: this.#plan.direction,
        info: this.#info,
        service: this.#plan.service ?? this.#cluster?.cluster.service,
        endpoint: this.#endpoint?.endpoint,
        cluster: this.#cluster?.cluster.name,
        route: undefined,
        bytesReceived: this.#received,
        bytesSent: this.#sent,
        flags: this.#flags,
        attempts: this.#tried.size,
        policy,
        http: undefined,
      }),
    );
  }
}
