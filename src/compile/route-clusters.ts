// The clusters that a route leads to: its targets, and where its requests are mirrored. Used by all that cut clusters out of the Mesh.
import type { Route, RouteFilter } from '../model/route.ts';

const mirrors = (filters: readonly RouteFilter[]): string[] =>
  filters.flatMap((filter) => (filter.type === 'request-mirror' ? [filter.cluster] : []));

export const routeClusters = ({ action, filters }: Route): string[] =>
  action.type !== 'forward'
    ? []
    : [...action.targets.flatMap((target) => [target.cluster, ...mirrors(target.filters)]), ...mirrors(filters)];

type Rename = (cluster: string) => string;

const renamedMirrors = (filters: readonly RouteFilter[], rename: Rename): RouteFilter[] =>
  filters.map((filter) => (filter.type === 'request-mirror' ? { ...filter, cluster: rename(filter.cluster) } : filter));

/** The route with other names for all of these. */
export const withClusters = (route: Route, rename: Rename): Route => {
  const { action } = route;
  const filters = renamedMirrors(route.filters, rename);
  if (action.type !== 'forward') return { ...route, filters };
  const targets = action.targets.map((target) => ({
    ...target,
    cluster: rename(target.cluster),
    filters: renamedMirrors(target.filters, rename),
  }));
  return { ...route, filters, action: { ...action, targets } };
};
