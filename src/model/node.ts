// One proxy as the control plane knows it. Travels as xDS node metadata; its identity is proven by its certificate.

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** A fixed local port that leads to a service: what connects to it reaches `host:port` of the mesh. */
export interface LocalPort {
  readonly address: string;
  readonly port: number;
  /** A mesh host name, e.g. `postgres` or `postgres.db.svc.cluster.local`. */
  readonly host: string;
  readonly servicePort: number;
}

export interface ProxyNode {
  /** `<role>~<address>~<name>.<namespace>~<namespace>.svc.cluster.local`, as Istio writes it. */
  readonly id: string;
  readonly role: 'sidecar' | 'gateway';
  readonly engine: 'weft' | 'envoy';
  /** Name of the workload, or of the gateway process. */
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Sidecar: where peers reach this proxy by mutual TLS. */
  readonly inbound?: SocketAddress;
  /** Sidecar: where peers reach it by HBONE; absent: they don't. */
  readonly hbone?: SocketAddress;
  /** Sidecar: the explicit proxy (HTTP_PROXY) for the workload's own calls. */
  readonly outbound?: SocketAddress;
  /** Where its admin interface answers, on its own machine; absent where it has none. */
  readonly admin?: SocketAddress;
  readonly localPorts: readonly LocalPort[];
  /** Sidecar: `127.<block>.0.0/16` is its own, and it listens there for the services of the mesh; see `captureAddress`. */
  readonly captureBlock?: number;
  /** Sidecar: the ports that the workload's program listens on, by name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Sidecar: where the program listens; 127.0.0.1 unless told otherwise. */
  readonly appAddress: string;
  /** Gateway: the one Gateway (`namespace/name`) it serves; absent: every Gateway of class `weft`. */
  readonly gateway?: string;
  /** `region/zone/subzone`, the last ones absent where they don't matter: near endpoints come first. */
  readonly locality?: string;
  /** Gateway: where listeners without a static address bind. */
  readonly bindAddress?: string;
}

export const nodeId = (role: ProxyNode['role'], address: string, name: string, namespace: string): string =>
  `${role}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`;
