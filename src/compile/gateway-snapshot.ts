// The snapshot of a gateway: its Gateways' listeners merged by port, and only the clusters that their routes lead to. Used by snapshot.ts.
import { isDeepStrictEqual } from 'node:util';
import type { HealthCheck } from '../model/balancing.ts';
import type { BackendTls, BackendTraffic, ClientSettings, GatewayListener, Mesh, MeshGateway } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { AuthorizationPolicy, PolicyRule } from '../model/policy.ts';
import type { Route } from '../model/route.ts';
import {
  type Cluster,
  type EndpointSet,
  type FilterChain,
  type HttpHandler,
  INVALID_CLUSTER,
  type Listener,
  type RouteTable,
  type SimpleTls,
  type Snapshot,
  type SnapshotSecret,
  type TerminateTls,
  type TlsSecret,
  type VirtualHost,
  type WeightedCluster,
} from '../model/snapshot.ts';
import { baseCluster, isPassedOn, splitCluster, withoutTls } from './cluster-names.ts';
import { bySpecificity, coversHostname, mostSpecificOf } from './hostnames.ts';
import { keepEqual, sameItems } from './keep.ts';
import type { Outbound } from './outbound.ts';
import { routeClusters } from './route-clusters.ts';
import { matchesLabels } from './selection.ts';
import { HEAD_TIMEOUT_MS, HTTP_IDLE_MS, TCP_IDLE_MS, UDP_IDLE_MS } from './sidecar.ts';

const DEFAULT_BIND = '127.0.0.1';

/** HTTPS and TLS share a port: the server name tells them apart. */
type Family = 'HTTP' | 'TLS' | 'TCP' | 'UDP';

const familyOf = (protocol: GatewayListener['protocol']): Family => (protocol === 'HTTPS' ? 'TLS' : protocol);

/** The listeners of all served Gateways that share an address and port. */
interface Port {
  readonly address: string;
  readonly port: number;
  readonly family: Family;
  readonly listeners: { readonly listener: GatewayListener; readonly gateway: MeshGateway }[];
}

export const buildGateway = (mesh: Mesh, node: ProxyNode, outbound: Outbound, before?: Snapshot): Snapshot => {
  const bind = node.bindAddress ?? DEFAULT_BIND;
  const listeners = new Map<string, Listener>();
  const routes = new Map<string, RouteTable>();
  const secrets = new Map<string, SnapshotSecret>();
  for (const port of portsOf(mesh, node, bind)) {
    const place = port.address === bind ? `${port.port}` : `${port.address}:${port.port}`;
    const name = `gateway/${place}${port.family === 'UDP' ? '/udp' : ''}`;
    const authorize = (own: Port['listeners']) => policiesFor(mesh, node, new Set(own.map(({ gateway }) => gateway)));
    const { chains, tables } = chainsOf[port.family](name, port, authorize);
    for (const table of tables) routes.set(table.name, table);
    for (const { listener } of port.listeners) {
      for (const secret of listener.secrets) secrets.set(secret.name, secret);
      const authorities = listener.client?.validation?.secret;
      if (authorities) secrets.set(authorities.name, authorities);
    }
    listeners.set(name, {
      name,
      address: port.address,
      port: port.port,
      direction: 'gateway',
      ...transportOf(port),
      chains: port.family === 'TLS' ? chains.map((chain) => passOn(chain, mesh.backendTls)) : chains,
    });
  }
  const reached = reachedBy(clusterNames(listeners, routes), mesh, outbound, before);
  for (const name of reached.clusters.keys()) {
    const tls = mesh.backendTls.get(baseCluster(name));
    if (!tls || isPassedOn(name)) continue;
    const certificate = mesh.gateways.get(splitCluster(name).gateway ?? '')?.backendCertificate;
    applyBackendTls(name, tls, certificate, reached, before);
    if (tls.refused) continue;
    if (tls.ca) secrets.set(tls.ca.name, tls.ca);
    if (certificate) secrets.set(certificate.name, certificate);
  }
  return { revision: mesh.revision, listeners, routes, ...reached, secrets };
};

/** What is true before a listener is told by name; of those that share the port the oldest Gateway's says it. */
const transportOf = ({ family, listeners: [first] }: Port): Pick<Listener, 'transport' | 'proxyProtocol'> => {
  if (family === 'UDP') return { transport: 'udp' };
  const proxyProtocol = first?.listener.client?.proxyProtocol;
  return proxyProtocol ? { proxyProtocol } : {};
};

