// The snapshot of a sidecar: its inbound listener, its outbound proxy, its fixed local ports. Used by snapshot.ts.
import type { Mesh, ScopedPolicy, ServicePort, Workload } from '../model/mesh.ts';
import { captureAddress } from '../model/name-record.ts';
import type { LocalPort, ProxyNode, SocketAddress } from '../model/node.ts';
import type { AuthorizationPolicy } from '../model/policy.ts';
import {
  type Cluster,
  type FilterChain,
  type HboneHandler,
  type HttpHandler,
  INVALID_CLUSTER,
  type Listener,
  type RouteTable,
  type ServiceRef,
  type Snapshot,
  type TcpHandler,
  type UdpHandler,
} from '../model/snapshot.ts';
import { inboundCluster, meshServerName, serviceHost } from './cluster-names.ts';
import type { Names } from './names.ts';
import {
  CONNECT_TIMEOUT_MS,
  defaultRoute,
  MAX_CONNECTIONS,
  MAX_PENDING,
  type Outbound,
  PLAIN_IDLE_MS,
} from './outbound.ts';
import { peerModeOf } from './peer-modes.ts';
import { protocolOf } from './protocol.ts';
import { matchesLabels } from './selection.ts';

/** Longer than callers keep an unused connection, so that the caller closes first. */
export const HTTP_IDLE_MS = 300_000;
export const HEAD_TIMEOUT_MS = 10_000;
export const TCP_IDLE_MS = 3_600_000;
export const UDP_IDLE_MS = 60_000;

interface Parts {
  readonly listeners: Map<string, Listener>;
  readonly routes: Map<string, RouteTable>;
  readonly clusters: Map<string, Cluster>;
}

/** Without the clusters that all sidecars share: there may be thousands, and they are the same object for all. */
export interface SidecarParts extends Omit<Snapshot, 'clusters'> {
  readonly own: ReadonlyMap<string, Cluster>;
}

export const buildSidecar = (mesh: Mesh, node: ProxyNode, outbound: Outbound, names: Names): SidecarParts => {
  const parts: Parts = { listeners: new Map(), routes: new Map(), clusters: new Map() };
  if (node.inbound) addInbound(mesh, node, node.inbound, parts);
  if (node.outbound) {
    const table = outbound.tableFor(node.namespace);
    parts.routes.set(table.name, table);
    const handler = httpHandler(table.name, { explicitProxy: true });
    add(parts, { name: 'outbound', ...node.outbound, direction: 'outbound', chains: [chain('outbound', {}, handler)] });
  }
  for (const local of [...node.localPorts, ...capturedPorts(node, names)]) addLocalPort(node, local, outbound, parts);
  const { listeners, routes, clusters } = parts;
  const { revision } = mesh;
  return { revision, listeners, routes, own: clusters, endpoints: outbound.endpoints, secrets: new Map(), names };
};

const add = ({ listeners }: Parts, listener: Listener): void => {
  listeners.set(listener.name, listener);
};

const chain = (
  name: string,
  match: Partial<FilterChain['match']>,
  handler: FilterChain['handler'],
  tls?: FilterChain['tls'],
): FilterChain => ({ name, match: { serverNames: [], ...match }, ...(tls ? { tls } : {}), handler });

const httpHandler = (routes: string, rest: Partial<HttpHandler> = {}): HttpHandler => ({
  type: 'http',
  routes,
  authorization: [],
  explicitProxy: false,
  edge: false,
  idleTimeoutMs: HTTP_IDLE_MS,
  headTimeoutMs: HEAD_TIMEOUT_MS,
  ...rest,
});

const tcpHandler = (cluster: string, rest: Partial<TcpHandler> = {}): TcpHandler => ({
  type: 'tcp',
  targets: [{ cluster, weight: 1 }],
  authorization: [],
  idleTimeoutMs: TCP_IDLE_MS,
  ...rest,
});

/** The workload as the mesh knows it, or as its proxy describes it until it is registered. */
type Self = Pick<Workload, 'namespace' | 'labels' | 'services'>;

