// The Envoy form: a snapshot as Envoy's own resources, with the meaning that the model's comments give it. Used by the
// server for nodes whose engine is Envoy.
import type {
  Cluster,
  EndpointSet,
  FilterChain,
  Listener,
  RouteTable,
  Snapshot,
  SnapshotSecret,
} from '../../model/snapshot.ts';
import { type EncodedResource, type Form, memoizeEncoding, type ResourceSet } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { encodeCluster, encodeInternalCluster } from './cluster.ts';
import { encodeEndpoints } from './endpoints.ts';
import { chainKey } from './filters.ts';
import { encodeListener, explicitHandlers, policiesOf } from './listener.ts';
import { httpRbacOfRoutes } from './rbac.ts';
import { type KeyedContext, openRouteContexts } from './route-context.ts';
import { isAuthorizing, routesName } from './route-names.ts';
import { openRouteTables, type RouteTableOptions } from './route-table.ts';
import { encodeSecret } from './tls.ts';
import { internalName } from './tunnels.ts';
import { blendedClusters, blendedEndpoints } from './udp.ts';

export interface EnvoyFormOptions {
  /** Peers of inbound connections must be of it. */
  readonly trustDomain: string;
}

const NONE: ResourceSet = new Map();

/** Remembers by object, and by what else of the snapshot the encoding depends on, as text. */
const rememberWith = <T extends object, Around>(encode: (value: T, around: Around) => readonly EncodedResource[]) => {
  const known = new WeakMap<T, { key: string; resources: readonly EncodedResource[] }>();
  return (value: T, key: string, around: Around): readonly EncodedResource[] => {
    const before = known.get(value);
    if (before?.key === key) return before.resources;
    const resources = encode(value, around);
    known.set(value, { key, resources });
    return resources;
  };
};

/** As rememberWith, for what is made of two objects. */
const rememberByPair = <A extends object, B extends object, Around>(
  encode: (second: B, around: Around) => EncodedResource,
) => {
  const known = new WeakMap<A, { second: B; key: string; resource: EncodedResource }>();
  return (first: A, second: B, key: string, around: () => Around): EncodedResource => {
    const before = known.get(first);
    if (before?.key === key && before.second === second) return before.resource;
    const resource = encode(second, around());
    known.set(first, { second, key, resource });
    return resource;
  };
};

/** Every filter chain for HTTP. */
const handlersOf = ({ listeners }: Snapshot) =>
  [...listeners.values()].flatMap((listener) =>
    listener.chains.flatMap((chain) =>
      chain.handler.type === 'http' ? [{ listener, chain, handler: chain.handler }] : [],
    ),
  );

const firstCluster = (table: RouteTable | undefined): string | undefined => {
  for (const { routes } of table?.virtualHosts ?? []) {
    for (const { action } of routes)
      if (action.type === 'forward' && action.targets[0]) return action.targets[0].cluster;
  }
  return undefined;
};

/** Inbound, policies speak of the port that the program listens on, to which the chain's cluster leads. */
const policyPort = (snapshot: Snapshot, listener: Listener, { handler }: FilterChain): number => {
  if (listener.direction !== 'inbound') return listener.port;
  if (handler.type === 'hbone') return listener.port;
  const name =
    handler.type === 'http' ? firstCluster(snapshot.routes.get(handler.routes)) : handler.targets[0]?.cluster;
  const discovery = name === undefined ? undefined : snapshot.clusters.get(name)?.discovery;
  return (discovery?.type === 'static' && discovery.endpoints[0]?.port) || listener.port;
};

const chainKeys = ({ chains }: Listener, { routes }: Snapshot): string =>
  chains
    .map(({ handler }) => {
      const table = handler.type === 'http' ? routes.get(handler.routes) : undefined;
      return table ? chainKey(table) : '';
    })
    .join('');

const internalClusters = (listeners: Snapshot['listeners']): EncodedResource[] =>
  [...listeners.values()].flatMap((listener) =>
    explicitHandlers(listener).map((handler) => encodeInternalCluster(internalName(handler.routes))),
  );

/** The same result for the same snapshot. */
const perSnapshot = (make: (snapshot: Snapshot) => ResourceSet): ((snapshot: Snapshot) => ResourceSet) => {
  const known = new WeakMap<Snapshot, ResourceSet>();
  return (snapshot) => {
    let set = known.get(snapshot);
    if (!set) {
      set = make(snapshot);
      known.set(snapshot, set);
    }
    return set;
  };
};

const setOf = (resources: Iterable<EncodedResource>): ResourceSet => {
  const set = new Map<string, EncodedResource>();
  for (const resource of resources) set.set(resource.name, resource);
  return set;
};

