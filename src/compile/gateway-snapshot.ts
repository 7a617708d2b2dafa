// The snapshot of a gateway: its Gateways' listeners merged by port, and only the clusters that their routes lead to. Used by snapshot.ts.
import type { GatewayListener, Mesh, MeshGateway } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { AuthorizationPolicy } from '../model/policy.ts';
import type {
  Cluster,
  EndpointSet,
  FilterChain,
  HttpHandler,
  Listener,
  RouteTable,
  Snapshot,
  TlsSecret,
  VirtualHost,
} from '../model/snapshot.ts';
import { bySpecificity, coversHostname } from './hostnames.ts';
import type { Outbound } from './outbound.ts';
import { matchesLabels } from './selection.ts';
import { HEAD_TIMEOUT_MS, HTTP_IDLE_MS } from './sidecar.ts';

const DEFAULT_BIND = '127.0.0.1';

/** The listeners of all served Gateways that share an address and port. */
interface Port {
  readonly address: string;
  readonly port: number;
  readonly protocol: GatewayListener['protocol'];
  readonly listeners: { readonly listener: GatewayListener; readonly gateway: MeshGateway }[];
}

export const buildGateway = (mesh: Mesh, node: ProxyNode, outbound: Outbound): Snapshot => {
  const bind = node.bindAddress ?? DEFAULT_BIND;
  const listeners = new Map<string, Listener>();
  const routes = new Map<string, RouteTable>();
  const secrets = new Map<string, TlsSecret>();
  for (const port of portsOf(mesh, node, bind)) {
    const name = port.address === bind ? `gateway/${port.port}` : `gateway/${port.address}:${port.port}`;
    const authorize = (own: Port['listeners']) => policiesFor(mesh, node, new Set(own.map(({ gateway }) => gateway)));
    const { chains, tables } = (port.protocol === 'HTTPS' ? httpsChains : httpChains)(name, port, authorize);
    for (const table of tables) routes.set(table.name, table);
    for (const secret of port.listeners.flatMap(({ listener }) => listener.secrets)) secrets.set(secret.name, secret);
    listeners.set(name, { name, address: port.address, port: port.port, direction: 'gateway', chains });
  }
  return { revision: mesh.revision, listeners, routes, ...reachedBy(routes.values(), outbound), secrets };
};

const portsOf = (mesh: Mesh, node: ProxyNode, bind: string): Port[] => {
  const ports = new Map<string, Port>();
  for (const [key, gateway] of mesh.gateways) {
    if (node.gateway !== undefined && node.gateway !== key) continue;
    for (const listener of gateway.listeners) {
      for (const address of gateway.addresses.length > 0 ? gateway.addresses : [bind]) {
        const id = `${address} ${listener.port}`;
        const { port: number, protocol } = listener;
        const port = ports.get(id) ?? { address, port: number, protocol, listeners: [] };
        // compile has said so in the later one's status.
        if (port.protocol !== protocol) continue;
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

const handlerOf = (routes: string, authorization: readonly AuthorizationPolicy[]): HttpHandler => ({
  type: 'http',
  routes,
  authorization,
  explicitProxy: false,
  edge: true,
  idleTimeoutMs: HTTP_IDLE_MS,
  headTimeoutMs: HEAD_TIMEOUT_MS,
});

type Authorize = (own: Port['listeners']) => readonly AuthorizationPolicy[];

const httpChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  // On a port that Gateways share, each host name has the policies of its own; behind any other there is nothing.
  const isShared = new Set(listeners.map(({ gateway }) => gateway)).size > 1;
  const virtualHosts = virtualHostsOf(listeners, isShared ? authorize : undefined);
  const table: RouteTable = { name, virtualHosts, tunnels: [] };
  const authorization = isShared ? [] : authorize(listeners);
  const chain: FilterChain = { name, match: { serverNames: [] }, handler: handlerOf(name, authorization) };
  return { chains: [chain], tables: [table] };
};

/** One chain for each host name of a listener: which certificate is shown, and which routes are behind it. */
const httpsChains = (name: string, { listeners }: Port, authorize: Authorize) => {
  const byHostname = new Map<string, Port['listeners']>();
  for (const entry of listeners) {
    const hostname = entry.listener.hostname ?? '*';
    byHostname.set(hostname, [...(byHostname.get(hostname) ?? []), entry]);
  }
  const chains: FilterChain[] = [];
  const tables: RouteTable[] = [];
  for (const hostname of [...byHostname.keys()].sort(bySpecificity)) {
    const own = byHostname.get(hostname) ?? [];
    const table = `${name}/${hostname}`;
    const secrets = own.flatMap(({ listener }) => listener.secrets.map((secret) => secret.name));
    tables.push({ name: table, virtualHosts: virtualHostsOf(own), tunnels: [] });
    chains.push({
      name: table,
      match: { transport: 'tls', serverNames: hostname === '*' ? [] : [hostname] },
      tls: { mode: 'terminate', secrets: [...new Set(secrets)] },
      handler: handlerOf(table, authorize(own)),
    });
  }
  return { chains, tables };
};

/** A request belongs to the listener with the most specific host name, even when that one has no route for it. */
const virtualHostsOf = (listeners: Port['listeners'], authorize?: Authorize): VirtualHost[] => {
  const names = [...new Set(listeners.map(({ listener }) => listener.hostname ?? '*'))].sort(bySpecificity);
  const ownerOf = (hostname: string) => names.find((name) => coversHostname(name, hostname));
  const hosts = new Map<string, VirtualHost>();
  for (const { listener } of listeners) {
    for (const { hostname, routes } of listener.hosts) {
      if (ownerOf(hostname) !== (listener.hostname ?? '*')) continue;
      const before = hosts.get(hostname);
      // Two Gateways with the same port and host name: the older one's routes are asked first.
      const all = before ? [...new Set([...before.routes, ...routes])] : routes;
      hosts.set(hostname, { name: hostname, domains: [hostname], routes: all });
    }
  }
  for (const name of names) if (!hosts.has(name)) hosts.set(name, { name, domains: [name], routes: [] });
  return [...hosts.keys()].sort(bySpecificity).map((hostname) => {
    const host = hosts.get(hostname)!;
    if (!authorize) return host;
    const owners = listeners.filter(({ listener }) => (listener.hostname ?? '*') === ownerOf(hostname));
    return { ...host, authorization: authorize(owners) };
  });
};

const reachedBy = (tables: Iterable<RouteTable>, outbound: Outbound) => {
  const clusters = new Map<string, Cluster>();
  const endpoints = new Map<string, EndpointSet>();
  for (const { virtualHosts } of tables) {
    for (const { action } of virtualHosts.flatMap(({ routes }) => routes)) {
      if (action.type !== 'forward') continue;
      for (const { cluster: name } of action.targets) {
        const cluster = clusters.has(name) ? undefined : outbound.clusters.get(name);
        if (!cluster) continue;
        clusters.set(name, cluster);
        const set = outbound.endpoints.get(name);
        if (set) endpoints.set(name, set);
      }
    }
  }
  return { clusters, endpoints };
};
