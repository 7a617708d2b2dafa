// The clusters that a route leads to: its targets, and where its requests are mirrored. Used by all that cut clusters out of the Mesh.
import type { Route, RouteFilter } from '../model/route.ts';

const mirrors = (filters: readonly RouteFilter[]): string[] =>
  filters.flatMap((filter) => (filter.type === 'request-mirror' ? [filter.cluster] : []));

export const routeClusters = ({ action, filters }: Route): string[] =>
  action.type !== 'forward'
    ? []
    : [...action.targets.flatMap((target) => [target.cluster, ...mirrors(target.filters)]), ...mirrors(filters)];
