// The xDS client in a proxy's process: takes snapshots in the own form, says that the workload is there and well, and
// comes back by itself. Opened by app/. Light on purpose: no Envoy types.
import type { Call, CallEnd } from '../grpc/call.ts';
import { type Channel, type ChannelTls, openChannel } from '../grpc/channel.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { backoffMs, type Random } from '../lib/random.ts';
import { GRPC_STATUSES, grpcStatus } from '../model/grpc.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { SnapshotAssembly } from './assembly.ts';
import { encodeNode } from './node-metadata.ts';
import { AGENT_TYPES, OWN_TYPES } from './own-form.ts';
import { HEALTH_TYPE, OWN, PRESENCE_TYPE } from './type-urls.ts';
import { decodeDeltaResponse, encodeDeltaRequest } from './wire.ts';

export interface XdsClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** Asked on each connection, so that a renewed certificate is used; absent: plain text, for loopback. */
  readonly tls?: () => ChannelTls;
  readonly node: ProxyNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Takes one whole state; problems of severity error refuse it. Absent: presence and health only. */
  readonly onSnapshot?: (snapshot: Snapshot) => readonly Problem[] | Promise<readonly Problem[]>;
  /** Only the names of the mesh come in these snapshots: for the agent beside an Envoy. */
  readonly namesOnly?: boolean;
  readonly onConnected?: () => void;
  /** `reason`: what the control plane said, or why it can't be reached. */
  readonly onDisconnected?: (reason: string) => void;
}

export interface XdsClient {
  readonly connected: boolean;
  setHealth(healthy: boolean, message?: string): void;
  close(): void;
}

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A control plane that has not said a word by then is given up. */
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
const MAX_REFUSAL_LENGTH = 4_000;

class ReconnectingClient implements XdsClient {
  readonly #options: XdsClientOptions;
  readonly #assembly = new SnapshotAssembly();
  #health: { healthy: boolean; message: string | undefined } | undefined;
  #channel: Channel | undefined;
  #call: Call | undefined;
  #connected = false;
  #closed = false;
  #failures = 0;
  #lastReason = '';
  #retry: Timer | undefined;
  #deadline: Timer | undefined;
  #applying: Promise<void> = Promise.resolve();
  #refused: Snapshot | undefined;

  constructor(options: XdsClientOptions) {
    this.#options = options;
    this.#connect();
  }

  get connected(): boolean {
    return this.#connected;
  }

