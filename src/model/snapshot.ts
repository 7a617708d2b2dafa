// Snapshot: what one proxy must do, cut out of the Mesh for one node. Immutable; equal parts keep their identity.
// The own form sends these objects as they are (JSON); the Envoy form is translated from them in xds/.

import type { HealthCheck, LoadBalancing, OutlierDetection, ZoneWeights } from './balancing.ts';
import type { NameRecord } from './name-record.ts';
import type { ProxyNode, SocketAddress } from './node.ts';
import type { AuthorizationPolicy } from './policy.ts';
import type { Route, RouteFilter } from './route.ts';

export interface Snapshot {
  /** The store's revision it was compiled from. */
  readonly revision: number;
  readonly listeners: ReadonlyMap<string, Listener>;
  readonly routes: ReadonlyMap<string, RouteTable>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** Keyed by the name of their cluster. */
  readonly endpoints: ReadonlyMap<string, EndpointSet>;
  readonly secrets: ReadonlyMap<string, SnapshotSecret>;
  /** Sidecars: what the resolver beside them answers, by full name. */
  readonly names?: ReadonlyMap<string, NameRecord>;
}

export interface Listener {
  /** `gateway/<port>`, `inbound`, `outbound`, `local/<port>`; with the address in front of the port where it is not the default. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly direction: 'inbound' | 'outbound' | 'gateway';
  /** Absent: TCP. Of a UDP listener the first chain is used, with a UdpHandler. */
  readonly transport?: 'udp';
  /** Connections begin with a PROXY protocol header (v1 or v2), which says who the client is; `optional`: may begin with one. */
  readonly proxyProtocol?: 'required' | 'optional';
  /** The first chain that matches takes the connection; none: it is closed. */
  readonly chains: readonly FilterChain[];
}

export interface FilterChain {
  readonly name: string;
  readonly match: {
    /** By the first bytes: a TLS ClientHello or not. Absent: either. */
    readonly transport?: 'tls' | 'plain';
    /** SNI names, exact or `*.suffix`; exact before longest suffix before none. Empty: any, or no SNI. */
    readonly serverNames: readonly string[];
    /** Only what is HTTP by its first bytes, where a port's protocol is not declared; the same chain without it takes the rest. */
    readonly protocol?: 'http';
  };
  /** Open at one time; further ones are closed at once. Of each worker where there are several. */
  readonly maxConnections?: number;
  /** Absent: the bytes are handled as they come (plain text, or TLS passed through to a tcp handler). */
  readonly tls?: DownstreamTls;
  readonly handler: HttpHandler | TcpHandler | UdpHandler | HboneHandler;
}

export type DownstreamTls =
  /** The proxy's own SVID; the peer must prove a SPIFFE identity of the trust domain. */
  { readonly mode: 'mesh' } | TerminateTls;

/** A server certificate for anyone, or for clients whose certificate passes `clientValidation`. */
export interface TerminateTls extends TlsParameters {
  readonly mode: 'terminate';
  /** Names of TlsSecrets: those that fit the SNI are used, RSA or ECDSA as the client is able; none fits: the first. */
  readonly secrets: readonly string[];
  readonly clientValidation?: ClientValidation;
}

export type TlsVersion = '1.2' | '1.3';

/** What is absent is as the engine has it: TLS 1.2 to 1.3, its own suites and curves. */
export interface TlsParameters {
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** OpenSSL's names, for TLS 1.2; those of 1.3 are fixed. */
  readonly ciphers?: readonly string[];
  /** `X25519`, `P-256`, `P-384`, `P-521`; the first that both sides have. */
  readonly curves?: readonly string[];
  /** In order of preference; empty: none is agreed. Absent: as the handler or the cluster's protocol needs it. */
  readonly alpn?: readonly string[];
}

/** Client certificates by ordinary authorities. */
export interface ClientValidation {
  /** Name of a ValidationSecret. */
  readonly secret: string;
  /** A client may come without a certificate; one that it shows must still be valid. */
  readonly optional: boolean;
  /** Invalid certificates are taken too: the program must look at them. */
  readonly acceptInvalid?: boolean;
  /** One must match; absent: any name. */
  readonly subjectAltNames?: readonly SanMatch[];
}

export interface SanMatch {
  readonly name: 'DNS' | 'URI' | 'EMAIL' | 'IP';
  /** An exact DNS name is matched by a wildcard in the certificate too. Patterns are RE2's and match the whole name. */
  readonly type: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex';
  readonly value: string;
}

