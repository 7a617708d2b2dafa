// Filter chains as prepared for use, and the references through which connections see the newest. Made by prepare.ts.

import type { RequestFacts } from '../../filters/access-log/proxy.ts';
import type {
  FilterChain,
  HboneHandler,
  HttpHandler,
  Listener,
  TcpHandler,
  Tunnel,
  UdpHandler,
  WeightedCluster,
} from '../../model/snapshot.ts';
import type { Authorization } from '../../policy/authorization.ts';
import type { Router } from '../routes/router.ts';
import type { MeshTerminator, ServerTerminator } from '../tls/terminate.ts';
import type { ClusterState } from '../upstream/clusters.ts';

export interface PreparedTunnel {
  readonly tunnel: Tunnel;
  readonly pick: () => WeightedCluster | undefined;
}

export interface PreparedHttp {
  readonly type: 'http';
  readonly handler: HttpHandler;
  readonly direction: Listener['direction'];
  readonly router: Router;
  readonly tunnels: ReadonlyMap<string, PreparedTunnel>;
  /** Undefined: everything is allowed. */
  readonly authorize: Authorization | undefined;
  /** As policies name it: the port that the workload listens on; the listener's own elsewhere. */
  readonly policyPort: number;
  readonly listenerPort: number;
  /** Undefined: nobody wants lines. */
  readonly writeLogs: ((facts: RequestFacts) => void) | undefined;
  readonly cluster: (name: string) => ClusterState | undefined;
}

export interface PreparedTcp {
  readonly type: 'tcp';
  readonly handler: TcpHandler;
  readonly direction: Listener['direction'];
  readonly pick: () => WeightedCluster | undefined;
  readonly authorize: Authorization | undefined;
  readonly policyPort: number;
  readonly cluster: (name: string) => ClusterState | undefined;
}

export interface PreparedUdp {
  readonly type: 'udp';
  readonly handler: UdpHandler;
  readonly direction: Listener['direction'];
  readonly pick: () => WeightedCluster | undefined;
  readonly cluster: (name: string) => ClusterState | undefined;
}

export interface PreparedHbone {
  readonly type: 'hbone';
  readonly handler: HboneHandler;
  readonly direction: Listener['direction'];
  /** By the port that CONNECT names. */
  readonly ports: ReadonlyMap<number, readonly LiveChain[]>;
}

export type Prepared = PreparedHttp | PreparedTcp | PreparedUdp | PreparedHbone;

/** The newest form of a chain; connections hold this and look again at each request. */
export class ChainRef {
  current: Prepared;
  /** The chain or its listener is no longer configured: connections finish what they do, then close. */
  gone = false;
  /** Open ones; counted where they are limited. */
  connections = 0;

  constructor(current: Prepared) {
    this.current = current;
  }
}

export interface LiveChain {
  readonly chain: FilterChain;
  readonly ref: ChainRef;
  readonly terminator: MeshTerminator | ServerTerminator | undefined;
  /** What `ref` shows from the swap on. */
  readonly next: Prepared;
}

const innerChains = (prepared: Prepared): LiveChain[] =>
  prepared.type === 'hbone' ? [...prepared.ports.values()].flat() : [];

export const retireChain = (ref: ChainRef): void => {
  ref.gone = true;
  for (const inner of innerChains(ref.current)) retireChain(inner.ref);
};

/** The swap: connections see the new chains at their next request. */
export const swapChains = (before: readonly LiveChain[], after: readonly LiveChain[]): void => {
  const kept = new Set(after.map((live) => live.ref));
  for (const old of before) if (!kept.has(old.ref)) retireChain(old.ref);
  for (const { ref, next } of after) {
    const { current } = ref;
    ref.current = next;
    if (current !== next) swapChains(innerChains(current), innerChains(next));
  }
};
