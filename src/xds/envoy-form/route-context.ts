// What routes have to know of the snapshot around them, to be encoded. Made by form.ts, used by route.ts.
import type { RouteTable, Snapshot } from '../../model/snapshot.ts';

export interface RouteContext {
  /** How requests reach a gateway's routes; absent where the caller's own words are all there is. */
  readonly entry?: { readonly scheme: 'http' | 'https'; readonly port: number };
  /** True where the routes lead to the one program behind this proxy. */
  readonly isInbound: boolean;
  /** Clusters whose endpoints are reached at their proxies, over mutual TLS. */
  readonly meshClusters: ReadonlySet<string>;
}

export interface KeyedContext {
  readonly context: RouteContext;
  /** Equal for contexts that say the same of the same table. */
  readonly key: string;
}

type Entry = Omit<RouteContext, 'meshClusters'>;

const entriesOf = (listeners: Snapshot['listeners']): Map<string, Entry> => {
  const entries = new Map<string, Entry>();
  for (const { direction, port, chains } of listeners.values()) {
    for (const { handler, tls } of chains) {
      if (handler.type !== 'http') continue;
      const entry = { scheme: tls ? 'https' : 'http', port } as const;
      entries.set(handler.routes, { isInbound: direction === 'inbound', ...(direction === 'gateway' && { entry }) });
    }
  }
  return entries;
};

const meshClustersOf = ({ virtualHosts }: RouteTable, clusters: Snapshot['clusters']): Set<string> => {
  const names = new Set<string>();
  for (const { routes } of virtualHosts) {
    for (const { action } of routes) {
      if (action.type !== 'forward') continue;
      for (const { cluster } of action.targets) if (clusters.get(cluster)?.tls.mode === 'mesh') names.add(cluster);
    }
  }
  return names;
};

interface MeshClusters {
  readonly names: ReadonlySet<string>;
  readonly key: string;
}

/** Tables and clusters stay the same objects over most changes, which are of endpoints. */
const rememberMeshClusters = () => {
  const known = new WeakMap<Snapshot['clusters'], WeakMap<RouteTable, MeshClusters>>();
  return (table: RouteTable, clusters: Snapshot['clusters']): MeshClusters => {
    const byTable = known.get(clusters) ?? new WeakMap<RouteTable, MeshClusters>();
    known.set(clusters, byTable);
    let found = byTable.get(table);
    if (!found) {
      const names = meshClustersOf(table, clusters);
      found = { names, key: [...names].join() };
      byTable.set(table, found);
    }
    return found;
  };
};

/** Says the context of each table of a snapshot. */
export const openRouteContexts = (): ((snapshot: Snapshot) => (table: RouteTable) => KeyedContext) => {
  const meshOf = rememberMeshClusters();
  return ({ listeners, clusters }) => {
    const entries = entriesOf(listeners);
    return (table) => {
      const { isInbound = false, entry } = entries.get(table.name) ?? {};
      const mesh = meshOf(table, clusters);
      const context = { isInbound, ...(entry && { entry }), meshClusters: mesh.names };
      return { context, key: `${isInbound} ${entry?.scheme ?? ''} ${entry?.port ?? ''} ${mesh.key}` };
    };
  };
};
