// Filter chains as prepared for use, and the references through which connections see the newest. Made by prepare.ts.
import type { HttpHandler, Listener, TcpHandler, Tunnel, WeightedCluster } from '../model/snapshot.ts';
import type { Authorization } from '../policy/authorization.ts';
import type { ClusterState } from './clusters.ts';
import type { Router } from './router.ts';

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

/** The newest form of a chain; connections hold this and look again at each request. */
export class ChainRef {
  current: PreparedHttp | PreparedTcp;
  /** The chain or its listener is no longer configured: connections finish what they do, then close. */
  gone = false;

  constructor(current: PreparedHttp | PreparedTcp) {
    this.current = current;
  }
}
