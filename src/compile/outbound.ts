// What sidecars share for their outbound calls: clusters, endpoint sets, virtual hosts and tunnels of every service. Computed once per Mesh. Used by snapshot.ts.
import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import type { Mesh, MeshService, ServicePort } from '../model/mesh.ts';
import type { Route } from '../model/route.ts';
import type { Cluster, EndpointSet, RouteTable, ServiceRef, Tunnel, VirtualHost } from '../model/snapshot.ts';
import { baseCluster, meshServerName, outboundCluster, serviceHost } from './cluster-names.ts';
import { keepEqual, keepMap } from './keep.ts';
import { routeClusters } from './route-clusters.ts';

export interface Outbound {
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly endpoints: ReadonlyMap<string, EndpointSet>;
  /** What a route's cluster is: one of `clusters`, or the same over HTTP/2. */
  reach(cluster: string): Reached | undefined;
  /** Short names depend on the namespace of the caller. */
  tableFor(namespace: string): RouteTable;
  /** The port of a service that a caller in this namespace means by `host`. */
  find(namespace: string, host: string, port: number, transport?: 'udp'): PortPart | undefined;
}

export interface Reached {
  readonly cluster: Cluster;
  readonly endpoints?: EndpointSet;
}

/** One service port, ready for snapshots. */
export interface PortPart extends Reached {
  readonly port: ServicePort;
  readonly ref: ServiceRef;
  readonly routes: readonly Route[];
}

interface ServiceParts {
  readonly ports: readonly PortPart[];
  /** For callers of its own namespace, who may use the short name, and for others. */
  readonly near: Names;
  readonly far: Names;
}

interface Names {
  readonly hosts: readonly VirtualHost[];
  readonly tunnels: readonly Tunnel[];
}

const HTTP_PORT = 80;

/** How long an unused connection is kept: to a sidecar, which waits longer, and to a plain server, which may close after 5 s. */
const MESH_IDLE_MS = 60_000;
export const PLAIN_IDLE_MS = 4000;
export const CONNECT_TIMEOUT_MS = 5000;
export const MAX_CONNECTIONS = 1024;
export const MAX_PENDING = 1024;

/** Remembers the parts of each service as long as the service is the same object. */
export const openOutbound = (): ((mesh: Mesh) => Outbound) => {
  let parts = new Map<string, { service: MeshService; parts: ServiceParts }>();
  // By namespace: the tables of the run before, to keep their identity.
  const tables = new Map<string, RouteTable>();
  const overH2 = openH2Variants();
  let lastServices: Mesh['services'] | undefined;
  let last: Outbound | undefined;
  return (mesh) => {
    if (last && lastServices === mesh.services) return last;
    const next: typeof parts = new Map();
    for (const [key, service] of mesh.services) {
      const before = parts.get(key);
      next.set(key, before?.service === service ? before : { service, parts: buildService(service, before?.parts) });
    }
    parts = next;
    lastServices = mesh.services;
    last = buildOutbound([...next.values()], last?.clusters, last?.endpoints, tables, overH2);
    return last;
  };
};

const buildOutbound = (
  services: readonly { service: MeshService; parts: ServiceParts }[],
  lastClusters: Outbound['clusters'] | undefined,
  lastEndpoints: Outbound['endpoints'] | undefined,
  lastTables: Map<string, RouteTable>,
  overH2: (name: string, base: Reached) => Reached,
): Outbound => {
  const clusters = new Map<string, Cluster>();
  const endpoints = new Map<string, EndpointSet>();
  for (const { parts } of services) {
    for (const port of parts.ports) {
      clusters.set(port.cluster.name, port.cluster);
      if (port.endpoints) endpoints.set(port.cluster.name, port.endpoints);
    }
  }
  const reach = (name: string): Reached | undefined => {
    const base = baseCluster(name);
    const cluster = clusters.get(base);
    if (!cluster) return undefined;
    const set = endpoints.get(base);
    const found = set ? { cluster, endpoints: set } : { cluster };
    return base === name ? found : overH2(name, found);
  };
  for (const name of routedNames(services)) {
    const found = clusters.has(name) ? undefined : reach(name);
    if (!found) continue;
    clusters.set(name, found.cluster);
    if (found.endpoints) endpoints.set(name, found.endpoints);
  }
  const tables = new Map<string, RouteTable>();
  const byHost = new Map<string, ServiceParts>();
  return {
    clusters: keepMap(lastClusters, clusters),
    endpoints: keepMap(lastEndpoints, endpoints),
    reach,
    tableFor(namespace) {
      let table = tables.get(namespace);
      if (!table) {
        table = keepEqual(lastTables.get(namespace), buildTable(services, namespace));
        tables.set(namespace, table);
        lastTables.set(namespace, table);
      }
      return table;
    },
    find(namespace, host, port, transport) {
      if (byHost.size === 0) {
        for (const { service, parts } of services) {
          for (const name of service.hosts)
            byHost.set(name.includes('.') ? name : `${service.namespace}|${name}`, parts);
        }
      }
      const wanted = host.toLowerCase();
      const parts = byHost.get(`${namespace}|${wanted}`) ?? byHost.get(wanted);
      const isUdp = transport === 'udp';
      return parts?.ports.find((part) => part.port.port === port && (part.port.protocol === 'udp') === isUdp);
    },
  };
};

