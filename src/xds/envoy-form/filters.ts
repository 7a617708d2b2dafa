// The filters of the registry in Envoy's terms: their places in the chain, and what a route says to them. Used by http.ts and route.ts.
import type { EnvoyFilter, EnvoyRouteParts } from '../../filters/envoy-filter.ts';
import { filterOrder } from '../../filters/registry.ts';
import type { HttpFilterSchema } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Route, RouteFilter } from '../../model/route.ts';
import type { HttpHandler } from '../../model/snapshot.ts';
import type { Init } from './message.ts';

const order = await Promise.all(
  filterOrder.map(async ({ types, envoy }) => ({ types, form: (await envoy()).envoyFilter as EnvoyFilter })),
);

export const chainFilters = (handler: HttpHandler): Init<typeof HttpFilterSchema>[] =>
  order.flatMap(({ form }) => form.httpFilter?.(handler) ?? []);

/** All that these filters say to a route together. */
export const filterParts = (filters: readonly RouteFilter[], route: Route): Required<EnvoyRouteParts> => {
  const all: Required<EnvoyRouteParts> = { perFilter: {}, route: {}, action: {} };
  for (const { types, form } of order) {
    const mine = filters.filter(({ type }) => types.includes(type));
    if (mine.length === 0) continue;
    const { perFilter, route: fields, action } = form.route(mine, route);
    Object.assign(all.perFilter, perFilter);
    Object.assign(all.route, fields);
    Object.assign(all.action, action);
  }
  return all;
};
