// Mesh: the whole network as compiled from all resources at one revision. Immutable; equal parts keep their identity.
import type { AuthorizationPolicy } from './policy.ts';
import type { Route, RouteFilter } from './route.ts';
import type {
  ClientLimits,
  ClientValidation,
  Cluster,
  Endpoint,
  ForwardClientCert,
  Listener,
  RetryBudget,
  SanMatch,
  TlsParameters,
  TlsSecret,
  ValidationSecret,
  WeightedCluster,
} from './snapshot.ts';

export interface Mesh {
  readonly revision: number;
  readonly trustDomain: string;
  /** By `namespace/name`. ServiceEntries are services too, one per host. */
  readonly services: ReadonlyMap<string, MeshService>;
  /** By `namespace/name`. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** By `namespace/name`; those of class `weft` whose spec could be used. */
  readonly gateways: ReadonlyMap<string, MeshGateway>;
  /** How gateways speak TLS to services, by the name of the cluster. */
  readonly backendTls: ReadonlyMap<string, BackendTls>;
  /** How gateways use the clusters that routes name with a policy, by `namespace/name` of the BackendTrafficPolicy. */
  readonly backendTraffic: ReadonlyMap<string, BackendTraffic>;
  readonly policies: readonly ScopedPolicy[];
  readonly peerModes: readonly ScopedPeerMode[];
}

export interface MeshService {
  readonly namespace: string;
  readonly name: string;
  /** All names it is called by, most specific last: `reviews`, `reviews.default`, …; a ServiceEntry has its hosts. */
  readonly hosts: readonly string[];
  readonly origin: 'Service' | 'ServiceEntry';
  readonly ports: readonly ServicePort[];
  /** Virtual addresses that its user gave it. */
  readonly addresses?: readonly string[];
  /** Of retries against each of its ports; absent: the usual one. */
  readonly retryBudget?: RetryBudget;
  /** Its name means its endpoints one by one, not the service as a whole. */
  readonly headless?: true;
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  /** From appProtocol, then from the port's name (`http`, `grpc-api`, `tcp`…), else `http` for what is undeclared and `tcp` for other words; `udp` for UDP ports. */
  readonly protocol: 'http' | 'http2' | 'tcp' | 'udp';
  /** Nothing declares it: what is not HTTP by its first bytes is passed on as it comes. */
  readonly undeclared?: true;
  readonly endpoints: readonly Endpoint[];
  /** ServiceEntry with resolution DNS: the name that proxies resolve. */
  readonly dns?: { readonly host: string; readonly port: number };
  /** Routes of HTTPRoutes whose parent is this service (and port); empty: straight to the endpoints. */
  readonly routes: readonly Route[];
}

export interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** SPIFFE id. */
  readonly identity: string;
  readonly health: Endpoint['health'];
  /** The service ports that lead here, with the port that the program listens on. */
  readonly services: readonly {
    readonly service: string;
    readonly port: number;
    readonly protocol: 'http' | 'http2' | 'tcp';
    /** As the service port's. */
    readonly undeclared?: true;
    readonly targetPort: number;
  }[];
}

export interface MeshGateway {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** From spec.addresses, an empty one for where the node binds; none: there alone. */
  readonly addresses: readonly string[];
  /** What it shows to backends that it speaks TLS to; their clusters bear its name. */
  readonly backendCertificate?: TlsSecret;
  readonly listeners: readonly GatewayListener[];
}

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP';
  /** Exact, `*.suffix`, or absent for any. */
  readonly hostname?: string;
  /** Of TLS: none where it is passed through. */
  readonly secrets: readonly TlsSecret[];
  readonly client?: ClientSettings;
  /** Of HTTP and HTTPS: for every request, before a route is looked for. */
  readonly filters?: readonly RouteFilter[];
  /** Of HTTP and HTTPS: hostname → routes, in order of precedence. */
  readonly hosts: readonly { readonly hostname: string; readonly routes: readonly Route[] }[];
  /** Of TLS, by server name, and of TCP and UDP, for `*`: where connections and datagrams go. */
  readonly streams: readonly { readonly hostname: string; readonly targets: readonly WeightedCluster[] }[];
}

/** How clients of a listener are taken, by its ClientTrafficPolicy and by spec.tls.frontend of its Gateway. */
export interface ClientSettings {
  readonly tls?: TlsParameters;
  readonly validation?: Omit<ClientValidation, 'secret'> & { readonly secret: ValidationSecret };
  readonly clientCert?: ForwardClientCert;
  readonly proxyProtocol?: NonNullable<Listener['proxyProtocol']>;
  readonly limits?: ClientLimits;
  readonly maxConnections?: number;
  readonly idleTimeoutMs?: number;
  /** Of connections whose bytes are passed on as they come. */
  readonly tcpIdleTimeoutMs?: number;
}

/** Which endpoints are asked; what is absent is as every cluster has it. */
export type ClusterBalancing = Partial<
  Pick<
    Cluster,
    | 'loadBalancing'
    | 'tableSize'
    | 'slowStartMs'
    | 'zoneWeights'
    | 'endpointHeaders'
    | 'outliers'
    | 'healthCheck'
    | 'panicThreshold'
  >
>;

/** What is absent is as every cluster has it. */
export type BackendTraffic = ClusterBalancing &
  Partial<
    Pick<Cluster, 'proxyProtocol' | 'connectTimeoutMs' | 'idleTimeoutMs' | 'maxConnections' | 'maxPendingRequests'>
  >;

export type BackendTls =
  /** It can't be done as it was asked for: nothing is sent. */
  | { readonly refused: true }
  | {
      readonly refused?: undefined;
      readonly sni: string;
      /** Absent: the authorities of the gateway's machine. */
      readonly ca?: ValidationSecret;
      readonly subjectAltNames?: readonly SanMatch[];
    };

/** What a policy reaches: root namespace = the whole mesh, else its namespace, narrowed by labels or a target. */
export interface PolicyScope {
  /** Absent: the whole mesh. */
  readonly namespace?: string;
  /** Labels of workloads; absent: all. */
  readonly labels?: Readonly<Record<string, string>>;
  /** A Service or Gateway named by targetRefs, `Kind/name`. */
  readonly target?: string;
}

export interface ScopedPolicy {
  readonly scope: PolicyScope;
  readonly policy: AuthorizationPolicy;
}

export interface ScopedPeerMode {
  readonly scope: PolicyScope;
  /** `INHERIT`: what the namespace or the mesh says. */
  readonly mode: 'STRICT' | 'PERMISSIVE' | 'DISABLE' | 'INHERIT';
  /** By the workload's port. */
  readonly portModes: Readonly<Record<number, 'STRICT' | 'PERMISSIVE' | 'DISABLE'>>;
}