/** Access logs are added in filters/access-log/schema.ts. */
export interface HttpHandler {
  readonly type: 'http';
  /** Name of the RouteTable. */
  readonly routes: string;
  /** Every policy that applies here; DENY before ALLOW; empty: all is allowed. */
  readonly authorization: readonly AuthorizationPolicy[];
  /** True for a forward proxy: takes absolute-form targets and CONNECT, by `RouteTable.tunnels`. */
  readonly explicitProxy: boolean;
  /** True where callers are outside the mesh: their x-forwarded-* and x-request-id are replaced, not believed. */
  readonly edge: boolean;
  /** What becomes of x-forwarded-client-cert; absent: `sanitize-set` with the URI for mesh peers, else `sanitize`. */
  readonly clientCert?: ForwardClientCert;
  /** Between requests of one connection. */
  readonly idleTimeoutMs: number;
  /** From a request's first byte to the end of its head. */
  readonly headTimeoutMs: number;
  readonly limits?: ClientLimits;
  /** Who is called here, for events: the service that inbound and gateway chains stand for. */
  readonly service?: ServiceRef;
}

/** What clients may ask of connections and requests; absent: without a limit of its own. */
export interface ClientLimits {
  /** The answer to the last one ends the connection. */
  readonly maxRequestsPerConnection?: number;
  /** An older connection ends with the request that it carries. */
  readonly maxConnectionMs?: number;
  /** From a request's head to the end of its body, unless it is answered before: 408. */
  readonly requestTimeoutMs?: number;
  /** A request of which no byte moves in either direction; calls of gRPC too. */
  readonly streamIdleTimeoutMs?: number;
  /** Of a request's body: 413. */
  readonly maxRequestBytes?: number;
}

/** Envoy's five modes: forwarding and setting only for connections with a client certificate, but for the last. */
export interface ForwardClientCert {
  readonly mode: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';
  /** Besides By and Hash; whatever their order here, Envoy's is kept. */
  readonly details: readonly ClientCertDetail[];
}

export type ClientCertDetail = 'cert' | 'chain' | 'subject' | 'uri' | 'dns';

export interface TcpHandler {
  readonly type: 'tcp';
  readonly targets: readonly WeightedCluster[];
  readonly authorization: readonly AuthorizationPolicy[];
  readonly idleTimeoutMs: number;
  /** However busy it is, a connection ends after so long. */
  readonly maxDurationMs?: number;
  readonly service?: ServiceRef;
}

export interface UdpHandler {
  readonly type: 'udp';
  readonly targets: readonly WeightedCluster[];
  /** A session, one client's address and port, ends when no datagram came either way for so long. */
  readonly idleTimeoutMs: number;
  readonly service?: ServiceRef;
}

/** HTTP/2 CONNECT over mutual TLS (Istio's HBONE): every stream is a connection to a port of the workload. */
export interface HboneHandler {
  readonly type: 'hbone';
  /** What callers may name it by: IP addresses, IPv6 without brackets. */
  readonly addresses: readonly string[];
  readonly ports: readonly HbonePort[];
  /** Of a connection without streams. */
  readonly idleTimeoutMs: number;
}

export interface HbonePort {
  readonly port: number;
  /** As of a listener of its own, without TLS: the peer is proven already. */
  readonly chains: readonly FilterChain[];
}

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface WeightedCluster {
  /** Name of a Cluster; `INVALID_CLUSTER` for a share that answers 500 (HTTP) or is closed (TCP). */
  readonly cluster: string;
  readonly weight: number;
}

export const INVALID_CLUSTER = 'invalid-backend';

export interface RouteTable {
  readonly name: string;
  /** Domains are unique over the table; matching: exact, longest `*.suffix`, `*`; the port of the Host header is matched only by a domain that has one. */
  readonly virtualHosts: readonly VirtualHost[];
  /** Of explicit proxies: the port that is meant where a caller names none. Every domain has its port then. */
  readonly defaultPort?: number;
  /** For explicit proxies: what a CONNECT to an authority means. Not listed: 404, flag NR. */
  readonly tunnels: readonly Tunnel[];
}

export interface VirtualHost {
  /** Unique in the table; also the service's name where there is one, `namespace/name`. */
  readonly name: string;
  /** Lower case: `a.b`, `*.b`, `*`, each with an optional `:port`. */
  readonly domains: readonly string[];
  /** For every request to these domains, in their order, before a route is looked for; what they make of it is matched. */
  readonly filters?: readonly RouteFilter[];
  /** The first that matches wins; compile has put them in the Gateway API's order of precedence. None: 404, flag NR. */
  readonly routes: readonly Route[];
  /** The policies for requests to these domains, in place of the handler's; absent: the handler's. */
  readonly authorization?: readonly AuthorizationPolicy[];
  readonly service?: ServiceRef;
}

export interface Tunnel {
  /** `host:port`, lower case. */
  readonly authorities: readonly string[];
  /** `http`: the bytes inside are handled as a plain-text connection with the same RouteTable where they are HTTP, else as tcp to `targets`. */
  readonly protocol: 'http' | 'tcp';
  readonly targets: readonly WeightedCluster[];
  readonly service?: ServiceRef;
}

