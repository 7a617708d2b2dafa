// What the admin pages say of listeners, clusters, certificates and the process, in Envoy's shapes. Called by routes.ts.
import { X509Certificate } from 'node:crypto';
import { formatHostPort } from '../../lib/host-port.ts';
import { programVersion } from '../../lib/version.ts';
import type { ProxyNode } from '../../model/node.ts';
import { isTlsSecret } from '../../model/snapshot.ts';
import type { ClusterInspection, EndpointInspection, ListenerInspection, ProxyInspection } from './inspection.ts';

const socketAddress = ({ address, port }: { readonly address: string; readonly port: number }) => ({
  socket_address: { address, port_value: port },
});

export const listenersText = (listeners: readonly ListenerInspection[]): string =>
  listeners.map(({ name, address, port }) => `${name}::${formatHostPort(address, port)}\n`).join('');

export const listenersJson = (listeners: readonly ListenerInspection[]): unknown => ({
  listener_statuses: listeners.map((one) => ({ name: one.name, local_address: socketAddress(one) })),
});

/** What speaks against an endpoint, in Envoy's words; `healthy` where nothing does. */
const healthFlags = ({ endpoint, ejected, check }: EndpointInspection): string => {
  const found = [
    ...(check === 'failed' || check === 'pending' ? ['/failed_active_hc'] : []),
    ...(ejected ? ['/failed_outlier_check'] : []),
    ...(endpoint.health === 'healthy' ? [] : [HEALTH[endpoint.health][0]]),
    ...(check === 'pending' ? ['/pending_active_hc'] : []),
  ];
  return found.join('') || 'healthy';
};

/** EDS's words for our degrees of health. */
const HEALTH = {
  healthy: ['healthy', 'HEALTHY'],
  unhealthy: ['/failed_eds_health', 'UNHEALTHY'],
  draining: ['/eds_status_draining', 'DRAINING'],
} as const;

type HostCount = readonly [name: string, type: 'GAUGE' | 'COUNTER', value: number];

const hostCounts = (one: EndpointInspection): readonly HostCount[] => [
  ['cx_active', 'GAUGE', one.connections],
  ['cx_connect_fail', 'COUNTER', one.failedDials],
  ['cx_total', 'COUNTER', one.dials],
  ['rq_active', 'GAUGE', one.active],
  ['rq_error', 'COUNTER', one.errors],
  ['rq_pending_active', 'GAUGE', one.pending],
  ['rq_success', 'COUNTER', one.successes],
  ['rq_timeout', 'COUNTER', one.timeouts],
  ['rq_total', 'COUNTER', one.total],
];

const clusterLines = ({ cluster, endpoints }: ClusterInspection): string[] => {
  const { name } = cluster;
  const lines = [
    `${name}::observability_name::${name}`,
    `${name}::default_priority::max_connections::${cluster.maxConnections}`,
    `${name}::default_priority::max_pending_requests::${cluster.maxPendingRequests}`,
    `${name}::added_via_api::true`,
  ];
  for (const one of endpoints) {
    const { endpoint } = one;
    const host = `${name}::${formatHostPort(endpoint.address, endpoint.port)}`;
    for (const [count, , value] of hostCounts(one)) lines.push(`${host}::${count}::${value}`);
    lines.push(
      `${host}::hostname::`,
      `${host}::health_flags::${healthFlags(one)}`,
      `${host}::weight::${endpoint.weight}`,
      `${host}::region::${endpoint.locality?.region ?? ''}`,
      `${host}::zone::${endpoint.locality?.zone ?? ''}`,
      `${host}::sub_zone::${endpoint.locality?.subzone ?? ''}`,
      `${host}::canary::false`,
      `${host}::priority::${endpoint.priority ?? 0}`,
      // Measured only where outliers are looked for.
      `${host}::success_rate::-1`,
      `${host}::local_origin_success_rate::-1`,
    );
  }
  return lines;
};

export const clustersText = (clusters: readonly ClusterInspection[]): string =>
  clusters
    .flatMap(clusterLines)
    .map((line) => `${line}\n`)
    .join('');

