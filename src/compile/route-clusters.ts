// The clusters that a route leads to: its targets, where its requests are mirrored, and who is asked about them. Used by all that cut clusters out of the Mesh.
import type { Route, RouteFilter } from '../model/route.ts';

/** Who is asked about requests. */
export const asked = (filters: readonly RouteFilter[]): string[] =>
  filters.flatMap((filter) => (filter.type === 'external-auth' ? [filter.cluster] : []));

const besides = (filters: readonly RouteFilter[]): string[] =>
  filters.flatMap((filter) =>
    filter.type === 'request-mirror' || filter.type === 'external-auth' ? [filter.cluster] : [],
  );

export const routeClusters = ({ action, filters }: Route): string[] =>
  action.type !== 'forward'
    ? asked(filters)
    : [...action.targets.flatMap((target) => [target.cluster, ...besides(target.filters)]), ...besides(filters)];

type Rename = (cluster: string) => string;

export const renamedClusters = (filters: readonly RouteFilter[], rename: Rename): RouteFilter[] =>
  filters.map((filter) =>
    filter.type === 'request-mirror' || filter.type === 'external-auth'
      ? { ...filter, cluster: rename(filter.cluster) }
      : filter,
  );

/** The route with other names for all of these. */
export const withClusters = (route: Route, rename: Rename): Route => {
  const { action } = route;
  const filters = renamedClusters(route.filters, rename);
  if (action.type !== 'forward') return { ...route, filters };
  const targets = action.targets.map((target) => ({
    ...target,
    cluster: rename(target.cluster),
    filters: renamedClusters(target.filters, rename),
  }));
  return { ...route, filters, action: { ...action, targets } };
};
