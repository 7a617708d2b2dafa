// The tables of `weft proxy-config`, from what a proxy's admin interface says. Called by proxy-config.ts.
import { formatHostPort } from '../lib/host-port.ts';
import type { Route, RouteAction, RouteMatch } from '../model/route.ts';
import type { Cluster, FilterChain, Listener, RouteTable, WeightedCluster } from '../model/snapshot.ts';
import type { TextColumn } from './text-table.ts';

export interface Rows {
  readonly columns: readonly TextColumn[];
  readonly rows: readonly (readonly unknown[])[];
}

const columns = (...names: string[]): TextColumn[] => names.map((name) => ({ name, state: name === 'Status' }));

/** `a`, or `a: 90%, b: 10%`. */
const formatTargets = (targets: readonly WeightedCluster[]): string => {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  if (targets.length === 1) return targets[0]!.cluster;
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
  handler.type === 'http' ? `Route: ${handler.routes}` : `Cluster: ${formatTargets(handler.targets)}`;

export const listenerRows = (listeners: readonly Listener[]): Rows => ({
  columns: columns('Name', 'Address', 'Port', 'Match', 'Destination'),
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
  return formatTargets(action.targets);
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
  columns: columns('Table', 'Domains', 'Match', 'Route', 'Destination'),
  rows: tables.flatMap(({ name, virtualHosts, tunnels }) => [
    ...virtualHosts.flatMap(({ domains, routes }) =>
      routes.map((route) => routeRow(name, formatDomains(domains), route)),
    ),
    ...tunnels.map(({ authorities, protocol, targets }) => [
      name,
      formatDomains(authorities),
      'CONNECT',
      `tunnel (${protocol})`,
      formatTargets(targets),
    ]),
  ]),
});

export const clusterRows = (clusters: readonly Cluster[]): Rows => ({
  columns: columns('Service FQDN', 'Port', 'Subset', 'Direction', 'Type', 'TLS', 'Balancing'),
  rows: clusters.map(({ name, discovery, tls, loadBalancing }) => {
    const [direction, port, subset, host, more] = name.split('|');
    const isNamed = host !== undefined && more === undefined;
    const [fqdn, ...rest] = isNamed ? [host, port, subset, direction] : [name, '-', '-', '-'];
    const cells = [fqdn, ...rest].map((cell) => cell || '-');
    return [...cells, discovery.type.toUpperCase(), tls.mode, loadBalancing];
  }),
});

export interface ClusterStatus {
  readonly name: string;
  readonly host_statuses: readonly {
    readonly address: { readonly socket_address: { readonly address: string; readonly port_value: number } };
    readonly health_status: { readonly eds_health_status: string };
    readonly stats: readonly { readonly name: string; readonly value: string }[];
    readonly weight: number;
  }[];
}

export const endpointRows = (statuses: readonly ClusterStatus[]): Rows => ({
  columns: columns('Endpoint', 'Status', 'Weight', 'Active', 'Total', 'Cluster'),
  rows: statuses.flatMap(({ name, host_statuses }) =>
    host_statuses.map(({ address, health_status, stats, weight }) => {
      const { address: host, port_value } = address.socket_address;
      const count = (wanted: string) => stats.find((stat) => stat.name === wanted)?.value ?? '0';
      const health = health_status.eds_health_status;
      return [formatHostPort(host, port_value), health, weight, count('rq_active'), count('rq_total'), name];
    }),
  ),
});

interface ShownCertificate {
  readonly path: string;
  readonly serial_number: string;
  readonly days_until_expiration: string;
  readonly valid_from: string;
  readonly expiration_time: string;
}

export interface ShownCertificates {
  readonly ca_cert: readonly ShownCertificate[];
  readonly cert_chain: readonly ShownCertificate[];
}

export const secretRows = (certificates: readonly ShownCertificates[], nowMs: number): Rows => {
  const row = (type: string) => (one: ShownCertificate) => {
    const isValid = Date.parse(one.valid_from) <= nowMs && nowMs < Date.parse(one.expiration_time);
    return [one.path, type, isValid, one.serial_number, one.expiration_time, one.valid_from];
  };
  return {
    columns: columns('Name', 'Type', 'Valid', 'Serial number', 'Not after', 'Not before'),
    rows: certificates.flatMap(({ cert_chain, ca_cert }) => [
      ...cert_chain.map(row('Cert Chain')),
      ...ca_cert.map(row('CA')),
    ]),
  };
};