const openEncoders = ({ trustDomain }: EnvoyFormOptions) => {
  const clusters = memoizeEncoding<Cluster>((cluster) => [encodeCluster(cluster)]);
  const endpoints = memoizeEncoding<EndpointSet>((set) => [encodeEndpoints(set)]);
  const secrets = memoizeEncoding<SnapshotSecret>((secret) => [encodeSecret(secret)]);
  const listener = rememberWith<Listener, Snapshot>((value, snapshot) =>
    encodeListener(value, {
      trustDomain,
      policyPort: (chain) => policyPort(snapshot, value, chain),
      tableOf: ({ routes }) => snapshot.routes.get(routes),
    }),
  );
  const encodeRouteTable = openRouteTables();
  const shared = rememberWith<RouteTable, KeyedContext>((value, { context, key }) => [
    encodeRouteTable(value, { name: value.name, context, key, authorization: [], encodePolicies: () => ({}) }),
  ]);
  const ofChain = rememberByPair<FilterChain, RouteTable, RouteTableOptions>(encodeRouteTable);
  const routeContexts = openRouteContexts();
  const noEndpoints = new WeakMap<Cluster, EncodedResource>();

  /** Envoy waits for the endpoints of every cluster, so one that has none says so. */
  const withEmpty = (snapshot: Snapshot): ResourceSet => {
    const known = endpoints(snapshot.endpoints);
    const missing: EncodedResource[] = blendedEndpoints(snapshot);
    for (const cluster of snapshot.clusters.values()) {
      if (cluster.discovery.type !== 'eds' || known.has(cluster.name)) continue;
      const empty = noEndpoints.get(cluster) ?? encodeEndpoints({ cluster: cluster.name, endpoints: [] });
      noEndpoints.set(cluster, empty);
      missing.push(empty);
    }
    return missing.length > 0 ? setOf([...known.values(), ...missing]) : known;
  };

  const withInternal = (snapshot: Snapshot): ResourceSet => {
    const own = clusters(snapshot.clusters);
    const internal = [...internalClusters(snapshot.listeners), ...blendedClusters(snapshot)];
    return internal.length > 0 ? setOf([...own.values(), ...internal]) : own;
  };

  return {
    clusters: perSnapshot(withInternal),
    endpoints: perSnapshot(withEmpty),
    secrets: (snapshot: Snapshot) => secrets(snapshot.secrets),
    listeners: perSnapshot((snapshot) =>
      setOf(
        [...snapshot.listeners.values()].flatMap((value) => {
          const ports = value.chains.map((chain) => policyPort(snapshot, value, chain));
          return listener(value, `${ports.join()}${chainKeys(value, snapshot)}`, snapshot);
        }),
      ),
    ),
    routes: perSnapshot((snapshot) => {
      const contextOf = routeContexts(snapshot);
      return setOf(
        handlersOf(snapshot).flatMap(({ listener: value, chain, handler }) => {
          const table = snapshot.routes.get(handler.routes);
          if (!table) return [];
          const keyed = contextOf(table);
          const { context, key } = keyed;
          if (!isAuthorizing(value)) return shared(table, key, keyed);
          const name = routesName(value, chain, handler);
          const port = policyPort(snapshot, value, chain);
          return ofChain(chain, table, `${name} ${port} ${key}`, () => ({
            name,
            context,
            key: `${port} ${key}`,
            chain,
            authorization: handler.authorization,
            encodePolicies: (policies) => httpRbacOfRoutes(policiesOf(chain, policies), port),
          }));
        }),
      );
    }),
  };
};

/** Each server has its own, so that what is encoded goes with it. */
export const openEnvoyForm = (options: EnvoyFormOptions): Form => {
  const encoders = openEncoders(options);
  const byType: Readonly<Record<string, (snapshot: Snapshot) => ResourceSet>> = {
    [ENVOY.cluster]: encoders.clusters,
    [ENVOY.endpoints]: encoders.endpoints,
    [ENVOY.secret]: encoders.secrets,
    [ENVOY.listener]: encoders.listeners,
    [ENVOY.routes]: encoders.routes,
  };
  return {
    name: 'envoy',
    types: new Set(Object.values(ENVOY)),
    secretType: ENVOY.secret,
    fullStateTypes: new Set([ENVOY.cluster, ENVOY.listener]),
    namedTypes: new Set([ENVOY.endpoints, ENVOY.secret, ENVOY.routes]),
    // Make before break: clusters and their endpoints before what leads to them, and nothing goes before its last user.
    stages: [
      // Together: Envoy acknowledges a changed cluster only when it has its endpoints again.
      { types: [ENVOY.cluster, ENVOY.endpoints, ENVOY.secret], removals: 'hold' },
      { types: [ENVOY.listener], removals: 'send' },
      { types: [ENVOY.routes], removals: 'hold' },
      { types: [ENVOY.cluster, ENVOY.endpoints, ENVOY.secret, ENVOY.routes], removals: 'send' },
    ],
    isWhole: false,
    companions: new Map([[ENVOY.cluster, ENVOY.endpoints]]),
    resources: (snapshot, typeUrl) => byType[typeUrl]?.(snapshot) ?? NONE,
  };
};
