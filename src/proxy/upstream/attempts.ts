// Where a request goes: endpoints tried one after the other, a connection from a pool, retries. Owned by exchange.ts.
import { retryDelayMs } from '../../filters/retry/proxy.ts';
import type { RetryPolicy } from '../../filters/retry/schema.ts';
import type { ProxyContext } from '../context.ts';
import type { Affinity } from '../exchange/affinity.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import { NO_HASH } from './balancer.ts';
import type { ClusterState } from './clusters.ts';
import type { EndpointPool, NoConnection, PoolEndpoint, Waiter } from './pool.ts';
import type { UpstreamStream } from './upstream-stream.ts';

export interface AttemptOwner {
  /** The client's connection. */
  readonly origin: Origin;
  /** That the client speaks. */
  readonly version: 'http1' | 'http2';
  /** The request is to be written now. */
  onReady(stream: UpstreamStream): void;
  /** No further attempt can be made. */
  onGivenUp(status: number, reason: string, flag: string): void;
}

/** Beyond the first: endpoints that are asked because the one before could not be reached. */
const MAX_MOVES = 3;
/** Of one request, because a peer said that it did nothing with it. */
const MAX_REPLAYS = 3;

const NO_HTTP2 = 'the peer does not speak HTTP/2, as its port was declared to';

const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; is the program running?',
  EHOSTUNREACH: 'the host is not reachable',
  ENETUNREACH: 'the network is not reachable',
  ECONNRESET: 'the connection was reset',
  CERT_HAS_EXPIRED: "the peer's certificate has ended; can its proxy reach the control plane?",
  CERT_NOT_YET_VALID: "the peer's certificate is not valid yet; are the clocks right?",
  SELF_SIGNED_CERT_IN_CHAIN: "the peer's certificate is of another mesh",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the peer's certificate is of another mesh",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the peer's certificate is of another mesh",
  PEER_PROTOCOL: NO_HTTP2,
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: NO_HTTP2,
  ERR_SSL_WRONG_VERSION_NUMBER: 'the peer does not speak TLS',
  PEER_IDENTITY: "the peer's identity is not the expected one",
  NO_IDENTITY: 'this proxy has no identity yet',
};

/** Of servers with certificates of ordinary authorities. */
const SERVER_ERRORS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the server's certificate has ended",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet; are the clocks right?",
  CERT_REVOKED: "the server's certificate was revoked",
  PEER_IDENTITY: "the server's certificate is for another name",
  ...Object.fromEntries(
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ].map((code) => [code, "the server's certificate is of no known authority"]),
  ),
  CERTIFICATE_MISSING: 'certificates that it needs are missing',
  TLS_INVALID: 'its TLS settings are not valid',
};

