// Makes the TrafficEvent of a finished request, connection or session. Called by exchange.ts, tcp.ts and udp/session.ts.
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Endpoint, Listener, ServiceRef } from '../model/snapshot.ts';
import type { ProxyContext } from './context.ts';
import type { ConnectionInfo } from './downstream/connection-info.ts';
import type { RequestIds } from './exchange/request-headers.ts';

/** What both kinds of traffic tell of themselves. */
export interface Finished {
  /** Absent: `http` where there is a request, else `tcp`. */
  readonly protocol?: 'udp';
  readonly startMs: number;
  readonly durationMs: number;
  readonly direction: Listener['direction'];
  readonly info: ConnectionInfo;
  readonly service: ServiceRef | undefined;
  readonly endpoint: Endpoint | undefined;
  readonly cluster: string | undefined;
  readonly route: string | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly flags: readonly string[];
  readonly attempts: number;
  readonly policy: TrafficEvent['policy'] | undefined;
  readonly http: TrafficEvent['http'] | undefined;
  readonly tlsRefusal?: TrafficEvent['tlsRefusal'];
}

/** The node as a peer; one object for as long as its identity is the same. */
export class SelfPeer {
  readonly #node: ProxyNode;
  #spiffeId: string | undefined;
  #peer: EventPeer | undefined;

  constructor(node: ProxyNode) {
    this.#node = node;
  }

  get(context: ProxyContext): EventPeer {
    const spiffeId = context.svid?.current().spiffeId;
    if (!this.#peer || spiffeId !== this.#spiffeId) {
      this.#spiffeId = spiffeId;
      this.#peer = {
        ...(spiffeId !== undefined && { identity: spiffeId }),
        namespace: this.#node.namespace,
        workload: this.#node.name,
      };
    }
    return this.#peer;
  }
}

/** One object per connection, as the sender tells what many events have in common only once. */
const callerOf = (info: ConnectionInfo): EventPeer => {
  info.caller ??= makeCaller(info);
  return info.caller;
};

const makeCaller = (info: ConnectionInfo): EventPeer => {
  const address = `${info.peerAddress}:${info.peerPort}`;
  const { peer } = info;
  return peer ? { identity: peer.spiffeId, namespace: peer.identity.namespace, address } : { address };
};

interface KnownCallee {
  readonly self: EventPeer;
  readonly service: ServiceRef | undefined;
  readonly direction: Listener['direction'];
  readonly peer: EventPeer;
}

/** The last that was told of each endpoint. */
const callees = new WeakMap<Endpoint, KnownCallee>();

const calleeOf = (self: EventPeer, finished: Finished): EventPeer => {
  const { endpoint, service, direction } = finished;
  if (!endpoint) return makeCallee(self, finished);
  const known = callees.get(endpoint);
  if (known && known.self === self && known.service === service && known.direction === direction) return known.peer;
  const peer = makeCallee(self, finished);
  callees.set(endpoint, { self, service, direction, peer });
  return peer;
};

const makeCallee = (self: EventPeer, { endpoint, service, direction }: Finished): EventPeer => {
  const peer: { -readonly [K in keyof EventPeer]: EventPeer[K] } = {};
  if (service) {
    peer.namespace = service.namespace;
    peer.service = service.name;
  }
  if (direction === 'inbound') {
    if (self.identity !== undefined) peer.identity = self.identity;
    if (self.namespace !== undefined) peer.namespace = self.namespace;
    if (self.workload !== undefined) peer.workload = self.workload;
  } else if (endpoint) {
    if (endpoint.mesh && endpoint.identity !== undefined) peer.identity = endpoint.identity;
    if (endpoint.workload !== undefined) peer.workload = endpoint.workload.slice(endpoint.workload.indexOf('/') + 1);
  }
  if (endpoint) peer.address = `${endpoint.address}:${endpoint.port}`;
  return peer;
};

export const makeEvent = (context: ProxyContext, self: EventPeer, finished: Finished): TrafficEvent => {
  const { info, direction, http, route, cluster, policy } = finished;
  const event: { -readonly [K in keyof TrafficEvent]: TrafficEvent[K] } = {
    startMs: finished.startMs,
    durationMs: finished.durationMs,
    proxy: context.node.id,
    direction,
    protocol: finished.protocol ?? (http ? 'http' : 'tcp'),
    source: direction === 'outbound' ? self : callerOf(info),
    destination: calleeOf(self, finished),
    bytesReceived: finished.bytesReceived,
    bytesSent: finished.bytesSent,
    flags: finished.flags,
    attempts: finished.attempts,
    tls: info.tls,
  };
  if (http) event.http = http;
  if (route !== undefined) event.route = route;
  if (cluster !== undefined) event.cluster = cluster;
  if (policy) event.policy = policy;
  if (finished.tlsRefusal) event.tlsRefusal = finished.tlsRefusal;
  return event;
};

/** Of an event of a request, as it was asked before rewrites. */
export const httpPart = (
  { path, host }: { readonly path: string; readonly host: string },
  method: string,
  status: number,
  ids: RequestIds | undefined,
  grpcStatus: number | undefined,
): TrafficEvent['http'] => ({
  method,
  path,
  host,
  status,
  requestId: ids ? ids.requestId : '',
  ...(grpcStatus !== undefined && { grpcStatus }),
  ...(ids && { traceparent: ids.traceparent }),
});
