// What the admin pages say of listeners, clusters, certificates and configuration, in Envoy's shapes. Called by admin.ts.
import { X509Certificate } from 'node:crypto';
import { formatHostPort } from '../../lib/host-port.ts';
import { Secret } from '../../lib/secret.ts';
import { programVersion } from '../../lib/version.ts';
import { isTlsSecret, type Snapshot, type SnapshotSecret } from '../../model/snapshot.ts';
import type { ClusterInspection, EndpointInspection, ListenerInspection, ProxyInspection } from './inspection.ts';

const socketAddress = ({ address, port }: { readonly address: string; readonly port: number }) => ({
  socket_address: { address, port_value: port },
});

export const listenersText = (listeners: readonly ListenerInspection[]): string =>
  listeners.map(({ name, address, port }) => `${name}::${formatHostPort(address, port)}\n`).join('');

export const listenersJson = (listeners: readonly ListenerInspection[]): unknown => ({
  listener_statuses: listeners.map((one) => ({ name: one.name, local_address: socketAddress(one) })),
});

/** EDS's words for our degrees of health. */
const HEALTH = {
  healthy: ['healthy', 'HEALTHY'],
  unhealthy: ['/failed_eds_health', 'UNHEALTHY'],
  draining: ['/eds_status_draining', 'DRAINING'],
} as const;

type HostCount = readonly [name: string, type: 'GAUGE' | 'COUNTER', value: number];

const hostCounts = ({ connections, active, total }: EndpointInspection): readonly HostCount[] => [
  ['cx_active', 'GAUGE', connections],
  ['rq_active', 'GAUGE', active],
  ['rq_total', 'COUNTER', total],
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
      `${host}::health_flags::${HEALTH[endpoint.health][0]}`,
      `${host}::weight::${endpoint.weight}`,
      `${host}::region::${endpoint.locality?.region ?? ''}`,
      `${host}::zone::${endpoint.locality?.zone ?? ''}`,
      `${host}::sub_zone::${endpoint.locality?.subzone ?? ''}`,
      `${host}::canary::false`,
      `${host}::priority::0`,
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
    stats: hostCounts(one).map(([name, type, value]) => ({ name, type, value: String(value) })),
    health_status: {
      eds_health_status: HEALTH[endpoint.health][1],
      ...(endpoint.health === 'unhealthy' && { failed_eds_health: true }),
    },
    weight: endpoint.weight,
    ...(endpoint.locality && {
      locality: {
        region: endpoint.locality.region,
        zone: endpoint.locality.zone,
        sub_zone: endpoint.locality.subzone,
      },
    }),
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

const REDACTED = new Secret('');

const secretsOf = ({ svid, snapshot }: ProxyInspection): unknown[] => {
  const given = (secret: SnapshotSecret) =>
    isTlsSecret(secret)
      ? { name: secret.name, chainPem: secret.chainPem, keyPem: REDACTED }
      : { name: secret.name, trustedPem: secret.caPem };
  return [
    ...(svid
      ? [
          { name: 'default', spiffeId: svid.spiffeId, chainPem: svid.chainPem, keyPem: REDACTED },
          { name: 'ROOTCA', trustedPem: svid.bundlePem },
        ]
      : []),
    ...[...(snapshot?.secrets.values() ?? [])].map(given),
  ];
};

/** The whole configuration, part by part; endpoints on demand, as Envoy does it. */
export const configDump = (proxy: ProxyInspection, includeEds: boolean): { readonly configs: readonly unknown[] } => {
  const { node, snapshot } = proxy;
  const all = (part: Exclude<keyof Snapshot, 'revision' | 'secrets'>): unknown[] => [
    ...(snapshot?.[part].values() ?? []),
  ];
  const revision = snapshot?.revision ?? 0;
  return {
    configs: [
      { '@type': 'weft.v1.BootstrapConfigDump', node },
      { '@type': 'weft.v1.ClustersConfigDump', revision, clusters: all('clusters') },
      ...(includeEds
        ? [
            {
              '@type': 'weft.v1.EndpointsConfigDump',
              revision,
              endpoints: proxy.clusters.map(({ cluster, endpoints }) => ({
                cluster: cluster.name,
                endpoints: endpoints.map(({ endpoint }) => endpoint),
              })),
            },
          ]
        : []),
      { '@type': 'weft.v1.ListenersConfigDump', revision, listeners: all('listeners') },
      { '@type': 'weft.v1.RoutesConfigDump', revision, routes: all('routes') },
      { '@type': 'weft.v1.SecretsConfigDump', revision, secrets: secretsOf(proxy) },
    ],
  };
};

const span = (ms: number): string => `${Math.floor(ms / 1000)}s`;

export const serverInfo = ({ node, state, uptimeMs }: ProxyInspection): unknown => ({
  version: `weft/${programVersion()}`,
  state,
  uptime_current_epoch: span(uptimeMs),
  uptime_all_epochs: span(uptimeMs),
  hot_restart_version: 'disabled',
  node: { id: node.id, cluster: node.name, metadata: { NAMESPACE: node.namespace, LABELS: node.labels } },
});
