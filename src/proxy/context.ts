// What every part of one proxy shares: who it is, time, chance, limits. Made by proxy.ts.
import type { FilterServices } from '../filters/filter.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { SvidSource } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import type { Listener } from '../model/snapshot.ts';
import type { Http2Counters } from './admin/inspection.ts';
import type { Deadlines } from './deadlines.ts';
import { LimitCounts } from './downstream/client-limits.ts';
import { AsideCounts } from './exchange/filter-asides.ts';
import { MirrorCounts } from './exchange/mirrored.ts';
import type { IdSource } from './exchange/request-headers.ts';
import { FieldNames } from './http1/fields.ts';
import type { FlushQueue } from './http1/flush-queue.ts';
import { HeadParser } from './http1/head.ts';
import { Http2HeadParser } from './http2/head.ts';
import type { Dialer } from './upstream/dial.ts';

/** Every bound on what strangers can make the proxy hold. */
export interface ProxyLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly maxExtensionBytes: number;
  readonly maxTrailerBytes: number;
  /** Of all listeners together; more are closed at once. */
  readonly maxConnections: number;
  /** Of all UDP listeners together, each with a socket of its own; datagrams of more clients are lost. */
  readonly maxUdpSessions: number;
  /** Of one address, which others could not use else. */
  readonly maxUdpSessionsPerSource: number;
  /** Of a request's body, kept for another attempt or until there is a connection. */
  readonly maxKeptBytes: number;
  /** Of a request's body that is read and thrown away to keep a connection after an early answer. */
  readonly maxDiscardBytes: number;
  /** TLS handshakes under way, of all listeners together; more are closed at once. */
  readonly maxHandshakes: number;
  /** How long a client may be silent where nothing declares its protocol, until the endpoint is given the first word. */
  readonly detectionTimeoutMs: number;
  /** From the first byte of a connection to the end of its TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** A request of which no byte moves in either direction. */
  readonly stallTimeoutMs: number;
  /** How long the peer may take to close after the last answer. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: ProxyLimits = {
  maxHeadBytes: 65_536,
  maxFields: 200,
  maxExtensionBytes: 4096,
  maxTrailerBytes: 16_384,
  maxConnections: 20_000,
  maxUdpSessions: 8192,
  maxUdpSessionsPerSource: 1024,
  maxKeptBytes: 65_536,
  maxDiscardBytes: 262_144,
  maxHandshakes: 2000,
  detectionTimeoutMs: 300,
  handshakeTimeoutMs: 10_000,
  stallTimeoutMs: 300_000,
  lingerMs: 1000,
};

/** Requests of the listeners of one direction. */
export class RequestStats {
  total = 0;
  active = 0;
  limits = new LimitCounts();
  readonly http2: Http2Counters = {
    connections: 0,
    activeConnections: 0,
    requests: 0,
    resetByClient: 0,
    resetHere: 0,
  };
}

export class ProxyStats {
  readonly mirrors = new MirrorCounts();
  readonly asides = new AsideCounts();
  connections = 0;
  /** Under way. */
  handshakes = 0;
  totalConnections = 0;
  udpSessions = 0;
  requests = 0;
  activeRequests = 0;
  readonly by: Readonly<Record<Listener['direction'], RequestStats>> = {
    inbound: new RequestStats(),
    outbound: new RequestStats(),
    gateway: new RequestStats(),
  };

  begin(direction: Listener['direction']): void {
    this.requests++;
    this.activeRequests++;
    const stats = this.by[direction];
    stats.total++;
    stats.active++;
  }

  reset(): void {
    this.totalConnections = 0;
    this.requests = 0;
    for (const stats of Object.values(this.by)) {
      stats.total = 0;
      stats.limits = new LimitCounts();
      Object.assign(stats.http2, { connections: 0, requests: 0, resetByClient: 0, resetHere: 0 });
    }
  }

  end(direction: Listener['direction']): void {
    this.activeRequests--;
    this.by[direction].active--;
  }
}

export type ClaimPort = (listener: Listener) => Promise<number | Problem>;

export interface ProxyContext {
  readonly node: ProxyNode;
  readonly svid: SvidSource | undefined;
  readonly onEvent: (event: TrafficEvent) => void;
  readonly clock: Clock;
  readonly random: Random;
  /** Takes lines of access logs; absent: nobody does. */
  readonly onLogLine: ((path: string, line: string) => void) | undefined;
  readonly log: Log;
  readonly limits: ProxyLimits;
  readonly names: FieldNames;
  readonly parser: HeadParser;
  readonly http2Parser: Http2HeadParser;
  readonly ids: IdSource;
  readonly deadlines: Deadlines;
  readonly flushes: FlushQueue;
  readonly dialer: Dialer;
  readonly stats: ProxyStats;
  readonly kept: FilterServices['kept'];
  readonly askRateLimit: AskRateLimit | undefined;
  /** Set where several event loops share the ports: the port to bind with the others, or why it can't be had. */
  readonly claimPort: ClaimPort | undefined;
  /** True while clients should go: every answer closes its connection. */
  draining: boolean;
}

/** By the names of filters. */
export const openKept = (): FilterServices['kept'] => {
  const all = new Map<string, unknown>();
  return <T>(filter: string, make: () => T): T => {
    if (!all.has(filter)) all.set(filter, make());
    return all.get(filter) as T;
  };
};

export const makeParser = (limits: ProxyLimits): Pick<ProxyContext, 'names' | 'parser' | 'http2Parser'> => {
  const names = new FieldNames();
  return { names, parser: new HeadParser(names, limits), http2Parser: new Http2HeadParser(names) };
};
