// What routes have to know of the snapshot around them, to be encoded. Made for form.ts, used by route.ts.
import type { RouteContext } from '../../filters/envoy-filter.ts';
import type { RouteTable, Snapshot } from '../../model/snapshot.ts';

export interface KeyedContext {
  readonly context: RouteContext;
  /** Equal for contexts that say the same of the same table. */
  readonly key: string;
}

type Entry = Omit<RouteContext, keyof TableClusters>;

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

interface TableClusters {
  readonly meshClusters: ReadonlySet<string>;
  readonly http2Clusters: ReadonlySet<string>;
}

interface KeyedClusters {
  readonly sets: TableClusters;
  readonly key: string;
}

const clustersOf = ({ virtualHosts }: RouteTable, clusters: Snapshot['clusters']): KeyedClusters => {
  const meshClusters = new Set<string>();
  const http2Clusters = new Set<string>();
  for (const { routes } of virtualHosts) {
    for (const { action } of routes) {
      if (action.type !== 'forward') continue;
      for (const target of action.targets) {
        const cluster = clusters.get(target.cluster);
        if (cluster?.tls.mode === 'mesh') meshClusters.add(cluster.name);
        if (cluster?.protocol === 'http2') http2Clusters.add(cluster.name);
      }
    }
  }
  return { sets: { meshClusters, http2Clusters }, key: `${[...meshClusters].join()} ${[...http2Clusters].join()}` };
};

/** Tables and clusters stay the same objects over most changes, which are of endpoints. */
const rememberClusters = () => {
  const known = new WeakMap<Snapshot['clusters'], WeakMap<RouteTable, KeyedClusters>>();
  return (table: RouteTable, clusters: Snapshot['clusters']): KeyedClusters => {
    const byTable = known.get(clusters) ?? new WeakMap<RouteTable, KeyedClusters>();
    known.set(clusters, byTable);
    let found = byTable.get(table);
    if (!found) {
      found = clustersOf(table, clusters);
      byTable.set(table, found);
    }
    return found;
  };
};

/** Says the context of each table of a snapshot. */
export const openRouteContexts = (): ((snapshot: Snapshot) => (table: RouteTable) => KeyedContext) => {
  const clustersFor = rememberClusters();
  return ({ listeners, clusters }) => {
    const entries = entriesOf(listeners);
    return (table) => {
      const { isInbound = false, entry } = entries.get(table.name) ?? {};
      const { sets, key } = clustersFor(table, clusters);
      const context = { isInbound, ...(entry && { entry }), ...sets };
      return { context, key: `${isInbound} ${entry?.scheme ?? ''} ${entry?.port ?? ''} ${key}` };
    };
  };
};