const hostStatus = (one: EndpointInspection): unknown => {
  const { endpoint } = one;
  return {
    address: socketAddress(endpoint),
    // As JSON of Protobuf: what is 0, or of the first kind, is left out.
    stats: hostCounts(one).map(([name, type, value]) => ({
      ...(type === 'GAUGE' && { type }),
      ...(value > 0 && { value: String(value) }),
      name,
    })),
    health_status: {
      eds_health_status: HEALTH[endpoint.health][1],
      ...(endpoint.health === 'unhealthy' && { failed_eds_health: true }),
      ...((one.check === 'failed' || one.check === 'pending') && { failed_active_health_check: true }),
      ...(one.check === 'pending' && { pending_active_hc: true }),
      ...(one.ejected && { failed_outlier_check: true }),
    },
    weight: endpoint.weight,
    ...(endpoint.priority && { priority: endpoint.priority }),
    locality: endpoint.locality
      ? { region: endpoint.locality.region, zone: endpoint.locality.zone, sub_zone: endpoint.locality.subzone }
      : {},
  };
};

export const clustersJson = (clusters: readonly ClusterInspection[]): unknown => ({
  cluster_statuses: clusters.map(({ cluster, endpoints }) => ({
    name: cluster.name,
    added_via_api: true,
    host_statuses: endpoints.map(hostStatus),
    circuit_breakers: {
      thresholds: [{ max_connections: cluster.maxConnections, max_pending_requests: cluster.maxPendingRequests }],
    },
    observability_name: cluster.name,
  })),
});

const DAY_MS = 24 * 60 * 60 * 1000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** `DNS:a.test, URI:spiffe://…` as Envoy lists them; texts that Node puts in quotes hold characters that could mislead. */
const namesOf = (certificate: X509Certificate): unknown[] => {
  const kinds: Readonly<Record<string, string>> = { DNS: 'dns', URI: 'uri', 'IP Address': 'ip_address' };
  const found: unknown[] = [];
  for (const [, kind, plain, quoted] of (certificate.subjectAltName ?? '').matchAll(
    /(DNS|URI|IP Address):(?:([^",\s][^,]*)|("(?:[^"\\]|\\.)*"))/g,
  )) {
    found.push({ [kinds[kind!]!]: plain ?? JSON.parse(quoted!) });
  }
  return found;
};

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const certificateJson = (pem: string, path: string, nowMs: number): unknown => {
  const certificate = new X509Certificate(pem);
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  return {
    path,
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: namesOf(certificate),
    days_until_expiration: String(Math.max(0, Math.floor((to - nowMs) / DAY_MS))),
    valid_from: iso(from),
    expiration_time: iso(to),
  };
};

/** One that can't be read is left out: that it can't be used was told when it came. */
const certificatesIn = (pem: string, path: string, nowMs: number): unknown[] =>
  (pem.match(PEM) ?? []).flatMap((one) => {
    try {
      return [certificateJson(one, path, nowMs)];
    } catch {
      return [];
    }
  });

export const certsJson = ({ svid, snapshot }: ProxyInspection, nowMs: number): unknown => ({
  certificates: [
    ...(svid
      ? [
          {
            ca_cert: certificatesIn(svid.bundlePem, 'ROOTCA', nowMs),
            cert_chain: certificatesIn(svid.chainPem, 'default', nowMs),
          },
        ]
      : []),
    ...[...(snapshot?.secrets.values() ?? [])].map((secret) => ({
      ca_cert: isTlsSecret(secret) ? [] : certificatesIn(secret.caPem, secret.name, nowMs),
      cert_chain: isTlsSecret(secret) ? certificatesIn(secret.chainPem, secret.name, nowMs) : [],
    })),
  ],
});

export const nodeJson = (node: ProxyNode): unknown => ({
  id: node.id,
  cluster: node.name,
  metadata: { NAME: node.name, NAMESPACE: node.namespace, SERVICE_ACCOUNT: node.serviceAccount, LABELS: node.labels },
  user_agent_name: 'weft',
  user_agent_version: programVersion(),
});

const span = (ms: number): string => `${Math.floor(ms / 1000)}s`;

export const serverInfo = ({ node, state, uptimeMs, concurrency }: ProxyInspection, logLevel: string): unknown => ({
  version: `weft/${programVersion()}`,
  state,
  uptime_current_epoch: span(uptimeMs),
  uptime_all_epochs: span(uptimeMs),
  hot_restart_version: 'disabled',
  command_line_options: {
    concurrency,
    log_level: logLevel,
    service_cluster: node.name,
    service_node: node.id,
    mode: 'Serve',
    disable_hot_restart: true,
  },
  node: nodeJson(node),
  hot_restart_initializing: false,
});

/** Bytes; Envoy's words for the parts of the heap that there are here too. */
export const memoryJson = (): unknown => {
  const { heapUsed, heapTotal, rss, external, arrayBuffers } = process.memoryUsage();
  return {
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: String(arrayBuffers),
    total_physical_bytes: String(rss),
  };
};
