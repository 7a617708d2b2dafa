// The ADS server of the control plane: takes discovery streams, knows who is behind them, registers workloads. Opened by
// app/, which puts its two services on gRPC servers: one for loopback in plain text, one behind mutual TLS.
import { Metadata, type ServerDuplexStream, type ServiceDefinition, status } from '@grpc/grpc-js';
import { bytesMethod, type GrpcService, type PeerCall } from '../grpc/service.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { parseSpiffeId } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { SnapshotFeed } from '../model/snapshot.ts';
import { openEnvoyForm } from './envoy-form/form.ts';
import type { Form } from './form.ts';
import { decodeNode } from './node-metadata.ts';
import { OWN_TYPES, openOwnForm } from './own-form.ts';
import { type DiscoveryRequest, deltaProtocol, type Protocol, stateProtocol } from './protocol.ts';
import { DiscoveryStream, type TypeStatus } from './stream.ts';
import { HEALTH_TYPE } from './type-urls.ts';

/** A workload's presence, for as long as its proxy's stream is up. */
export interface ProxySession {
  setHealth(healthy: boolean, message?: string): void;
  /** What its proxy could not use of its configuration, in the proxy's words; empty when all is in use. */
  setRefusals?(messages: readonly string[]): void;
  close(): void;
}

export interface ProxySessions {
  /** Rejects with a WeftError where the workload may not join. */
  open(node: ProxyNode, peer: string): Promise<ProxySession>;
}

export interface XdsServerOptions {
  readonly feed: SnapshotFeed;
  readonly sessions: ProxySessions;
  /** The SPIFFE id that a caller has proven. */
  readonly peerOf: (call: PeerCall) => string | undefined;
  readonly trustDomain: string;
  /** Throws a WeftError where a proven identity may not be what its node says. Absent: it may. */
  readonly checkRole?: (node: ProxyNode) => Promise<void>;
  readonly log: Log;
  readonly clock: Clock;
}

export interface ClientStatus {
  readonly node: ProxyNode;
  /** The SPIFFE id that it has proven. */
  readonly peer?: string;
  readonly protocol: 'state' | 'delta';
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly registered: boolean;
  readonly types: readonly TypeStatus[];
}

export interface XdsServer {
  /** For a loopback port in plain text: configuration for anyone on this machine; no registration and no private keys. */
  readonly plaintext: GrpcService;
  /** For the mutual-TLS port: refuses whoever proves no identity. */
  readonly authenticated: GrpcService;
  status(): ClientStatus[];
  /** Ends every stream. */
  close(): void;
}

/** Between a refusal and the next try. */
const RETRY_MS = 2_000;

type Call = ServerDuplexStream<Buffer, Buffer>;

const SERVICE = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const BOTH_WAYS = { request: true, response: true };
const DEFINITION: ServiceDefinition = {
  streamAggregatedResources: bytesMethod(`${SERVICE}/StreamAggregatedResources`, BOTH_WAYS),
  deltaAggregatedResources: bytesMethod(`${SERVICE}/DeltaAggregatedResources`, BOTH_WAYS),
};

const STATUS_BY_CODE: Readonly<Record<string, status>> = {
  XDS_NODE_INVALID: status.INVALID_ARGUMENT,
  XDS_TOO_MANY_NAMES: status.RESOURCE_EXHAUSTED,
  PROTOBUF_MALFORMED: status.INVALID_ARGUMENT,
  XDS_IDENTITY_MISMATCH: status.PERMISSION_DENIED,
  XDS_GATEWAY_REFUSED: status.PERMISSION_DENIED,
  ACCOUNT_UNKNOWN: status.PERMISSION_DENIED,
  XDS_CLOSING: status.UNAVAILABLE,
};

const checkIdentity = (node: ProxyNode, peer: string, trustDomain: string): void => {
  const identity = parseSpiffeId(peer);
  const same =
    identity?.trustDomain === trustDomain &&
    identity.namespace === node.namespace &&
    identity.serviceAccount === node.serviceAccount;
  if (same) return;
  throw new WeftError(
    'XDS_IDENTITY_MISMATCH',
    `${peer} may not speak for ${node.name} of namespace ${node.namespace}, service account ${node.serviceAccount}`,
    { hint: 'start the proxy with the namespace and service account that its join token was made for' },
  );
};

