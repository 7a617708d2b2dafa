// The filters of the registry in Envoy's terms: their places in the chain, and what a route says to them. Used by http.ts and route.ts.
import type { EnvoyFilter, EnvoyRouteParts } from '../../filters/envoy-filter.ts';
import { filterOrder } from '../../filters/registry.ts';
import type { HttpFilterSchema } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Route, RouteFilter } from '../../model/route.ts';
import type { HttpHandler, RouteTable } from '../../model/snapshot.ts';
import type { Init } from './message.ts';

const order = await Promise.all(
  filterOrder.map(async ({ types, envoy }) => ({ types, form: (await envoy()).envoyFilter as EnvoyFilter })),
);

export const chainFilters = (handler: HttpHandler, table: RouteTable | undefined): Init<typeof HttpFilterSchema>[] =>
  order.flatMap(({ form }) => form.httpFilter?.(handler, table) ?? []);

const keys = new WeakMap<RouteTable, string>();

/** What of the routes the chain depends on. */
export const chainKey = (table: RouteTable): string => {
  const key = keys.get(table) ?? order.map(({ form }) => form.chainKey?.(table) ?? '').join('');
  keys.set(table, key);
  return key;
};

/** All that these filters say to a route together. */
export const filterParts = (filters: readonly RouteFilter[], route: Route): Required<EnvoyRouteParts> => {
  const all = { perFilter: {}, route: {}, action: {}, rateLimits: [] as NonNullable<EnvoyRouteParts['rateLimits']> };
  for (const { types, form } of order) {
    const mine = filters.filter(({ type }) => types.includes(type));
    if (mine.length === 0) continue;
    const { perFilter, route: fields, action, rateLimits = [] } = form.route(mine, route);
    Object.assign(all.perFilter, perFilter);
    Object.assign(all.route, fields);
    Object.assign(all.action, action);
    all.rateLimits.push(...rateLimits);
  }
  return all;
};