const addInbound = (mesh: Mesh, node: ProxyNode, address: { address: string; port: number }, parts: Parts): void => {
  const known = mesh.workloads.get(`${node.namespace}/${node.name}`);
  const self: Self = known ?? { namespace: node.namespace, labels: node.labels, services: [] };
  // In the order that its user gave, which the metadata of an Envoy does not keep.
  const [first] = Object.entries(known?.ports ?? node.ports);
  const ports = new Set([...self.services.map(({ targetPort }) => targetPort), ...Object.values(node.ports)]);
  for (const port of ports) {
    const isHttp2 = self.services.some(({ targetPort, protocol }) => targetPort === port && protocol === 'http2');
    const cluster = appCluster(port, node.appAddress, isHttp2 ? 'http2' : 'http1');
    parts.clusters.set(cluster.name, cluster);
    parts.routes.set(cluster.name, {
      name: cluster.name,
      virtualHosts: [{ name: cluster.name, domains: ['*'], routes: [defaultRoute(cluster.name)] }],
      tunnels: [],
    });
  }
  const chains = self.services.flatMap((via) => serviceChains(mesh, self, via));
  if (first) chains.push(...fallbackChains(mesh, self, ...first));
  add(parts, { name: 'inbound', ...address, direction: 'inbound', chains });
  if (node.hbone && node.engine === 'weft') addHbone(mesh, self, node, node.hbone, [...ports], parts);
};

/** Callers name a port of the workload, and no service. */
const addHbone = (
  mesh: Mesh,
  self: Self,
  node: ProxyNode,
  address: SocketAddress,
  ports: readonly number[],
  parts: Parts,
): void => {
  const names = new Map(Object.entries(node.ports).map(([name, port]) => [port, name]));
  const handler: HboneHandler = {
    type: 'hbone',
    addresses: [...new Set([address.address, node.inbound?.address ?? address.address])],
    ports: ports.map((port) => {
      const own = ownPort(mesh, self, names.get(port) ?? '', port);
      return { port, chains: portChains('hbone', {}, own.port, own.handlers) };
    }),
    idleTimeoutMs: HTTP_IDLE_MS,
  };
  const chains = [chain('hbone', { transport: 'tls' }, handler, { mode: 'mesh' })];
  add(parts, { name: 'inbound/hbone', ...address, direction: 'inbound', chains });
};

const appCluster = (port: number, address: string, protocol: Cluster['protocol']): Cluster => ({
  name: inboundCluster(port),
  discovery: { type: 'static', endpoints: [{ address, port, mesh: false, weight: 1, health: 'healthy' }] },
  protocol,
  // A port that says nothing may well be asked for gRPC: whoever calls it that way knows.
  ...(protocol === 'http1' && { keepsVersion: true }),
  tls: { mode: 'none' },
  loadBalancing: 'round-robin',
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  idleTimeoutMs: PLAIN_IDLE_MS,
  maxConnections: MAX_CONNECTIONS,
  maxPendingRequests: MAX_PENDING,
});

const serviceChains = (mesh: Mesh, self: Self, via: Workload['services'][number]): FilterChain[] => {
  const service = mesh.services.get(via.service);
  const host = service ? serviceHost(service) : via.service;
  const ref = service && { namespace: service.namespace, name: service.name, port: via.port };
  const target = service?.origin === 'Service' ? [`Service/${service.name}`] : [];
  const serverName = meshServerName(via.port, host);
  const match = { transport: 'tls', serverNames: [serverName] } as const;
  const authorization = policiesFor(mesh.policies, self, target);
  return portChains(serverName, match, via, inboundHandlers(via.targetPort, authorization, ref), { mode: 'mesh' });
};

interface OwnPort {
  readonly port: Pick<ServicePort, 'protocol' | 'undeclared'>;
  readonly handlers: Handlers;
}

/** A port of the workload for callers that name no service: under the policies of every service on it. */
const ownPort = (mesh: Mesh, self: Self, portName: string, targetPort: number): OwnPort => {
  const here = self.services.filter((via) => via.targetPort === targetPort);
  const targets = here.flatMap(({ service }) => {
    const found = mesh.services.get(service);
    return found?.origin === 'Service' ? [`Service/${found.name}`] : [];
  });
  const [first] = here;
  const found = first && mesh.services.get(first.service);
  const ref = found && { namespace: found.namespace, name: found.name, port: first.port };
  const named = protocolOf(undefined, portName);
  const port = first ?? (named === 'tcp' ? { protocol: 'http', undeclared: true } : { protocol: named });
  return { port, handlers: inboundHandlers(targetPort, policiesFor(mesh.policies, self, targets), ref) };
};

