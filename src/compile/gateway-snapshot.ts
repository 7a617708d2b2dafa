// The snapshot of a gateway: its Gateways' listeners merged by port, and only the clusters that their routes lead to. Used by snapshot.ts.
import { isDeepStrictEqual } from 'node:util';
import type { ClientSettings, GatewayListener, Mesh, MeshGateway } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { AuthorizationPolicy, PolicyRule } from '../model/policy.ts';
import {
  type FilterChain,
  type HttpHandler,
  INVALID_CLUSTER,
  type Listener,
  type RouteTable,
  type Snapshot,
  type SnapshotSecret,
  type TerminateTls,
  type WeightedCluster,
} from '../model/snapshot.ts';
import { baseCluster, isPassedOn, splitCluster, withoutTls } from './cluster-names.ts';
import { applyBackendTls, clusterNames, reachedBy } from './gateway-clusters.ts';
import { type Authorize, type PortListeners, virtualHostsOf, withMisdirected } from './gateway-hosts.ts';
import { bySpecificity } from './hostnames.ts';
import type { Outbound } from './outbound.ts';
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
  readonly listeners: PortListeners[number][];
}

export const buildGateway = (mesh: Mesh, node: ProxyNode, outbound: Outbound, before?: Snapshot): Snapshot => {
  const bind = node.bindAddress ?? DEFAULT_BIND;
  const listeners = new Map<string, Listener>();
  const routes = new Map<string, RouteTable>();
  const secrets = new Map<string, SnapshotSecret>();
  for (const port of portsOf(mesh, node, bind)) {
    const place = port.address === bind ? `${port.port}` : `${port.address}:${port.port}`;
    const name = `gateway/${place}${port.family === 'UDP' ? '/udp' : ''}`;
    const authorize = (own: PortListeners) => policiesFor(mesh, node, new Set(own.map(({ gateway }) => gateway)));
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
  for (const name of mesh.backendTls.size > 0 ? reached.clusters.keys() : []) {
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
  const byHostname = new Map<string, PortListeners>();
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
const streamsOf = (listeners: PortListeners, hostname: string): Map<string, readonly WeightedCluster[]> => {
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
