// The counts of a proxy under Envoy's names, as text, JSON and for Prometheus. Shown by the admin's /stats pages.
import type { ClusterInspection, DirectionInspection, ListenerInspection, ProxyInspection } from './inspection.ts';

export interface Stat {
  /** `cluster.<name>.upstream_rq_total`. */
  readonly name: string;
  /** What Prometheus calls it: the name without its variable parts, which are labels. */
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
}

type Row = readonly [name: string, type: Stat['type'], value: number, family?: string, labels?: Stat['labels']];

const under = (scope: string, subject: string, labels: Stat['labels'], rows: readonly Row[]): Stat[] =>
  rows.map(([name, type, value, family = name, more]) => ({
    name: `${scope}.${name}`,
    family: `${subject}_${family.replaceAll('.', '_')}`,
    labels: { ...more, ...labels },
    type,
    value,
  }));

// Envoy keeps ":" out of its names.
const inName = (text: string): string => text.replaceAll(':', '_');

const listenerStats = ({ address, port, active, total }: ListenerInspection): Stat[] => {
  const place = inName(address.includes(':') ? `[${address}]_${port}` : `${address}_${port}`);
  return under(`listener.${place}`, 'listener', { envoy_listener_address: place }, [
    ['downstream_cx_active', 'gauge', active],
    ['downstream_cx_total', 'counter', total],
  ]);
};

const directionStats = ({ direction, requests, activeRequests, counters }: DirectionInspection): Stat[] => {
  const classes = counters.classes.map(
    (value, i): Row => [
      `downstream_rq_${i + 1}xx`,
      'counter',
      value,
      'downstream_rq_xx',
      { envoy_response_code_class: String(i + 1) },
    ],
  );
  return [
    ...under(`http.${direction}`, 'http', { envoy_http_conn_manager_prefix: direction }, [
      ...classes,
      ['downstream_rq_active', 'gauge', activeRequests],
      ['downstream_rq_completed', 'counter', counters.completed],
      ['downstream_rq_total', 'counter', requests],
      ['rbac.denied', 'counter', counters.denied],
    ]),
    ...under(`tcp.${direction}`, 'tcp', { envoy_tcp_prefix: direction }, [
      ['downstream_cx_total', 'counter', counters.tcpConnections],
      ['downstream_cx_rx_bytes_total', 'counter', counters.tcpReceived],
      ['downstream_cx_tx_bytes_total', 'counter', counters.tcpSent],
    ]),
    ...under(`udp.${direction}`, 'udp', { envoy_udp_prefix: direction }, [
      ['downstream_sess_rx_bytes', 'counter', counters.udpReceived],
      ['downstream_sess_total', 'counter', counters.udpSessions],
      ['downstream_sess_tx_bytes', 'counter', counters.udpSent],
    ]),
  ];
};

const clusterStats = ({ cluster, endpoints, attempts, active, counts }: ClusterInspection): Stat[] =>
  under(`cluster.${cluster.name}`, 'cluster', { envoy_cluster_name: cluster.name }, [
    ['membership_healthy', 'gauge', endpoints.filter(({ endpoint }) => endpoint.health === 'healthy').length],
    ['membership_total', 'gauge', endpoints.length],
    ['upstream_cx_active', 'gauge', endpoints.reduce((sum, { connections }) => sum + connections, 0)],
    ['upstream_cx_connect_fail', 'counter', counts.failedDials + counts.timedOutDials],
    ['upstream_cx_connect_timeout', 'counter', counts.timedOutDials],
    ['upstream_cx_none_healthy', 'counter', counts.noneHealthy],
    ['upstream_cx_total', 'counter', counts.dials],
    ['upstream_rq_active', 'gauge', active],
    ['upstream_rq_pending_overflow', 'counter', counts.overflows],
    ['upstream_rq_retry', 'counter', counts.retries],
    ['upstream_rq_timeout', 'counter', counts.timeouts],
    ['upstream_rq_total', 'counter', attempts],
  ]);

/** All counts, by name. */
export const statsOf = (proxy: ProxyInspection): Stat[] =>
  [
    ...proxy.clusters.flatMap(clusterStats),
    ...proxy.directions.flatMap(directionStats),
    ...proxy.listeners.flatMap(listenerStats),
    ...under('listener_manager', 'listener_manager', {}, [['total_listeners_active', 'gauge', proxy.listeners.length]]),
    ...under('cluster_manager', 'cluster_manager', {}, [['active_clusters', 'gauge', proxy.clusters.length]]),
    ...under('server', 'server', {}, [
      ['live', 'gauge', proxy.state === 'LIVE' ? 1 : 0],
      ['state', 'gauge', proxy.state === 'LIVE' ? 0 : proxy.state === 'DRAINING' ? 1 : 2],
      ['total_connections', 'gauge', proxy.connections],
      ['uptime', 'gauge', Math.floor(proxy.uptimeMs / 1000)],
    ]),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));

export const formatStats = (stats: readonly Stat[]): string =>
  stats.map(({ name, value }) => `${name}: ${value}\n`).join('');

const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

/** Prometheus' text form: each family with its type, then its rows. */
export const formatPrometheus = (stats: readonly Stat[]): string => {
  const families = Map.groupBy(stats, ({ family }) => family);
  const lines: string[] = [];
  for (const family of [...families.keys()].sort()) {
    const rows = families.get(family)!;
    lines.push(`# TYPE envoy_${family} ${rows[0]!.type}`);
    for (const { labels, value } of rows) {
      const pairs = Object.entries(labels).map(([name, text]) => `${name}=${quoted(text)}`);
      lines.push(`envoy_${family}{${pairs.join(',')}} ${value}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
};