/** For callers that name no service: what they reach is the first port. */
const fallbackChains = (mesh: Mesh, self: Self, portName: string, targetPort: number): FilterChain[] => {
  const { port, handlers } = ownPort(mesh, self, portName, targetPort);
  // Mutual TLS is taken in every mode: sidecars always offer it.
  const chains = portChains('mesh', { transport: 'tls' }, port, handlers, { mode: 'mesh' });
  if (peerModeOf(mesh.peerModes, self, targetPort) !== 'STRICT')
    chains.push(...portChains('plain', { transport: 'plain' }, port, handlers));
  return chains;
};

interface Handlers {
  readonly http: HttpHandler;
  readonly tcp: TcpHandler;
}

const inboundHandlers = (
  port: number,
  authorization: readonly AuthorizationPolicy[],
  service: ServiceRef | undefined,
): Handlers => {
  const rest = { authorization, ...(service ? { service } : {}) };
  const cluster = inboundCluster(port);
  return { http: httpHandler(cluster, rest), tcp: tcpHandler(cluster, rest) };
};

/** One chain for what a port's protocol is; for an undeclared one, a second for what turns out to be something else. */
const portChains = (
  name: string,
  match: Partial<FilterChain['match']>,
  { protocol, undeclared }: Pick<ServicePort, 'protocol' | 'undeclared'>,
  { http, tcp }: Handlers,
  tls?: FilterChain['tls'],
): FilterChain[] => {
  if (!undeclared) return [chain(name, match, protocol === 'tcp' ? tcp : http, tls)];
  return [chain(name, { ...match, protocol: 'http' }, http, tls), chain(`${name}/tcp`, match, tcp, tls)];
};

/** Policies that reach a workload; `targets` are the services that it stands for here. */
const policiesFor = (
  policies: readonly ScopedPolicy[],
  { namespace, labels }: Self,
  targets: readonly string[],
): AuthorizationPolicy[] =>
  policies
    .filter(({ scope }) => {
      if (scope.namespace !== undefined && scope.namespace !== namespace) return false;
      if (scope.target !== undefined) return targets.includes(scope.target);
      return scope.labels === undefined || matchesLabels(scope.labels, labels);
    })
    .map(({ policy }) => policy);

const DEFAULT_LOCAL = '127.0.0.1';

/** Every port of every service, at the address that the resolver beside this sidecar answers with. */
const capturedPorts = ({ captureBlock }: ProxyNode, names: Names): LocalPort[] => {
  if (captureBlock === undefined) return [];
  return [...names.values()].flatMap(({ name, slot, ports }) =>
    slot === undefined
      ? []
      : ports.map(({ port }) => ({
          address: captureAddress(captureBlock, slot),
          port,
          host: name,
          servicePort: port,
        })),
  );
};

const addLocalPort = (node: ProxyNode, local: LocalPort, outbound: Outbound, parts: Parts): void => {
  const { address, port, host, servicePort } = local;
  const name = address === DEFAULT_LOCAL ? `local/${port}` : `local/${address}:${port}`;
  const found = outbound.find(node.namespace, host, servicePort);
  const udp = outbound.find(node.namespace, host, servicePort, 'udp');
  if (udp) {
    const handler: UdpHandler = {
      type: 'udp',
      targets: [{ cluster: udp.cluster.name, weight: 1 }],
      idleTimeoutMs: UDP_IDLE_MS,
      service: udp.ref,
    };
    const chains = [chain(`${name}/udp`, {}, handler)];
    add(parts, { name: `${name}/udp`, address, port, direction: 'outbound', transport: 'udp', chains });
    if (!found) return;
  }
  // A port of a service that isn't there yet is bound all the same, and closes what connects.
  const tcp = tcpHandler(found?.cluster.name ?? INVALID_CLUSTER, found ? { service: found.ref } : {});
  let chains = [chain(name, {}, tcp)];
  if (found && (found.cluster.protocol === 'http1' || found.cluster.protocol === 'http2')) {
    const virtualHost = {
      name: `${found.ref.namespace}/${found.ref.name}:${servicePort}`,
      domains: ['*'],
      routes: found.routes,
      service: found.ref,
    };
    parts.routes.set(name, { name, virtualHosts: [virtualHost], tunnels: [] });
    const undeclared = found.port.undeclared ? { undeclared: true as const } : {};
    chains = portChains(name, {}, { protocol: 'http', ...undeclared }, { http: httpHandler(name), tcp });
  }
  add(parts, { name, address, port, direction: 'outbound', chains });
};