const portsOf = (mesh: Mesh, node: ProxyNode, bind: string): Port[] => {
  const ports = new Map<string, Port>();
  for (const [key, gateway] of mesh.gateways) {
    if (node.gateway !== undefined && node.gateway !== key) continue;
    const addresses = gateway.addresses.length > 0 ? new Set(gateway.addresses.map((given) => given || bind)) : [bind];
    for (const listener of gateway.listeners) {
      for (const address of addresses) {
        const family = familyOf(listener.protocol);
        const id = `${address} ${listener.port}${family === 'UDP' ? '/udp' : ''}`;
        const port = ports.get(id) ?? { address, port: listener.port, family, listeners: [] };
        // compile has said so in the later one's status.
        if (port.family !== family) continue;
        port.listeners.push({ listener, gateway });
        ports.set(id, port);
      }
    }
  }
  return [...ports.values()];
};

/**
 * Policies that reach this proxy as any workload, and those that name one of `gateways`. Where Gateways share a port and
 * a host name too, a policy for one of them is for both.
 */
const policiesFor = ({ policies }: Mesh, node: ProxyNode, gateways: Iterable<MeshGateway>): AuthorizationPolicy[] => {
  const names = new Set([...gateways].map(({ namespace, name }) => `${namespace} Gateway/${name}`));
  return policies
    .filter(({ scope }) => {
      if (scope.target !== undefined) return names.has(`${scope.namespace} ${scope.target}`);
      if (scope.namespace !== undefined && scope.namespace !== node.namespace) return false;
      return scope.labels === undefined || matchesLabels(scope.labels, node.labels);
    })
    .map(({ policy }) => policy);
};

const handlerOf = (
  routes: string,
  authorization: readonly AuthorizationPolicy[],
  client: ClientSettings | undefined,
): HttpHandler => ({
  type: 'http',
  routes,
  authorization,
  explicitProxy: false,
  edge: true,
  ...(client?.clientCert && { clientCert: client.clientCert }),
  idleTimeoutMs: client?.idleTimeoutMs ?? HTTP_IDLE_MS,
  // The head is a part of the request.
  headTimeoutMs: Math.min(HEAD_TIMEOUT_MS, client?.limits?.requestTimeoutMs ?? HEAD_TIMEOUT_MS),
  ...(client?.limits && { limits: client.limits }),
  ...(client?.accessLogs && { accessLogs: client.accessLogs }),
});

const limitOf = (client: ClientSettings | undefined): Pick<FilterChain, 'maxConnections'> =>
  client?.maxConnections === undefined ? {} : { maxConnections: client.maxConnections };

type Authorize = (own: Port['listeners']) => readonly AuthorizationPolicy[];

const httpChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  // On a port that Gateways share, each host name has the policies of its own; behind any other there is nothing.
  const isShared = new Set(listeners.map(({ gateway }) => gateway)).size > 1;
  const virtualHosts = virtualHostsOf(listeners, isShared ? authorize : undefined);
  const table: RouteTable = { name, virtualHosts, tunnels: [] };
  const authorization = isShared ? [] : authorize(listeners);
  // Before the first request nothing tells their listeners apart: what they don't agree on is left to the default.
  const [client, ...others] = listeners.map(({ listener }) => listener.client);
  const ofHttp = (settings: ClientSettings = {}) => ({
    ...settings,
    tls: undefined,
    validation: undefined,
    proxyProtocol: undefined,
  });
  const agreed = others.every((other) => isDeepStrictEqual(ofHttp(other), ofHttp(client))) ? client : undefined;
  const handler = handlerOf(name, authorization, agreed);
  const chain: FilterChain = { name, match: { serverNames: [] }, ...limitOf(agreed), handler };
  return { chains: [chain], tables: [table] };
};

/**
 * HTTPS: one chain for each host name of a listener, which says what certificate is shown and which routes are behind it.
 * TLS: one for each server name of a route, so that a passed-through connection needs no second look.
 */
const tlsChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  const byHostname = new Map<string, Port['listeners']>();
  for (const entry of listeners) {
    const hostname = entry.listener.hostname ?? '*';
    byHostname.set(hostname, [...(byHostname.get(hostname) ?? []), entry]);
  }
  const chains: FilterChain[] = [];
  const tables: RouteTable[] = [];
  const names = new Set(byHostname.keys());
  for (const hostname of [...names].sort(bySpecificity)) {
    const own = byHostname.get(hostname) ?? [];
    const [first] = own;
    const protocol = first?.listener.protocol;
    // Two Gateways may want one name for different protocols, or clients: the older one has it.
    const same = own.filter(
      ({ listener }) =>
        listener.protocol === protocol &&
        isDeepStrictEqual(listener.client?.validation, first?.listener.client?.validation),
    );
    const secrets = same.flatMap(({ listener }) => listener.secrets.map((secret) => secret.name));
    const { client } = first?.listener ?? {};
    const tls = terminateTls([...new Set(secrets)], client);
    if (protocol === 'HTTPS') {
      const table = `${name}/${hostname}`;
      const virtualHosts = withMisdirected(virtualHostsOf(same), hostname, names);
      tables.push({ name: table, virtualHosts, tunnels: [] });
      const handler = handlerOf(table, authorize(same), client);
      chains.push({ name: table, match: matchName(hostname), ...limitOf(client), tls, handler });
    } else {
      for (const [serverName, targets] of streamsOf(same, hostname)) {
        const handler = tcpHandler(targets, authorize(same), client);
        const decrypts = secrets.length > 0 ? { tls } : {};
        const match = matchName(serverName);
        chains.push({ name: `${name}/${serverName}`, match, ...limitOf(client), ...decrypts, handler });
      }
    }
  }
  const byName = (a: FilterChain, b: FilterChain) =>
    bySpecificity(a.match.serverNames[0] ?? '*', b.match.serverNames[0] ?? '*');
  return { chains: distinctNames(chains.sort(byName)), tables };
};

const terminateTls = (secrets: readonly string[], client: ClientSettings | undefined): TerminateTls => ({
  mode: 'terminate',
  secrets,
  ...client?.tls,
  ...(client?.validation && { clientValidation: { ...client.validation, secret: client.validation.secret.name } }),
});

const matchName = (hostname: string): FilterChain['match'] => ({
  transport: 'tls',
  serverNames: hostname === '*' ? [] : [hostname],
});

/** A route at a listener with a wide name may have the name of another listener, or of a route there: those come first. */
const distinctNames = (chains: readonly FilterChain[]): FilterChain[] => {
  const seen = new Set<string>();
  return chains.filter(({ name }) => !seen.has(name) && seen.add(name));
};

/** What comes in TLS that isn't ended here goes on in it, and in no other. */
const passOn = (chain: FilterChain, backendTls: Mesh['backendTls']): FilterChain => {
  const { tls, handler } = chain;
  if (tls || handler.type !== 'tcp') return chain;
  if (!handler.targets.some(({ cluster }) => backendTls.has(baseCluster(cluster)))) return chain;
  const targets = handler.targets.map((target) => ({ ...target, cluster: withoutTls(target.cluster) }));
  return { ...chain, handler: { ...handler, targets } };
};

/** What is asked for under no route's name is closed at once, and does not fall to a wider listener. */
const streamsOf = (listeners: Port['listeners'], hostname: string): Map<string, readonly WeightedCluster[]> => {
  const found = new Map<string, readonly WeightedCluster[]>();
  for (const { listener } of listeners) {
    for (const stream of listener.streams) {
      if (!found.has(stream.hostname)) found.set(stream.hostname, stream.targets);
    }
  }
  if (!found.has(hostname)) found.set(hostname, NOWHERE);
  return found;
};

const NOWHERE: readonly WeightedCluster[] = [{ cluster: INVALID_CLUSTER, weight: 1 }];

const tcpHandler = (
  targets: readonly WeightedCluster[],
  authorization: readonly AuthorizationPolicy[],
  client: ClientSettings | undefined,
): FilterChain['handler'] => ({
  type: 'tcp',
  targets,
  authorization,
  idleTimeoutMs: client?.tcpIdleTimeoutMs ?? TCP_IDLE_MS,
});

const tcpChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  const targets = streamsOf(listeners, '*').get('*') ?? NOWHERE;
  const { client } = listeners[0]?.listener ?? {};
  const handler = tcpHandler(targets, authorize(listeners), client);
  const chain: FilterChain = { name, match: { serverNames: [] }, ...limitOf(client), handler };
  return { chains: [chain], tables: [] };
};

const udpChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  const targets = (letsAllIn(authorize(listeners)) && streamsOf(listeners, '*').get('*')) || NOWHERE;
  const handler = { type: 'udp', targets, idleTimeoutMs: UDP_IDLE_MS } as const;
  const chain: FilterChain = { name, match: { serverNames: [] }, handler };
  return { chains: [chain], tables: [] };
};

