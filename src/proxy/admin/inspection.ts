// What one proxy tells of itself: plain data, without private keys of its own. Made by proxy.ts, shown by the admin pages.
import type { Svid } from '../../model/identity.ts';
import type { ProxyNode } from '../../model/node.ts';
import type { Cluster, Endpoint, Listener, Snapshot } from '../../model/snapshot.ts';
import type { DnsCounts } from '../dns/counts.ts';
import type { LimitCounts } from '../downstream/client-limits.ts';
import type { HistogramData } from '../histogram.ts';
import type { PartVersions } from './versions.ts';

/** In Envoy's words. */
export type ProxyState = 'PRE_INITIALIZING' | 'LIVE' | 'DRAINING';

export interface ListenerInspection {
  readonly name: string;
  /** As bound. */
  readonly address: string;
  readonly port: number;
  readonly active: number;
  readonly total: number;
  /** Closed because there were too many. */
  readonly overflows: number;
}

export interface EndpointInspection {
  readonly endpoint: Endpoint;
  readonly connections: number;
  readonly active: number;
  readonly total: number;
  /** Requests that wait for a connection to it. */
  readonly pending: number;
  readonly successes: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly dials: number;
  readonly failedDials: number;
  /** Left out for its bad answers. */
  readonly ejected: boolean;
  /** By the proxy's own checks; absent: there are none. */
  readonly check?: 'pending' | 'passed' | 'failed';
}

export interface ClusterInspection {
  readonly cluster: Cluster;
  /** How often an endpoint was left out. */
  readonly ejections: number;
  readonly endpoints: readonly EndpointInspection[];
  /** Requests and connections given to endpoints, repeated ones too. */
  readonly attempts: number;
  readonly active: number;
  readonly counts: ClusterCounters;
  readonly times: HistogramData;
}

export interface ClusterCounters {
  dials: number;
  http1Connections: number;
  http2Connections: number;
  failedDials: number;
  timedOutDials: number;
  retries: number;
  timeouts: number;
  /** Requests that found the queue full. */
  overflows: number;
  noneHealthy: number;
}

/** Of the listeners of one direction. */
export interface TrafficCounters {
  /** Answered requests by the first digit of the status, from 1xx. */
  readonly classes: [number, number, number, number, number];
  completed: number;
  denied: number;
  /** Answered 429 by a limit. */
  rateLimited: number;
  tcpConnections: number;
  tcpReceived: number;
  tcpSent: number;
  udpSessions: number;
  udpReceived: number;
  udpSent: number;
}

/** Clients that speak HTTP/2. */
export interface Http2Counters {
  connections: number;
  activeConnections: number;
  requests: number;
  /** Streams that ended before the answer did, by whose reset. */
  resetByClient: number;
  resetHere: number;
}

export type Direction = Listener['direction'];

export interface DirectionInspection {
  readonly direction: Direction;
  readonly requests: number;
  readonly activeRequests: number;
  readonly http2: Readonly<Http2Counters>;
  readonly counters: Readonly<TrafficCounters>;
  readonly limits: Readonly<LimitCounts>;
  readonly times: HistogramData;
}

export interface ProxyInspection {
  readonly node: ProxyNode;
  readonly state: ProxyState;
  readonly uptimeMs: number;
  /** On how many cores it works. */
  readonly concurrency: number;
  readonly connections: number;
  /** The newest that was taken. */
  readonly snapshot: Snapshot | undefined;
  readonly versions: PartVersions;
  readonly listeners: readonly ListenerInspection[];
  readonly clusters: readonly ClusterInspection[];
  readonly directions: readonly DirectionInspection[];
  readonly svid: Omit<Svid, 'keyPem'> | undefined;
  /** Of the resolver beside it. */
  readonly dns?: Readonly<DnsCounts>;
}
