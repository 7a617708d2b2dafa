// The registry of filters in Envoy's terms: places in the chain, and what routes, clusters and listeners say. Used by http.ts,
// route.ts, cluster.ts and listener.ts.
import type { Any } from '@bufbuild/protobuf/wkt';
import type { EnvoyFilter, EnvoyRouteParts, EnvoySetting, RouteContext } from '../../filters/envoy-filter.ts';
import { isFilter } from '../../filters/filter.ts';
import { filterOrder } from '../../filters/registry.ts';
import type { AccessLogSchema } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { ClusterSchema } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocketSchema } from '../../gen/envoy/config/core/v3/base_pb.js';
import type {
  HttpFilterSchema,
  ResponseMapperSchema,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ForwardAction, Route, RouteFilter } from '../../model/route.ts';
import type { Cluster, HttpHandler, RouteTable } from '../../model/snapshot.ts';
import type { Init } from './message.ts';

const order = await Promise.all(
  filterOrder.map(async (entry) =>
    isFilter(entry)
      ? { types: entry.types, filter: (await entry.envoy()).envoyFilter as EnvoyFilter }
      : { types: [], setting: (await entry.envoy()).envoySetting as EnvoySetting },
  ),
);

export const chainFilters = (handler: HttpHandler, table: RouteTable | undefined): Init<typeof HttpFilterSchema>[] => [
  ...order.flatMap(({ filter }) => (table && filter?.early?.(table)) ?? []),
  ...order.flatMap(({ filter, setting }) => (filter ?? setting)?.httpFilter?.(handler, table) ?? []),
];

/** What a host says whose filters come before routes; `names`: of the places that its routes use. */
export const hostParts = (filters: readonly RouteFilter[], names: Iterable<string>): Record<string, Any> => {
  const parts: Record<string, Any> = {};
  for (const name of names) {
    for (const { filter, setting } of order) {
      const off = (filter ?? setting)?.off?.(name);
      if (off) parts[name] = off;
    }
  }
  for (const { types, filter } of order) {
    if (!filter?.host) continue;
    const mine = filters.filter(({ type }) => types.includes(type));
    if (mine.length > 0) Object.assign(parts, filter.host(mine));
  }
  return parts;
};

export const settingReplies: readonly Init<typeof ResponseMapperSchema>[] = order.flatMap(
  ({ setting }) => setting?.replies ?? [],
);

const keys = new WeakMap<RouteTable, string>();

/** What of the routes the chain depends on. */
export const chainKey = (table: RouteTable): string => {
  const key =
    keys.get(table) ?? order.map(({ filter, setting }) => (filter ?? setting)?.chainKey?.(table) ?? '').join('');
  keys.set(table, key);
  return key;
};

type Parts = Required<EnvoyRouteParts>;

const together = (list: Iterable<EnvoyRouteParts>): Parts => {
  const all: Parts = { perFilter: {}, route: {}, action: {}, rateLimits: [] };
  for (const { perFilter, route, action, rateLimits = [] } of list) {
    Object.assign(all.perFilter, perFilter);
    Object.assign(all.route, route);
    Object.assign(all.action, action);
    all.rateLimits.push(...rateLimits);
  }
  return all;
};

/** All that these filters say to a route together; `forward`: and what its settings say, where it forwards. */
export const filterParts = (
  filters: readonly RouteFilter[],
  route: Route,
  forward?: { readonly action: ForwardAction; readonly context: RouteContext },
): Parts => {
  const parts: EnvoyRouteParts[] = [];
  for (const { types, filter, setting } of order) {
    if (setting?.route && forward) parts.push(setting.route(forward.action, forward.context));
    if (!filter) continue;
    const mine = filters.filter(({ type }) => types.includes(type));
    if (mine.length > 0) parts.push(filter.route(mine, route));
  }
  return together(parts);
};

/** All that the settings of a cluster say. */
export const clusterParts = (cluster: Cluster): Partial<Init<typeof ClusterSchema>> =>
  Object.assign({}, ...order.map(({ setting }) => setting?.cluster?.(cluster)));

/** What a setting has a cluster's connections made over. */
export const socketOf = (cluster: Cluster): Init<typeof TransportSocketSchema> | undefined => {
  for (const { setting } of order) {
    const socket = setting?.transportSocket?.(cluster);
    if (socket) return socket;
  }
  return undefined;
};

export const writtenLogs = (handler: HttpHandler): Init<typeof AccessLogSchema>[] =>
  order.flatMap(({ setting }) => setting?.accessLogs?.(handler) ?? []);