export interface Cluster {
  /** `outbound|9080||reviews.default.svc.cluster.local`, `inbound|9080||`: as Istio names them. */
  readonly name: string;
  readonly discovery: /** Endpoints are in `Snapshot.endpoints` under the cluster's name. */
    | { readonly type: 'eds' }
    | { readonly type: 'static'; readonly endpoints: readonly Endpoint[] }
    /** Resolved by the proxy's resolver; every address is an endpoint. */
    | { readonly type: 'dns'; readonly host: string; readonly port: number };
  /** `http2`: over TLS by ALPN `h2`, in plain text by prior knowledge. */
  readonly protocol: 'http1' | 'http2' | 'tcp' | 'udp';
  /** With `http1`: requests that came over HTTP/2 go over HTTP/2, as the caller knows what the endpoint speaks. */
  readonly keepsVersion?: true;
  /** Each connection begins with this PROXY protocol header, before TLS. An HTTP connection then serves one client's connection only. */
  readonly proxyProtocol?: 'v1' | 'v2';
  readonly tls: UpstreamTls;
  readonly loadBalancing: LoadBalancing;
  /** Of `maglev` a prime number, of `ring-hash` the least number of points; absent: 65537. */
  readonly tableSize?: number;
  /** Of `least-request` and `round-robin`: a new endpoint's share grows for so long. */
  readonly slowStartMs?: number;
  readonly outliers?: OutlierDetection;
  readonly healthCheck?: HealthCheck;
  /** By zone; others weigh 1. Absent: endpoints have their shares wherever they are. */
  readonly zoneWeights?: ZoneWeights;
  /** With fewer healthy endpoints, in percent, all of them are used; absent: only when there is none; 0: never. */
  readonly panicThreshold?: number;
  readonly connectTimeoutMs: number;
  /** How long an unused connection is kept; under the usual keep-alive of servers, so that they seldom close first. */
  readonly idleTimeoutMs: number;
  /** Open connections per endpoint; more requests wait, then fail with UO. */
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  /** Absent: DEFAULT_RETRY_BUDGET. */
  readonly retryBudget?: RetryBudget;
  readonly service?: ServiceRef;
}

/** How many retries there may be in each interval: a share of its requests, or `minimum` where that is more. */
export interface RetryBudget {
  readonly percent: number;
  readonly intervalMs: number;
  readonly minimum: number;
}

export const DEFAULT_RETRY_BUDGET: RetryBudget = { percent: 20, intervalMs: 10_000, minimum: 100 };

/** Those of filters/backend-tls are added in its schema.ts. */
export interface UpstreamTlsModes {
  readonly none: { readonly mode: 'none' };
  /** Mutual TLS for endpoints with `mesh: true` (plain text for others): own SVID, this SNI, and the peer's SPIFFE id must be the endpoint's `identity`; Envoy, which can't do that per endpoint, takes any of `identities`. */
  readonly mesh: { readonly mode: 'mesh'; readonly sni: string; readonly identities: readonly string[] };
}

export type UpstreamTls = UpstreamTlsModes[keyof UpstreamTlsModes];

export interface EndpointSet {
  readonly cluster: string;
  readonly endpoints: readonly Endpoint[];
  /** As the cluster's. */
  readonly zoneWeights?: ZoneWeights;
}

export interface Endpoint {
  /** For `mesh: true` the inbound listener of the workload's proxy, else where the program listens. */
  readonly address: string;
  readonly port: number;
  readonly mesh: boolean;
  /** With `mesh`: address and port are the workload's own, asked for by CONNECT of its proxy, which listens there on `port`. */
  readonly hbone?: Hbone;
  /** SPIFFE id that the peer must prove; set when `mesh`. */
  readonly identity?: string;
  /** `namespace/name` of the workload, for events. */
  readonly workload?: string;
  readonly weight: number;
  /** Draining and unhealthy endpoints get no new requests unless there is no other. */
  readonly health: 'healthy' | 'unhealthy' | 'draining';
  readonly locality?: Locality;
  /** 0, or absent, comes first; the next ones take what it is too sick for. */
  readonly priority?: number;
}

export interface Hbone {
  readonly port: number;
  /** Where the proxy also takes mutual TLS, for callers that do not speak HBONE. */
  readonly direct?: SocketAddress;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export type SnapshotSecret = TlsSecret | ValidationSecret;

/** A certificate that users gave for a gateway. Sent only over mutual TLS, only to gateways that need it. */
export interface TlsSecret {
  readonly name: string;
  readonly chainPem: string;
  readonly keyPem: string;
}

/** Authorities by which peers' certificates are checked. */
export interface ValidationSecret {
  readonly name: string;
  readonly caPem: string;
  /** Revocation lists; with one, each authority of a chain needs its own. */
  readonly crlPem?: string;
}

export const isTlsSecret = (secret: SnapshotSecret): secret is TlsSecret => 'keyPem' in secret;

/** Where an xDS server has its snapshots from. */
export interface SnapshotFeed {
  /** The newest snapshot for a node; the same object until something changes for it. */
  current(node: ProxyNode): Snapshot;
  /** Calls `listener` after each publication; returns how to stop. */
  watch(listener: () => void): () => void;
}
