// TrafficEvent: one finished request or connection, as a proxy saw it. Flows only from proxies to telemetry.

export interface EventPeer {
  /** SPIFFE id proven by mutual TLS; absent where nothing was proven. */
  readonly identity?: string;
  readonly namespace?: string;
  /** Name of the workload, where it is known. */
  readonly workload?: string;
  /** Name of the service, where it is known. */
  readonly service?: string;
  /** `address:port`. */
  readonly address?: string;
}

export interface TrafficEvent {
  /** When it began, milliseconds since the epoch. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Id of the proxy that saw it. */
  readonly proxy: string;
  /** `inbound`: at the callee; `outbound`: at the caller; `gateway`: at a gateway. */
  readonly direction: 'inbound' | 'outbound' | 'gateway';
  /** Of `udp` one event tells of one session. */
  readonly protocol: 'http' | 'tcp' | 'udp';
  readonly source: EventPeer;
  readonly destination: EventPeer;
  readonly http?: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    /** What the caller got; 0 when it got none. */
    readonly status: number;
    readonly requestId: string;
    /** Of a gRPC call, where its answer told one. */
    readonly grpcStatus?: number;
    /** The traceparent that was passed on. */
    readonly traceparent?: string;
  };
  /** Sent by the caller / sent to the caller; body bytes for HTTP, all bytes for TCP and UDP. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Envoy's response flags: `UH UF UO NR UC UT DC LH UR DPE RBAC…`; empty when all went well. */
  readonly flags: readonly string[];
  /** Name of the route that was taken. */
  readonly route?: string;
  readonly cluster?: string;
  /** Attempts made at the upstream; 1 without retries, 0 when none was made. */
  readonly attempts: number;
  readonly tls: 'mutual' | 'simple' | 'none';
  /** A client whose TLS handshake failed: why, and the JA4 fingerprint of its ClientHello, which tells its program apart. */
  readonly tlsRefusal?: { readonly reason: string; readonly ja4: string };
  /** Set where authorization decided: the policies that allowed or denied it. */
  readonly policy?: { readonly verdict: 'allow' | 'deny'; readonly names: readonly string[]; readonly reason: string };
}
