// The counts of a proxy under Envoy's names, as text, JSON and for Prometheus. Shown by the admin's /stats pages.
import { countOf, countUpTo, type HistogramData, percentilesOf } from '../histogram.ts';
import type {
  ClusterInspection,
  DirectionInspection,
  EndpointInspection,
  ListenerInspection,
  ProxyInspection,
} from './inspection.ts';

export interface Stat {
  /** `cluster.<name>.upstream_rq_total`. */
  readonly name: string;
  /** What Prometheus calls it: the name without its variable parts, which are labels. */
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Of a histogram: how many were recorded. */
  readonly value: number;
  readonly times?: HistogramData;
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

const timesUnder = (
  scope: string,
  subject: string,
  labels: Stat['labels'],
  name: string,
  times: HistogramData,
): Stat => ({
  name: `${scope}.${name}`,
  family: `${subject}_${name}`,
  labels,
  type: 'histogram',
  value: countOf(times),
  times,
});

// Envoy keeps ":" out of its names.
const inName = (text: string): string => text.replaceAll(':', '_');

const listenerStats = ({ address, port, active, total, overflows }: ListenerInspection): Stat[] => {
  const place = inName(address.includes(':') ? `[${address}]_${port}` : `${address}_${port}`);
  return under(`listener.${place}`, 'listener', { envoy_listener_address: place }, [
    ['downstream_cx_active', 'gauge', active],
    ['downstream_cx_overflow', 'counter', overflows],
    ['downstream_cx_total', 'counter', total],
  ]);
};

const directionStats = (inspection: DirectionInspection): Stat[] => {
  const { direction, requests, activeRequests, counters, http2, limits, times } = inspection;
  const classes = counters.classes.map(
    (value, i): Row => [
      `downstream_rq_${i + 1}xx`,
      'counter',
      value,
      'downstream_rq_xx',
      { envoy_response_code_class: String(i + 1) },
    ],
  );
  const http = { envoy_http_conn_manager_prefix: direction };
  return [
    timesUnder(`http.${direction}`, 'http', http, 'downstream_rq_time', times),
    ...under(`http.${direction}`, 'http', http, [
      ...classes,
      ['downstream_cx_idle_timeout', 'counter', limits.idleConnections],
      ['downstream_cx_max_duration_reached', 'counter', limits.oldConnections],
      ['downstream_cx_max_requests_reached', 'counter', limits.usedConnections],
      ['downstream_rq_header_timeout', 'counter', limits.headTimeouts],
      ['downstream_rq_idle_timeout', 'counter', limits.stalledRequests],
      ['downstream_rq_timeout', 'counter', limits.requestTimeouts],
      ['downstream_rq_too_large', 'counter', limits.largeRequests],
      ['downstream_cx_http2_active', 'gauge', http2.activeConnections],
      ['downstream_cx_http2_total', 'counter', http2.connections],
      ['downstream_rq_active', 'gauge', activeRequests],
      ['downstream_rq_completed', 'counter', counters.completed],
      ['downstream_rq_http1_total', 'counter', requests - http2.requests],
      ['downstream_rq_http2_total', 'counter', http2.requests],
      ['downstream_rq_rx_reset', 'counter', http2.resetByClient],
      ['downstream_rq_total', 'counter', requests],
      ['downstream_rq_tx_reset', 'counter', http2.resetHere],
      ['rbac.denied', 'counter', counters.denied],
      ['ratelimit.over_limit', 'counter', counters.rateLimited],
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

const isHealthy = ({ endpoint, ejected, check }: EndpointInspection): boolean =>
  endpoint.health === 'healthy' && !ejected && (check === undefined || check === 'passed');

const clusterStats = ({
  cluster,
  ejections,
  endpoints,
  attempts,
  active,
  counts,
  times,
}: ClusterInspection): Stat[] => [
  timesUnder(`cluster.${cluster.name}`, 'cluster', { envoy_cluster_name: cluster.name }, 'upstream_rq_time', times),
  ...under(`cluster.${cluster.name}`, 'cluster', { envoy_cluster_name: cluster.name }, [
    ['membership_healthy', 'gauge', endpoints.filter(isHealthy).length],
    ['membership_total', 'gauge', endpoints.length],
    ['outlier_detection.ejections_active', 'gauge', endpoints.filter(({ ejected }) => ejected).length],
    ['outlier_detection.ejections_enforced_total', 'counter', ejections],
    ['upstream_cx_active', 'gauge', endpoints.reduce((sum, { connections }) => sum + connections, 0)],
    ['upstream_cx_connect_fail', 'counter', counts.failedDials + counts.timedOutDials],
    ['upstream_cx_connect_timeout', 'counter', counts.timedOutDials],
    ['upstream_cx_http1_total', 'counter', counts.http1Connections],
    ['upstream_cx_http2_total', 'counter', counts.http2Connections],
    ['upstream_cx_none_healthy', 'counter', counts.noneHealthy],
    ['upstream_cx_total', 'counter', counts.dials],
    ['upstream_rq_active', 'gauge', active],
    ['upstream_rq_pending_overflow', 'counter', counts.overflows],
    ['upstream_rq_retry', 'counter', counts.retries],
    ['upstream_rq_timeout', 'counter', counts.timeouts],
    ['upstream_rq_total', 'counter', attempts],
  ]),
];

/** The first three as Istio's agent names them. */
const dnsStats = (counts: NonNullable<ProxyInspection['dns']>): Stat[] =>
  under('dns', 'dns', {}, [
    ['requests_total', 'counter', counts.requests],
    ['upstream_requests_total', 'counter', counts.upstreamRequests],
    ['upstream_failures_total', 'counter', counts.upstreamFailures],
    ['upstream_overflows_total', 'counter', counts.overflows],
    ['upstream_strays_total', 'counter', counts.strays],
    ['requests_cached_total', 'counter', counts.fromCache],
    ['requests_invalid_total', 'counter', counts.invalid],
    ['requests_local_total', 'counter', counts.local],
    ['requests_tcp_total', 'counter', counts.requestsOverTcp],
    ['responses_nxdomain_total', 'counter', counts.nxdomain],
    ['responses_servfail_total', 'counter', counts.servfail],
    ['responses_truncated_total', 'counter', counts.truncated],
  ]);

/** All counts, by name. */
export const statsOf = (proxy: ProxyInspection): Stat[] =>
  [
    ...proxy.clusters.flatMap(clusterStats),
    ...proxy.directions.flatMap(directionStats),
    ...proxy.listeners.flatMap(listenerStats),
    ...(proxy.dns ? dnsStats(proxy.dns) : []),
    ...under('listener_manager', 'listener_manager', {}, [['total_listeners_active', 'gauge', proxy.listeners.length]]),
    ...under('cluster_manager', 'cluster_manager', {}, [['active_clusters', 'gauge', proxy.clusters.length]]),
    ...under('server', 'server', {}, [
      ['concurrency', 'gauge', proxy.concurrency],
      ['live', 'gauge', proxy.state === 'LIVE' ? 1 : 0],
      ['state', 'gauge', proxy.state === 'LIVE' ? 0 : proxy.state === 'DRAINING' ? 1 : 2],
      ['total_connections', 'gauge', proxy.connections],
      ['uptime', 'gauge', Math.floor(proxy.uptimeMs / 1000)],
    ]),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));

const PERCENTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** Up to so many digits as Envoy prints. */
const rounded = (value: number): number => Number(value.toPrecision(6));

/** Envoy tells of its last interval too, of which none are kept here. */
const formatTimes = (times: HistogramData): string => {
  const values = percentilesOf(times, PERCENTILES);
  if (!values) return 'No recorded values';
  return PERCENTILES.map((percentile, i) => `P${percentile}(nan,${rounded(values[i]!)})`).join(' ');
};

/** Histograms stand behind all else. */
const byKind = (stats: readonly Stat[]): readonly [plain: readonly Stat[], histograms: readonly Stat[]] => [
  stats.filter(({ times }) => !times),
  stats.filter(({ times }) => times),
];

export const formatStats = (stats: readonly Stat[]): string => {
  const [plain, histograms] = byKind(stats);
  const lines = plain.map(({ name, value }) => `${name}: ${value}\n`);
  return [...lines, ...histograms.map(({ name, times }) => `${name}: ${formatTimes(times!)}\n`)].join('');
};

export const statsJson = (stats: readonly Stat[]): unknown => {
  const [plain, histograms] = byKind(stats);
  const computed = histograms.map(({ name, times }) => {
    const values = percentilesOf(times!, PERCENTILES);
    return {
      name,
      values: PERCENTILES.map((_, i) => ({ cumulative: values ? rounded(values[i]!) : null, interval: null })),
    };
  });
  return {
    stats: [
      ...plain.map(({ name, value }) => ({ name, value })),
      ...(computed.length > 0
        ? [{ histograms: { supported_quantiles: PERCENTILES, computed_quantiles: computed } }]
        : []),
    ],
  };
};

const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

const LIMITS_MS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

const labelText = (labels: Stat['labels'], more: readonly string[] = []): string =>
  [...Object.entries(labels).map(([name, text]) => `${name}=${quoted(text)}`), ...more].join(',');

const histogramLines = (name: string, labels: Stat['labels'], times: HistogramData): string[] => {
  const bucket = (limit: string, count: number) => `${name}_bucket{${labelText(labels, [`le="${limit}"`])}} ${count}`;
  const count = countOf(times);
  return [
    ...LIMITS_MS.map((limit) => bucket(String(limit), countUpTo(times, limit))),
    bucket('+Inf', count),
    `${name}_sum{${labelText(labels)}} ${times.sum}`,
    `${name}_count{${labelText(labels)}} ${count}`,
  ];
};

/** Prometheus' text form: each family with its type, then its rows. */
export const formatPrometheus = (stats: readonly Stat[]): string => {
  const families = Map.groupBy(stats, ({ family }) => family);
  const lines: string[] = [];
  for (const family of [...families.keys()].sort()) {
    const rows = families.get(family)!;
    const name = `envoy_${family}`;
    lines.push(`# TYPE ${name} ${rows[0]!.type}`);
    for (const { labels, value, times } of rows) {
      if (times) lines.push(...histogramLines(name, labels, times));
      else lines.push(`${name}{${labelText(labels)}} ${value}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
};
