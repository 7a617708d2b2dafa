// Counts what the admin pages show of finished traffic and of connections to endpoints. Kept by proxy.ts.
import type { TrafficEvent } from '../model/event.ts';
import type { Endpoint } from '../model/snapshot.ts';
import type { ClusterCounters, Direction, TrafficCounters } from './admin/inspection.ts';
import { Histogram } from './histogram.ts';
import type { Dialer } from './upstream/dial.ts';

const newTraffic = (): TrafficCounters => ({
  classes: [0, 0, 0, 0, 0],
  completed: 0,
  denied: 0,
  rateLimited: 0,
  tcpConnections: 0,
  tcpReceived: 0,
  tcpSent: 0,
  udpSessions: 0,
  udpReceived: 0,
  udpSent: 0,
});

const newCounts = (): Readonly<Record<Direction, TrafficCounters>> => ({
  inbound: newTraffic(),
  outbound: newTraffic(),
  gateway: newTraffic(),
});

const newCluster = (): ClusterCounters => ({
  dials: 0,
  http1Connections: 0,
  http2Connections: 0,
  failedDials: 0,
  timedOutDials: 0,
  retries: 0,
  timeouts: 0,
  overflows: 0,
  noneHealthy: 0,
});

interface HostCounters {
  dials: number;
  failedDials: number;
}

const NO_DIALS: HostCounters = { dials: 0, failedDials: 0 };

export class TrafficCounts {
  /** From the head of a request to the end of its answer. */
  readonly times: Readonly<Record<Direction, Histogram>> = {
    inbound: new Histogram(),
    outbound: new Histogram(),
    gateway: new Histogram(),
  };
  traffic = newCounts();
  readonly #clusters = new Map<string, ClusterCounters>();
  #hosts = new WeakMap<Endpoint, HostCounters>();

  cluster(name: string): ClusterCounters {
    let counters = this.#clusters.get(name);
    if (!counters) {
      counters = newCluster();
      this.#clusters.set(name, counters);
    }
    return counters;
  }

  reset(): void {
    this.traffic = newCounts();
    for (const times of Object.values(this.times)) times.reset();
    this.#hosts = new WeakMap();
    this.#clusters.clear();
  }

  /** Of an endpoint, for as long as it is published unchanged. */
  host(endpoint: Endpoint): Readonly<HostCounters> {
    return this.#hosts.get(endpoint) ?? NO_DIALS;
  }

  #hostFor(endpoint: Endpoint): HostCounters {
    let counters = this.#hosts.get(endpoint);
    if (!counters) {
      counters = { ...NO_DIALS };
      this.#hosts.set(endpoint, counters);
    }
    return counters;
  }

  /** Forgets clusters that are gone. */
  keep(names: ReadonlyMap<string, unknown>): void {
    for (const name of this.#clusters.keys()) if (!names.has(name)) this.#clusters.delete(name);
  }

  add(event: TrafficEvent): void {
    const traffic = this.traffic[event.direction];
    if (event.http) {
      const { status } = event.http;
      if (status >= 100 && status < 600) {
        this.times[event.direction].record(event.durationMs);
        traffic.completed++;
        traffic.classes[Math.floor(status / 100) - 1]!++;
      }
    } else if (event.protocol === 'udp') {
      traffic.udpSessions++;
      traffic.udpReceived += event.bytesReceived;
      traffic.udpSent += event.bytesSent;
    } else {
      traffic.tcpConnections++;
      traffic.tcpReceived += event.bytesReceived;
      traffic.tcpSent += event.bytesSent;
    }
    if (event.policy?.verdict === 'deny') traffic.denied++;
    if (event.flags.includes('RL')) traffic.rateLimited++;
    if (event.cluster !== undefined && (event.attempts > 1 || event.flags.length > 0)) this.#addToCluster(event);
  }

  #addToCluster({ cluster, attempts, flags }: TrafficEvent): void {
    const counters = this.cluster(cluster!);
    if (attempts > 1) counters.retries += attempts - 1;
    if (flags.includes('UT')) counters.timeouts++;
    if (flags.includes('UO')) counters.overflows++;
    if (flags.includes('UH')) counters.noneHealthy++;
  }

  /** The same dialer, with every dial counted. */
  counting(dialer: Dialer): Dialer {
    return {
      dial: (endpoint, cluster, purpose, user, result) => {
        const counters = this.cluster(cluster.name);
        const host = this.#hostFor(endpoint);
        counters.dials++;
        host.dials++;
        return dialer.dial(endpoint, cluster, purpose, user, {
          onConnected: (wire) => {
            if (purpose.http === 'http1') counters.http1Connections++;
            else if (purpose.http === 'http2') counters.http2Connections++;
            result.onConnected(wire);
          },
          onFailed: (error, timeout) => {
            if (timeout) counters.timedOutDials++;
            else counters.failedDials++;
            host.failedDials++;
            result.onFailed(error, timeout);
          },
        });
      },
    };
  }
}
