// The clusters of a gateway: those that its listeners lead to, with what policies say of them. Used by gateway-snapshot.ts.
import type { SimpleTls } from '../filters/backend-tls/schema.ts';
import { differenceOf, originOf } from '../lib/lists.ts';
import type { HealthCheck } from '../model/balancing.ts';
import type { BackendTls, BackendTraffic, Mesh } from '../model/mesh.ts';
import type { Route } from '../model/route.ts';
import type {
  Cluster,
  EndpointSet,
  Listener,
  RouteTable,
  Snapshot,
  TlsSecret,
  VirtualHost,
} from '../model/snapshot.ts';
import { splitCluster } from './cluster-names.ts';
import { keepEqual } from './keep.ts';
import type { Outbound } from './outbound.ts';
import { asked, routeClusters } from './route-clusters.ts';

/** Every cluster that the listeners' handlers lead to. */
export const clusterNames = function* (
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
  const known = hostClusters.get(hosts) ?? clustersBefore(hosts) ?? namesOf(hosts);
  hostClusters.set(hosts, known);
  return known;
};

const namesOf = (hosts: readonly VirtualHost[]): readonly string[] => [
  ...new Set(
    hosts.flatMap(({ routes, filters }) => (filters ? [...asked(filters), ...clustersOf(routes)] : clustersOf(routes))),
  ),
];

/** Of the list that this one came from; undefined where what came leads elsewhere than what is gone. */
const clustersBefore = (hosts: readonly VirtualHost[]): readonly string[] | undefined => {
  const origin = originOf(hosts);
  const known = origin && hostClusters.get(origin);
  if (!known) return undefined;
  const { gone, come } = differenceOf(origin, hosts);
  const [before, after] = [namesOf(gone), namesOf(come)];
  return before.length === after.length && before.every((name) => after.includes(name)) ? known : undefined;
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

export interface Reached {
  readonly clusters: Map<string, Cluster>;
  readonly endpoints: Map<string, EndpointSet>;
}

export const applyBackendTls = (
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

export const reachedBy = (
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