/** Datagrams are asked nothing: they are let in only where policies can't refuse one. */
const letsAllIn = (policies: readonly AuthorizationPolicy[]): boolean => {
  const allow = policies.filter(({ action }) => action === 'ALLOW');
  const isOpen = ({ from, to, when }: PolicyRule) => from.length + to.length + when.length === 0;
  const denies = policies.some(({ action, rules }) => action === 'DENY' && rules.length > 0);
  return !denies && (allow.length === 0 || allow.some(({ rules }) => rules.some(isOpen)));
};

const chainsOf: Readonly<
  Record<
    Family,
    (
      name: string,
      port: Port,
      authorize: Authorize,
    ) => { readonly chains: readonly FilterChain[]; readonly tables: readonly RouteTable[] }
  >
> = { HTTP: httpChains, TLS: tlsChains, TCP: tcpChains, UDP: udpChains };

/** A request belongs to the listener with the most specific host name, even when that one has no route for it. */
const virtualHostsOf = (listeners: Port['listeners'], authorize?: Authorize): readonly VirtualHost[] => {
  const own = listeners.map(({ listener }) => listener);
  const memo = authorize || !own[0] ? undefined : hostLists.get(own[0]);
  if (memo && sameItems(memo.listeners, own)) return memo.hosts;
  const hosts = mergeHosts(listeners, authorize);
  if (!authorize && own[0]) hostLists.set(own[0], { listeners: own, hosts });
  return hosts;
};

/** By the first listener: those of a port, and their hosts. */
const hostLists = new WeakMap<
  GatewayListener,
  { readonly listeners: readonly GatewayListener[]; readonly hosts: readonly VirtualHost[] }
>();

const mergeHosts = (listeners: Port['listeners'], authorize: Authorize | undefined): VirtualHost[] => {
  const names = [...new Set(listeners.map(({ listener }) => listener.hostname ?? '*'))].sort(bySpecificity);
  const known = new Set(names);
  const ownerOf = (hostname: string) => mostSpecificOf(known, hostname);
  const hosts = new Map<string, VirtualHost>();
  for (const { listener } of listeners) {
    for (const { hostname, routes } of listener.hosts) {
      if (ownerOf(hostname) !== (listener.hostname ?? '*')) continue;
      const before = hosts.get(hostname);
      // Two Gateways with the same port and host name: the older one's routes are asked first.
      const all = before ? [...new Set([...before.routes, ...routes])] : routes;
      hosts.set(hostname, virtualHost(hostname, all));
    }
  }
  for (const name of names) if (!hosts.has(name)) hosts.set(name, virtualHost(name, []));
  return [...hosts.keys()].sort(bySpecificity).map((hostname) => {
    const host = hosts.get(hostname)!;
    if (!authorize) return host;
    const owners = listeners.filter(({ listener }) => (listener.hostname ?? '*') === ownerOf(hostname));
    return { ...host, authorization: authorize(owners) };
  });
};

// With more, and no listener for every name, 421 is also said where no listener has the name: tables would grow with the
// square of the listeners.
const MAX_TOLD_APART = 64;

/**
 * A client may reuse a connection for another name that the certificate has: what belongs to another listener by its host
 * name gets 421, and comes back by a connection of its own. `hostname` is that of the connection's listener.
 */
const withMisdirected = (
  hosts: readonly VirtualHost[],
  hostname: string,
  names: ReadonlySet<string>,
): readonly VirtualHost[] => {
  if (names.size < 2) return hosts;
  const own = hosts.filter(({ name }) => mostSpecificOf(names, name) === hostname);
  const isOther = (name: string) => name !== hostname;
  const isWide = hostname.startsWith('*');
  const within = isWide ? [...names].filter((name) => isOther(name) && coversHostname(hostname, name)) : [];
  const together = names.has('*') || names.size > MAX_TOLD_APART;
  const around = together ? ['*'] : [...names].filter((name) => !coversHostname(hostname, name));
  const others = [...within, ...around].filter(isOther);
  const misdirected = others.map((name) => ({ name, domains: [name], routes: [MISDIRECTED] }));
  return [...own, ...misdirected].sort((a, b) => bySpecificity(a.name, b.name));
};

const MISDIRECTED: Route = {
  name: 'misdirected',
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
  filters: [],
  action: { type: 'direct', status: 421, body: '' },
};

const virtualHosts = new WeakMap<readonly Route[], VirtualHost>();

/** Mostly the same object as before, for the same list of routes. */
const virtualHost = (hostname: string, routes: readonly Route[]): VirtualHost => {
  const known = virtualHosts.get(routes);
  if (known?.name === hostname) return known;
  const host = { name: hostname, domains: [hostname], routes };
  virtualHosts.set(routes, host);
  return host;
};