/** Clusters that routes of services lead to. */
const routedNames = function* (services: readonly { readonly service: MeshService }[]): Generator<string> {
  for (const { service } of services) {
    for (const { routes } of service.ports) {
      for (const route of routes) yield* routeClusters(route);
    }
  }
};

/** The same endpoints, asked over HTTP/2; the same objects for the same base. */
const openH2Variants = () => {
  const clusters = new WeakMap<Cluster, Cluster>();
  const sets = new WeakMap<EndpointSet, EndpointSet>();
  return (name: string, base: Reached): Reached => {
    const cluster = clusters.get(base.cluster) ?? { ...base.cluster, name, protocol: 'http2' };
    clusters.set(base.cluster, cluster);
    if (!base.endpoints) return { cluster };
    const endpoints = sets.get(base.endpoints) ?? { ...base.endpoints, cluster: name };
    sets.set(base.endpoints, endpoints);
    return { cluster, endpoints };
  };
};

const buildTable = (
  services: readonly { service: MeshService; parts: ServiceParts }[],
  namespace: string,
): RouteTable => {
  const virtualHosts: VirtualHost[] = [];
  const tunnels: Tunnel[] = [];
  for (const { service, parts } of services) {
    const names = service.namespace === namespace ? parts.near : parts.far;
    virtualHosts.push(...names.hosts);
    tunnels.push(...names.tunnels);
  }
  return { name: 'outbound', virtualHosts, defaultPort: HTTP_PORT, tunnels };
};

const buildService = (service: MeshService, before: ServiceParts | undefined): ServiceParts => {
  const ports = service.ports.map((port) => buildPort(service, port));
  const far = service.origin === 'Service' ? service.hosts.slice(1) : service.hosts;
  return keepEqual(before, { ports, near: namesOf(service, ports, service.hosts), far: namesOf(service, ports, far) });
};

const namesOf = (service: MeshService, ports: readonly PortPart[], hosts: readonly string[]): Names => ({
  // A Service's port may carry HTTP whatever its name says; what a ServiceEntry declares is taken at its word.
  hosts: ports
    .filter(({ port }) => isHttp(port) || (service.origin === 'Service' && port.protocol !== 'udp'))
    .map(({ port: { port }, ref, routes }) => ({
      name: `${ref.namespace}/${ref.name}:${port}`,
      domains: hosts.map((host) => `${host}:${port}`),
      routes,
      service: ref,
    })),
  tunnels: ports
    .filter(({ port }) => port.protocol !== 'udp')
    .map(({ port, ref, cluster }) => ({
      authorities: hosts.filter((host) => !host.startsWith('*')).map((host) => `${host}:${port.port}`),
      protocol: isHttp(port) ? ('http' as const) : ('tcp' as const),
      targets: [{ cluster: cluster.name, weight: 1 }],
      service: ref,
    }))
    .filter(({ authorities }) => authorities.length > 0),
});

const isHttp = ({ protocol }: ServicePort): boolean => protocol === 'http' || protocol === 'http2';

const clusterProtocol = ({ protocol, routes }: ServicePort): Cluster['protocol'] => {
  if (protocol === 'udp' || protocol === 'http2') return protocol;
  return protocol === 'http' || routes.length > 0 ? 'http1' : 'tcp';
};

const buildPort = (service: MeshService, port: ServicePort): PortPart => {
  const host = serviceHost(service);
  const isUdp = port.protocol === 'udp';
  const name = outboundCluster(port.port, host, isUdp ? 'udp' : '');
  const ref = { namespace: service.namespace, name: service.name, port: port.port };
  const mesh = port.endpoints.some((endpoint) => endpoint.mesh);
  const inMesh = !isUdp && (mesh || (service.origin === 'Service' && !port.dns));
  const identities = [...new Set(port.endpoints.flatMap(({ identity }) => identity ?? []))].sort();
  const cluster: Cluster = {
    name,
    discovery: port.dns ? { type: 'dns', ...port.dns } : { type: 'eds' },
    protocol: clusterProtocol(port),
    tls: inMesh ? { mode: 'mesh', sni: meshServerName(port.port, host), identities } : { mode: 'none' },
    loadBalancing: 'least-request',
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    idleTimeoutMs: inMesh && port.endpoints.every((endpoint) => endpoint.mesh) ? MESH_IDLE_MS : PLAIN_IDLE_MS,
    maxConnections: MAX_CONNECTIONS,
    maxPendingRequests: MAX_PENDING,
    ...(service.retryBudget && { retryBudget: service.retryBudget }),
    service: ref,
  };
  return {
    port,
    ref,
    cluster,
    ...(port.dns ? {} : { endpoints: { cluster: name, endpoints: port.endpoints } }),
    routes: port.routes.length > 0 ? port.routes : [defaultRoute(name, service.session)],
  };
};

/** Everything goes to the one cluster. */
export const defaultRoute = (cluster: string, session?: SessionPersistence): Route => ({
  name: 'default',
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
  filters: [],
  action: { type: 'forward', targets: [{ cluster, weight: 1, filters: [], ...(session && { session }) }] },
});