/** One stream from its first request to its end. */
class Client {
  readonly #call: Call;
  readonly #protocol: Protocol;
  readonly #server: Server;
  readonly #peer: string | undefined;
  readonly #since: number;
  #node: ProxyNode | undefined;
  #session: ProxySession | undefined;
  #stream: DiscoveryStream | undefined;
  #isBeginning = false;
  /** What was already read when the call was paused. */
  readonly #early: DiscoveryRequest[] = [];
  #retry: Timer | undefined;
  /** As they were told last. */
  #refusals = '';
  #closed = false;

  constructor(call: Call, protocol: Protocol, server: Server) {
    this.#call = call;
    this.#protocol = protocol;
    this.#server = server;
    this.#peer = server.options.peerOf(call);
    this.#since = server.options.clock.now();
    call.on('data', (raw: Buffer) => this.#receive(raw));
    call.on('end', () => {
      this.#finish();
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#finish());
  }

  get status(): ClientStatus | undefined {
    if (!this.#node || !this.#stream) return undefined;
    return {
      node: this.#node,
      ...(this.#peer !== undefined && { peer: this.#peer }),
      protocol: this.#protocol.name,
      since: this.#since,
      registered: this.#session !== undefined,
      types: this.#stream.status(),
    };
  }

  advance(): void {
    this.#guard(() => this.#stream?.advance());
  }

  get nodeId(): string | undefined {
    return this.#node?.id;
  }

  get refusals(): readonly string[] {
    return this.#stream?.refusals() ?? [];
  }

  setRefusals(messages: readonly string[]): void {
    this.#session?.setRefusals?.(messages);
  }

  fail(error: unknown): void {
    if (this.#closed) return;
    const known = isWeftError(error);
    if (!known) this.#server.options.log.error('a discovery stream failed', { node: this.#node?.id, error });
    else
      this.#server.options.log.info('a discovery stream was refused', { node: this.#node?.id, reason: error.message });
    const details = known ? error.message + (error.hint ? ` (${error.hint})` : '') : 'internal error';
    this.#finish();
    this.#call.emit('error', {
      code: known ? (STATUS_BY_CODE[error.code] ?? status.UNAVAILABLE) : status.INTERNAL,
      details,
    });
  }

  #guard(work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  #receive(raw: Buffer): void {
    this.#guard(() => {
      const request = this.#protocol.decode(raw);
      if (this.#stream) this.#handle(request);
      else if (this.#isBeginning) this.#early.push(request);
      else void this.#begin(request);
    });
  }

  /** The first request says who is there; what follows waits until that is settled. */
  async #begin(request: DiscoveryRequest): Promise<void> {
    this.#isBeginning = true;
    this.#call.pause();
    try {
      if (!request.node) throw new WeftError('XDS_NODE_INVALID', 'the first request of a stream must name its node');
      const { node, registers } = decodeNode(request.node);
      const { options } = this.#server;
      if (this.#peer !== undefined) {
        checkIdentity(node, this.#peer, options.trustDomain);
        await options.checkRole?.(node);
      }
      this.#node = node;
      if (registers && this.#peer !== undefined) await this.#register(node, this.#peer);
      if (this.#closed) return;
      // An agent beside an Envoy is of the same node, and speaks the own form as every agent does.
      this.#stream = this.#openStream(node, node.engine === 'weft' || OWN_TYPES.includes(request.typeUrl));
      this.#call.sendMetadata(new Metadata());
      options.log.debug('a proxy connected', { node: node.id, protocol: this.#protocol.name });
      for (const each of [request, ...this.#early.splice(0)]) this.#guard(() => this.#handle(each));
    } catch (error) {
      this.fail(error);
    }
    this.#call.resume();
  }

  async #register(node: ProxyNode, peer: string): Promise<void> {
    const session = await this.#server.options.sessions.open(node, peer);
    if (this.#closed) session.close();
    else this.#session = session;
  }

  #openStream(node: ProxyNode, isOwn: boolean): DiscoveryStream {
    const { feed, clock, log } = this.#server.options;
    return new DiscoveryStream({
      protocol: this.#protocol,
      form: isOwn ? this.#server.ownForm : this.#server.envoyForm,
      secrets: this.#peer !== undefined,
      current: () => feed.current(node),
      write: (message) => void this.#call.write(message),
      now: () => clock.now(),
      log: {
        ...log,
        info: (message, fields) => log.info(message, { node: node.id, ...fields }),
        warn: (message, fields) => log.warn(message, { node: node.id, ...fields }),
      },
    });
  }

  #handle(request: DiscoveryRequest): void {
    if (request.typeUrl === HEALTH_TYPE) this.#session?.setHealth(request.error === undefined, request.error);
    else {
      this.#stream?.receive(request);
      this.#noteRefusals();
    }
  }

  #noteRefusals(): void {
    const refusals = this.#stream?.refusals() ?? [];
    if (refusals.length > 0) {
      this.#retry ??= this.#server.options.clock.after(RETRY_MS, () => {
        this.#retry = undefined;
        this.#guard(() => this.#stream?.repeatRefused());
      });
    }
    const told = refusals.join('\n');
    if (told === this.#refusals || !this.#node) return;
    this.#refusals = told;
    this.#server.refused(this.#node.id);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#server.forget(this);
    if (this.#refusals && this.#node) this.#server.refused(this.#node.id);
    this.#session?.close();
    this.#session = undefined;
  }
}

class Server implements XdsServer {
  readonly options: XdsServerOptions;
  readonly ownForm = openOwnForm();
  readonly envoyForm: Form;
  readonly plaintext: GrpcService;
  readonly authenticated: GrpcService;
  readonly #clients = new Set<Client>();
  readonly #unwatch: () => void;
  #closed = false;

  constructor(options: XdsServerOptions) {
    this.options = options;
    this.envoyForm = openEnvoyForm({ trustDomain: options.trustDomain });
    this.plaintext = this.#service((call, protocol) => this.#accept(call, protocol));
    this.authenticated = this.#service((call, protocol) => this.#acceptProven(call, protocol));
    this.#unwatch = options.feed.watch(() => {
      for (const client of [...this.#clients]) client.advance();
    });
  }

  status(): ClientStatus[] {
    return [...this.#clients].map((client) => client.status).filter((known) => known !== undefined);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    for (const client of [...this.#clients]) client.fail(new WeftError('XDS_CLOSING', 'the control plane is closing'));
  }

  forget(client: Client): void {
    this.#clients.delete(client);
  }

  /** Envoy's refusals come on another stream than its agent's presence: what they have in common is the node. */
  refused(nodeId: string): void {
    const clients = [...this.#clients].filter((client) => client.nodeId === nodeId);
    const messages = clients.flatMap(({ refusals }) => refusals);
    for (const client of clients) client.setRefusals(messages);
  }

  #service(accept: (call: Call, protocol: Protocol) => void): GrpcService {
    return {
      definition: DEFINITION,
      implementation: {
        streamAggregatedResources: (call: Call) => accept(call, stateProtocol),
        deltaAggregatedResources: (call: Call) => accept(call, deltaProtocol),
      },
    };
  }

  #accept(call: Call, protocol: Protocol): void {
    const client = new Client(call, protocol, this);
    if (this.#closed) client.fail(new WeftError('XDS_CLOSING', 'the control plane is closing'));
    else this.#clients.add(client);
  }

  #acceptProven(call: Call, protocol: Protocol): void {
    if (this.options.peerOf(call) !== undefined) {
      this.#accept(call, protocol);
      return;
    }
    const details = 'configuration is sent to proven identities only: present a certificate of this mesh';
    call.on('error', () => {});
    call.emit('error', { code: status.UNAUTHENTICATED, details });
  }
}

export const openXdsServer = (options: XdsServerOptions): XdsServer => new Server(options);