export class Attempts implements Waiter {
  readonly cluster: ClusterState;
  /** How many were made. */
  count = 0;
  /** Of the last attempt. */
  endpoint: PoolEndpoint | undefined;
  /** Of the present attempt, once there is one. */
  stream: UpstreamStream | undefined;
  readonly #context: ProxyContext;
  readonly #policy: RetryPolicy | undefined;
  readonly #affinity: Affinity | undefined;
  readonly #owner: AttemptOwner;
  #pool: EndpointPool | undefined;
  #streamedAt = 0;
  /** The endpoint counts this request as active. */
  #counted = false;
  #excluded: Set<PoolEndpoint> | undefined;
  #retries = 0;
  #moves = 0;
  #replays = 0;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(
    context: ProxyContext,
    cluster: ClusterState,
    policy: RetryPolicy | undefined,
    owner: AttemptOwner,
    affinity?: Affinity,
  ) {
    this.#context = context;
    this.cluster = cluster;
    this.#policy = policy;
    this.#owner = owner;
    this.#affinity = affinity;
    cluster.began();
  }

  start(): void {
    const { resolving } = this.cluster;
    if (resolving) void resolving.then(() => this.#next());
    else this.#next();
  }

  #next(): void {
    if (this.#stopped) return;
    const { balancer } = this.cluster;
    const state = this.#home() ?? this.#pick() ?? (this.#excluded ? balancer.pick(undefined, this.#hash) : undefined);
    if (state) this.#try(state, false);
    else this.#owner.onGivenUp(503, 'no healthy upstream', 'UH');
  }

  get #hash(): number {
    return this.#affinity?.hash ?? NO_HASH;
  }

  #pick(): PoolEndpoint | undefined {
    return this.cluster.balancer.pick(this.#excluded, this.#hash);
  }

  /** The endpoint of the client's session, or the one that the request names for this attempt. */
  #home(): PoolEndpoint | undefined {
    const place = this.#affinity?.places[this.count];
    return place === undefined ? undefined : this.cluster.balancer.find(place);
  }

  #try(state: PoolEndpoint, fresh: boolean): void {
    this.endpoint = state;
    this.#counted = true;
    state.active++;
    state.total++;
    this.cluster.attempts++;
    this.count++;
    this.#pool = this.cluster.poolOf(state, this.#owner.origin, this.#owner.version);
    this.#pool.acquire(this, fresh);
  }

  onStream(stream: UpstreamStream): void {
    this.#pool = undefined;
    this.stream = stream;
    this.#streamedAt = this.#context.deadlines.now();
    this.#owner.onReady(stream);
  }

  /** Counts how the request ended; right after the time was asked for. */
  ended(status: number, flags: readonly string[]): void {
    const { endpoint } = this;
    if (!endpoint) return;
    if (status >= 100 && status < 500) endpoint.successes++;
    else endpoint.errors++;
    if (flags.includes('UT')) endpoint.timeouts++;
    if (this.#streamedAt === 0) return;
    const ms = this.#context.deadlines.recent - this.#streamedAt;
    this.cluster.times.record(ms);
    this.cluster.took(endpoint, ms, status === 0 || status >= 500);
  }

  /** The present attempt was answered. */
  answered(status: number): void {
    const { endpoint } = this;
    if (!endpoint) return;
    this.cluster.report(endpoint, status);
    // A good answer is timed at its end; a bad one may be followed by another attempt.
    if (status >= 500) this.cluster.took(endpoint, this.#sinceSent, true);
  }

  /** The present attempt was not answered: it was cut off, or took too long. */
  failed(): void {
    if (!this.endpoint) return;
    this.cluster.report(this.endpoint);
    this.cluster.took(this.endpoint, this.#sinceSent, true);
  }

  get #sinceSent(): number {
    return this.#streamedAt > 0 ? this.#context.deadlines.recent - this.#streamedAt : 0;
  }

  onNoStream(reason: NoConnection, error: Error | undefined): void {
    this.#pool = undefined;
    this.#leave();
    if (reason === 'overflow') {
      this.#owner.onGivenUp(503, 'too many requests wait for this upstream', 'UO');
      return;
    }
    this.cluster.failures++;
    if (this.endpoint) this.cluster.report(this.endpoint);
    const code = error && 'code' in error ? String(error.code) : '';
    if (code === 'PEER_IDENTITY' || code === 'NO_IDENTITY') {
      this.#context.log.warn('a peer was refused', { cluster: this.cluster.cluster.name, error });
    }
    // Nothing was sent, so another endpoint can be asked whatever the method is.
    if (this.#askOther()) return;
    if (this.takeRetry()) {
      this.retry();
      return;
    }
    const own = this.cluster.cluster.tls.mode === 'simple' ? SERVER_ERRORS[code] : undefined;
    const known = own ?? CONNECT_ERRORS[code] ?? 'no connection';
    const why = reason === 'timeout' ? 'the connection was not made in time' : known;
    this.#owner.onGivenUp(503, `upstream connect error: ${why}`, 'UF');
  }

  #askOther(): boolean {
    this.#exclude();
    const other = this.#moves < MAX_MOVES ? (this.#home() ?? this.#pick()) : undefined;
    if (!other) return false;
    this.#moves++;
    this.#drop();
    this.#try(other, false);
    return true;
  }

  /** The present attempt ended at a proxy that could not reach its program: asks another endpoint. False where none is left. */
  moveOn(): boolean {
    this.cluster.failures++;
    if (this.#askOther()) return true;
    if (!this.takeRetry()) return false;
    this.retry();
    return true;
  }

  /** The present endpoint is reached over mutual TLS, at its proxy. */
  get isMesh(): boolean {
    return this.cluster.cluster.tls.mode === 'mesh' && this.endpoint?.endpoint.mesh === true;
  }

  /** The same endpoint once more, over a connection that has carried nothing yet. */
  replay(): void {
    this.#drop();
    if (this.endpoint) this.#try(this.endpoint, true);
  }

  get canReplayUnprocessed(): boolean {
    return this.#replays < MAX_REPLAYS;
  }

  /** The same endpoint once more, over a connection that takes requests: the one before said that it did nothing. */
  replayUnprocessed(): void {
    this.#replays++;
    this.#drop();
    if (this.endpoint) this.#try(this.endpoint, false);
  }

  /** True where the route's policy and the cluster's budget let a further attempt be, which is then counted. */
  takeRetry(): boolean {
    if (this.#policy === undefined || this.#retries >= this.#policy.attempts) return false;
    if (this.cluster.budget.takeRetry(this.#context.deadlines.recent)) return true;
    this.cluster.overBudget++;
    return false;
  }

  /** Gives the present attempt up and plans a further one, with another endpoint where there is one. */
  retry(): void {
    this.#drop();
    this.#exclude();
    const delay = retryDelayMs(this.#policy!, this.#retries++, this.#context.random);
    const timer = this.#context.clock.after(delay, () => {
      this.#cancelRetry = undefined;
      this.#next();
    });
    this.#cancelRetry = () => timer.cancel();
  }

  #exclude(): void {
    if (!this.endpoint) return;
    this.#excluded ??= new Set();
    this.#excluded.add(this.endpoint);
  }

  #leave(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.endpoint!.active--;
  }

  #drop(): void {
    this.#leave();
    const { stream } = this;
    this.stream = undefined;
    stream?.drop();
  }

  /** The last attempt is over. `clean`: request and answer went through whole, so the connection can be kept. */
  stop(clean: boolean): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#pool?.cancel(this);
    this.#pool = undefined;
    this.#leave();
    const { stream } = this;
    this.stream = undefined;
    if (clean) stream?.finish(true);
    else stream?.drop();
  }

  /** As `stop`, where the connection belongs to somebody else. */
  leave(): void {
    this.#stopped = true;
    this.stream = undefined;
    this.#leave();
  }
}