/** Every cluster that the listeners' handlers lead to. */
const clusterNames = function* (
  listeners: ReadonlyMap<string, Listener>,
  tables: ReadonlyMap<string, RouteTable>,
): Generator<string> {
  for (const { chains } of listeners.values()) {
    for (const { handler } of chains)
      if (handler.type === 'tcp' || handler.type === 'udp') for (const { cluster } of handler.targets) yield cluster;
  }
  for (const { virtualHosts } of tables.values()) yield* clustersOfHosts(virtualHosts);
};

/** By a list of hosts: the same list leads to the same clusters. */
const hostClusters = new WeakMap<readonly VirtualHost[], readonly string[]>();

const clustersOfHosts = (hosts: readonly VirtualHost[]): readonly string[] => {
  const known = hostClusters.get(hosts) ?? [...new Set(hosts.flatMap(({ routes }) => clustersOf(routes)))];
  hostClusters.set(hosts, known);
  return known;
};

const clusterLists = new WeakMap<readonly Route[], readonly string[]>();

/** Remembered by the list: most hosts of a large table are as they were. */
const clustersOf = (routes: readonly Route[]): readonly string[] => {
  let names = clusterLists.get(routes);
  if (!names) {
    names = [...new Set(routes.flatMap(routeClusters))];
    clusterLists.set(routes, names);
  }
  return names;
};

interface Reached {
  readonly clusters: Map<string, Cluster>;
  readonly endpoints: Map<string, EndpointSet>;
}

const applyBackendTls = (
  name: string,
  tls: BackendTls,
  certificate: TlsSecret | undefined,
  { clusters, endpoints }: Reached,
  before: Snapshot | undefined,
): void => {
  const cluster = clusters.get(name)!;
  if (tls.refused) {
    clusters.set(
      name,
      keepEqual(before?.clusters.get(name), { ...cluster, discovery: { type: 'static', endpoints: [] } }),
    );
    endpoints.delete(name);
    return;
  }
  const { sni, ca, subjectAltNames } = tls;
  const simple: SimpleTls = {
    mode: 'simple',
    sni,
    ...(ca && { ca: ca.name }),
    ...(subjectAltNames && { subjectAltNames }),
    ...(certificate && { certificate: certificate.name }),
  };
  clusters.set(name, keepEqual(before?.clusters.get(name), { ...cluster, tls: simple }));
};

const reachedBy = (
  names: Iterable<string>,
  { backendTraffic }: Mesh,
  outbound: Outbound,
  before: Snapshot | undefined,
): Reached => {
  const clusters = new Map<string, Cluster>();
  const endpoints = new Map<string, EndpointSet>();
  for (const name of names) {
    if (clusters.has(name)) continue;
    const { cluster: plain, policy, gateway } = splitCluster(name);
    const found = outbound.reach(plain);
    if (!found) continue;
    if (policy === undefined && gateway === undefined) {
      clusters.set(name, found.cluster);
      if (found.endpoints) endpoints.set(name, found.endpoints);
      continue;
    }
    const cluster = withTraffic(name, found, backendTraffic.get(policy ?? '') ?? {});
    clusters.set(name, keepEqual(before?.clusters.get(name), cluster));
    if (found.endpoints) {
      const { zoneWeights } = cluster;
      const set = { ...found.endpoints, cluster: name, ...(zoneWeights && { zoneWeights }) };
      endpoints.set(name, keepEqual(before?.endpoints.get(name), set));
    }
  }
  return { clusters, endpoints };
};

/** Of what is said of connections, datagrams have none; and workloads of the mesh would take a header for TLS. */
const withTraffic = (
  name: string,
  { cluster, endpoints }: NonNullable<ReturnType<Outbound['reach']>>,
  { proxyProtocol, healthCheck, ...traffic }: BackendTraffic,
): Cluster => {
  const takesHeader = cluster.protocol !== 'udp' && !endpoints?.endpoints.some(({ mesh }) => mesh);
  return {
    ...cluster,
    ...traffic,
    name,
    ...(takesHeader && proxyProtocol && { proxyProtocol }),
    ...(healthCheck && checkFor(cluster, healthCheck)),
  };
};

/** Datagrams are no connection; and of what does not speak HTTP/2 a connection is asked for in place of gRPC. */
const checkFor = ({ protocol, keepsVersion }: Cluster, check: HealthCheck): Pick<Cluster, 'healthCheck'> => {
  if (protocol === 'udp') return {};
  const isUnderstood = check.probe.type !== 'grpc' || protocol === 'http2' || keepsVersion;
  return { healthCheck: isUnderstood ? check : { ...check, probe: { type: 'tcp' } } };
};
