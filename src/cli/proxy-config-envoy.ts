// The tables of `weft proxy-config` from what an Envoy's admin interface says: the same columns as for Weft's own proxy.
// Called by proxy-config.ts.
import { at, isObject, type JsonObject, listAt, namesAt, textAt } from './admin-json.ts';
import { clusterCells, columnsOf, formatShares, type Rows } from './proxy-config-rows.ts';

/** `a`, or shares of several. */
const targetsOf = (action: unknown): string => {
  const single = textAt(action, 'cluster');
  if (single !== '') return single;
  const shares = listAt(action, 'weighted_clusters', 'clusters').map((one) => ({
    cluster: textAt(one, 'name'),
    weight: Number(at(one, 'weight') ?? 0),
  }));
  return formatShares(shares);
};

const formatChainMatch = (chain: unknown): string => {
  const names = namesAt(chain, 'filter_chain_match', 'server_names');
  const transport = textAt(chain, 'filter_chain_match', 'transport_protocol');
  const tls = at(chain, 'transport_socket', 'typed_config');
  const isMesh = listAt(tls, 'common_tls_context', 'tls_certificate_sds_secret_configs').some(
    (secret) => textAt(secret, 'name') === 'default',
  );
  const parts = [
    transport === 'raw_buffer' ? 'plain text' : transport === 'tls' ? 'TLS' : '',
    names.length > 0 ? `SNI: ${names.join(',')}` : '',
    tls === undefined ? '' : isMesh ? 'mutual TLS' : 'terminates TLS',
  ].filter((part) => part !== '');
  return parts.length > 0 ? parts.join('; ') : 'ALL';
};

const destinationOf = (filters: readonly unknown[]): string => {
  const config = at(filters.at(-1), 'typed_config');
  const routes = textAt(config, 'rds', 'route_config_name');
  return routes === '' ? `Cluster: ${targetsOf(config) || '-'}` : `Route: ${routes}`;
};

const placeOf = (listener: unknown): readonly [address: string, port: string] => {
  const address = at(listener, 'address', 'socket_address');
  return [textAt(address, 'address') || '-', textAt(address, 'port_value') || '-'];
};

export const envoyListenerRows = (listeners: readonly JsonObject[]): Rows => ({
  columns: columnsOf('Name', 'Address', 'Port', 'Match', 'Destination'),
  rows: listeners.flatMap((listener) => {
    const udp = listAt(listener, 'listener_filters').filter((one) => textAt(one, 'name').includes('udp_proxy'));
    const chains = [...listAt(listener, 'filter_chains'), at(listener, 'default_filter_chain')].filter(isObject);
    const head = [textAt(listener, 'name'), ...placeOf(listener)];
    if (chains.length === 0) return [[...head, udp.length > 0 ? 'UDP' : 'ALL', '-']];
    return chains.map((chain) => [...head, formatChainMatch(chain), destinationOf(listAt(chain, 'filters'))]);
  }),
});

/** Exact, prefix and pattern, whichever way Envoy's match says it. */
const formatPath = (match: unknown): string => {
  const prefix = textAt(match, 'prefix') || textAt(match, 'path_separated_prefix');
  if (prefix !== '') return `${prefix}*`;
  const regex = textAt(match, 'safe_regex', 'regex');
  if (regex !== '') return `${regex} (regex)`;
  return textAt(match, 'path') || (at(match, 'connect_matcher') === undefined ? '' : 'CONNECT');
};

const wantedOf = (match: unknown): string =>
  textAt(match, 'string_match', 'exact') || textAt(match, 'string_match', 'safe_regex', 'regex') || '*';

const formatMatch = (match: unknown): string => {
  const headers = listAt(match, 'headers').map((one) => [textAt(one, 'name'), wantedOf(one)] as const);
  return [
    ...headers.filter(([name]) => name === ':method').map(([, value]) => value),
    formatPath(match),
    ...headers.filter(([name]) => name !== ':method').map(([name, value]) => `${name}: ${value}`),
    ...listAt(match, 'query_parameters').map((one) => `?${textAt(one, 'name')}=${wantedOf(one)}`),
  ].join(' ');
};

const formatAction = (route: unknown): string => {
  const redirect = at(route, 'redirect');
  if (redirect !== undefined) return `redirects (${REDIRECTS[textAt(redirect, 'response_code')] ?? 301})`;
  const status = textAt(route, 'direct_response', 'status');
  return status === '' ? targetsOf(at(route, 'route')) || '-' : `answers ${status}`;
};

const REDIRECTS: Readonly<Record<string, number>> = {
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

const formatDomains = ([first = '', ...more]: readonly string[]): string =>
  more.length > 0 ? `${first} + ${more.length} more` : first;

export const envoyRouteRows = (tables: readonly JsonObject[]): Rows => ({
  columns: columnsOf('Table', 'Domains', 'Match', 'Route', 'Destination'),
  rows: tables.flatMap((table) =>
    listAt(table, 'virtual_hosts').flatMap((host) =>
      listAt(host, 'routes').map((route) => [
        textAt(table, 'name'),
        formatDomains(namesAt(host, 'domains')),
        formatMatch(at(route, 'match')),
        textAt(route, 'name') || '-',
        formatAction(route),
      ]),
    ),
  ),
});

const tlsOf = (cluster: unknown): string => {
  if (listAt(cluster, 'transport_socket_matches').length > 0) return 'mesh';
  const config = at(cluster, 'transport_socket', 'typed_config');
  if (!textAt(config, '@type').endsWith('UpstreamTlsContext')) return 'none';
  const certificates = listAt(config, 'common_tls_context', 'tls_certificate_sds_secret_configs');
  return certificates.some((one) => textAt(one, 'name') === 'default') ? 'mesh' : 'simple';
};

/** As Weft's clusters call it. */
const discoveryOf = (cluster: unknown): string => {
  const type = textAt(cluster, 'type') || 'STATIC';
  return type.endsWith('_DNS') ? 'DNS' : type;
};

export const envoyClusterRows = (clusters: readonly JsonObject[]): Rows => ({
  columns: columnsOf('Service FQDN', 'Port', 'Subset', 'Direction', 'Type', 'TLS', 'Balancing'),
  rows: clusters.map((cluster) => [
    ...clusterCells(textAt(cluster, 'name')),
    discoveryOf(cluster),
    tlsOf(cluster),
    (textAt(cluster, 'lb_policy') || 'ROUND_ROBIN').toLowerCase().replaceAll('_', '-'),
  ]),
});