  setHealth(healthy: boolean, message?: string): void {
    if (this.#health?.healthy === healthy && this.#health.message === message) return;
    this.#health = { healthy, message };
    if (this.#call) this.#sendHealth(this.#call);
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#drop();
  }

  #connect(): void {
    const { address, tls, clock } = this.#options;
    try {
      this.#channel = openChannel({ address, tls: tls?.(), maxMessageBytes: MAX_MESSAGE_BYTES, clock });
    } catch (error) {
      this.#disconnected(`no connection could be prepared: ${messageOf(error)}`);
      return;
    }
    const call: Call = this.#channel.stream(PATH, {
      onStarted: () => this.#call === call && this.#established(),
      onMessage: (raw) => this.#call === call && this.#receive(call, raw),
      onEnd: (end) => this.#call === call && this.#disconnected(reasonOf(end, address)),
    });
    this.#call = call;
    this.#deadline = clock.after(CONNECT_TIMEOUT_MS, () => call.cancel());
    this.#subscribe(call);
    this.#sendHealth(call);
  }

  #subscribe(call: Call): void {
    const { node, onSnapshot, namesOnly } = this.#options;
    const types = onSnapshot ? (namesOnly ? AGENT_TYPES : OWN_TYPES) : [PRESENCE_TYPE];
    types.forEach((typeUrl, i) => {
      const initialVersions = this.#assembly.versions(typeUrl);
      const first = i === 0 && { node: { id: node.id, metadata: encodeNode(node) } };
      call.write(encodeDeltaRequest({ typeUrl, initialVersions, ...(onSnapshot && { subscribe: ['*'] }), ...first }));
    });
  }

  #sendHealth(call: Call): void {
    if (!this.#health) return;
    const { healthy, message } = this.#health;
    call.write(encodeDeltaRequest({ typeUrl: HEALTH_TYPE, ...(!healthy && { error: message || 'unhealthy' }) }));
  }

  #established(): void {
    this.#deadline?.cancel();
    this.#failures = 0;
    this.#lastReason = '';
    this.#connected = true;
    this.#options.log.debug('connected to the control plane', { address: this.#options.address });
    this.#options.onConnected?.();
  }

  #receive(call: Call, raw: Buffer): void {
    let response: ReturnType<typeof decodeDeltaResponse>;
    try {
      response = decodeDeltaResponse(raw);
    } catch (error) {
      this.#options.log.error('the control plane sent what is not a discovery response', { error });
      call.cancel();
      return;
    }
    const { typeUrl, nonce } = response;
    const problems = this.#assembly.take(response);
    if (typeUrl !== OWN.snapshot || problems.length > 0) {
      this.#answer(call, typeUrl, nonce, problems);
      return;
    }
    this.#applying = this.#applying.then(async () => {
      const refusals = await this.#apply();
      this.#answer(call, typeUrl, nonce, refusals);
    });
  }

  /** Gives the whole state to the proxy; returns why it was refused. */
  async #apply(): Promise<string[]> {
    const snapshot = this.#closed ? undefined : (this.#assembly.complete() ?? this.#refused);
    if (!snapshot) return [];
    const refusals = await this.#give(snapshot);
    // The control plane sends it again: then it is tried again, though nothing is new.
    this.#refused = refusals.length > 0 ? snapshot : undefined;
    return refusals;
  }

  async #give(snapshot: Snapshot): Promise<string[]> {
    try {
      const problems = (await this.#options.onSnapshot?.(snapshot)) ?? [];
      return problems
        .filter((problem) => problem.severity === 'error')
        .map(({ code, message, hint }) => `${code}: ${message}${hint ? `; ${hint}` : ''}`);
    } catch (error) {
      this.#options.log.error('a snapshot could not be applied', { revision: snapshot.revision, error });
      return [messageOf(error)];
    }
  }

  #answer(call: Call, typeUrl: string, responseNonce: string, problems: readonly string[]): void {
    if (this.#call !== call) return;
    const error = problems.length > 0 && { error: problems.join('\n').slice(0, MAX_REFUSAL_LENGTH) };
    call.write(encodeDeltaRequest({ typeUrl, responseNonce, ...error }));
  }

  #disconnected(reason: string): void {
    const { clock, random, log, address, onDisconnected } = this.#options;
    const wasConnected = this.#connected;
    this.#drop();
    if (this.#closed) return;
    const delayMs = backoffMs(random, this.#failures++, FIRST_DELAY_MS, MAX_DELAY_MS);
    this.#retry = clock.after(delayMs, () => this.#connect(), true);
    const news = wasConnected || reason !== this.#lastReason;
    this.#lastReason = reason;
    if (!news) return;
    log.warn('not connected to the control plane; the last configuration stays in use', { address, reason });
    onDisconnected?.(reason);
  }

  #drop(): void {
    this.#deadline?.cancel();
    const call = this.#call;
    this.#call = undefined;
    this.#connected = false;
    call?.cancel();
    this.#channel?.close();
    this.#channel = undefined;
  }
}

const reasonOf = ({ code, details }: CallEnd, address: string): string => {
  if (code === grpcStatus('OK')) return 'the control plane ended the stream';
  if (code === grpcStatus('CANCELLED')) return `${address} does not answer`;
  return details || `gRPC status ${GRPC_STATUSES[code] ?? code}`;
};

export const openXdsClient = (options: XdsClientOptions): XdsClient => new ReconnectingClient(options);
