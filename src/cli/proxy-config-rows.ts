// The tables of `weft proxy-config`, from what a proxy's admin interface says. Called by proxy-config.ts.
import { X509Certificate } from 'node:crypto';
import type { Route, RouteAction, RouteMatch } from '../model/route.ts';
import type { Cluster, FilterChain, Listener, RouteTable, WeightedCluster } from '../model/snapshot.ts';
import { formatAddress, type JsonObject, textAt } from './admin-json.ts';
import type { TextColumn } from './text-table.ts';

export interface Rows {
  readonly columns: readonly TextColumn[];
  readonly rows: readonly (readonly unknown[])[];
}

export const columnsOf = (...names: string[]): TextColumn[] =>
  names.map((name) => ({ name, state: name === 'Status' }));

/** `a`, or `a: 90%, b: 10%`. */
export const formatShares = (targets: readonly WeightedCluster[]): string => {
  if (targets.length === 1) return targets[0]!.cluster;
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets
    .map(({ cluster, weight }) => `${cluster}: ${total > 0 ? Math.round((weight / total) * 100) : 0}%`)
    .join(', ');
};

const formatChainMatch = ({ match, tls }: FilterChain): string => {
  const parts = [
    match.transport === 'tls' ? 'TLS' : match.transport === 'plain' ? 'plain text' : '',
    match.serverNames.length > 0 ? `SNI: ${match.serverNames.join(',')}` : '',
    tls?.mode === 'mesh' ? 'mutual TLS' : tls ? 'terminates TLS' : '',
  ].filter((part) => part !== '');
  return parts.length > 0 ? parts.join('; ') : 'ALL';
};

const formatHandler = ({ handler }: FilterChain): string =>
  handler.type === 'http'
    ? `Route: ${handler.routes}`
    : handler.type === 'hbone'
      ? `HBONE to ports ${handler.ports.map(({ port }) => port).join(', ')}`
      : `Cluster: ${formatShares(handler.targets)}`;

export const listenerRows = (listeners: readonly Listener[]): Rows => ({
  columns: columnsOf('Name', 'Address', 'Port', 'Match', 'Destination'),
  rows: listeners.flatMap(({ name, address, port, chains }) =>
    chains.map((chain) => [name, address, port, formatChainMatch(chain), formatHandler(chain)]),
  ),
});

const formatMatch = ({ path, method, headers, queryParams }: RouteMatch): string => {
  const mark = { exact: '', prefix: '*', regex: ' (regex)' }[path.type];
  return [
    ...(method ? [method] : []),
    `${path.value}${mark}`,
    ...headers.map(({ name, value }) => `${name}: ${value}`),
    ...queryParams.map(({ name, value }) => `?${name}=${value}`),
  ].join(' ');
};

const formatAction = (action: RouteAction): string => {
  if (action.type === 'direct') return `answers ${action.status}`;
  if (action.type === 'redirect') return `redirects (${action.status})`;
  return formatShares(action.targets);
};

const routeRow = (table: string, domains: string, { name, match, action }: Route): unknown[] => [
  table,
  domains,
  formatMatch(match),
  name,
  formatAction(action),
];

/** All names of a service are seldom wanted: the first, and how many more. */
const formatDomains = ([first = '', ...more]: readonly string[]): string =>
  more.length > 0 ? `${first} + ${more.length} more` : first;

export const routeRows = (tables: readonly RouteTable[]): Rows => ({
  columns: columnsOf('Table', 'Domains', 'Match', 'Route', 'Destination'),
  rows: tables.flatMap(({ name, virtualHosts, tunnels }) => [
    ...virtualHosts.flatMap(({ domains, routes }) =>
      routes.map((route) => routeRow(name, formatDomains(domains), route)),
    ),
    ...tunnels.map(({ authorities, protocol, targets }) => [
      name,
      formatDomains(authorities),
      'CONNECT',
      `tunnel (${protocol})`,
      formatShares(targets),
    ]),
  ]),
});

/** Service, port, subset and direction, out of a cluster's name. */
export const clusterCells = (name: string): string[] => {
  const [direction, port, subset, host, more] = name.split('|');
  const isNamed = host !== undefined && more === undefined;
  const cells = isNamed ? [host, port, subset, direction] : [name, '-', '-', '-'];
  return cells.map((cell) => cell || '-');
};

export const clusterRows = (clusters: readonly Cluster[]): Rows => ({
  columns: columnsOf('Service FQDN', 'Port', 'Subset', 'Direction', 'Type', 'TLS', 'Balancing'),
  rows: clusters.map(({ name, discovery, tls, loadBalancing }) => [
    ...clusterCells(name),
    discovery.type.toUpperCase(),
    tls.mode,
    loadBalancing,
  ]),
});

export interface ClusterStatus {
  readonly name: string;
  readonly added_via_api?: boolean;
  readonly host_statuses: readonly {
    readonly address: unknown;
    readonly health_status: {
      readonly eds_health_status: string;
      readonly failed_active_health_check?: boolean;
      readonly failed_outlier_check?: boolean;
    };
    readonly stats: readonly { readonly name: string; readonly value?: string }[];
    readonly weight?: number;
  }[];
}

/** What the proxy found out itself comes before what it was told. */
const statusOf = (health: ClusterStatus['host_statuses'][number]['health_status']): string => {
  if (health.failed_outlier_check) return 'EJECTED';
  return health.failed_active_health_check ? 'FAILS CHECKS' : health.eds_health_status;
};

export const endpointRows = (statuses: readonly ClusterStatus[]): Rows => ({
  columns: columnsOf('Endpoint', 'Status', 'Weight', 'Active', 'Total', 'Cluster'),
  rows: statuses.flatMap(({ name, host_statuses }) =>
    host_statuses.map(({ address, health_status, stats, weight }) => {
      const count = (wanted: string) => stats.find((stat) => stat.name === wanted)?.value ?? '0';
      return [
        formatAddress(address),
        statusOf(health_status),
        weight ?? 1,
        count('rq_active'),
        count('rq_total'),
        name,
      ];
    }),
  ),
});

/** The certificates of a secret, in the form of either engine. */
const certificatesOf = (secret: JsonObject): (readonly [type: string, pem: string])[] => {
  const inline = (...path: readonly string[]): string => {
    const bytes = textAt(secret, ...path, 'inline_bytes');
    return bytes === '' ? textAt(secret, ...path, 'inline_string') : Buffer.from(bytes, 'base64').toString('latin1');
  };
  return [
    ['Cert Chain', textAt(secret, 'chainPem') || inline('tls_certificate', 'certificate_chain')],
    ['CA', textAt(secret, 'trustedPem') || inline('validation_context', 'trusted_ca')],
  ];
};

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const timeOf = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

export const secretRows = (secrets: readonly JsonObject[], nowMs: number): Rows => ({
  columns: columnsOf('Name', 'Type', 'Valid', 'Serial number', 'Not after', 'Not before'),
  rows: secrets.flatMap((secret) =>
    certificatesOf(secret).flatMap(([type, pem]) =>
      (pem.match(PEM) ?? []).map((one) => {
        const { validFromDate, validToDate, serialNumber } = new X509Certificate(one);
        const isValid = validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime();
        const times = [timeOf(validToDate), timeOf(validFromDate)];
        return [textAt(secret, 'name'), type, isValid, serialNumber.toLowerCase(), ...times];
      }),
    ),
  ),
});
