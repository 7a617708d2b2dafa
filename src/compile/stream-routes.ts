// TCPRoutes, TLSRoutes and UDPRoutes as weighted clusters. Used by route-kinds.ts.
import type { StreamRouteSpec } from '../kinds/stream-route.ts';
import type { RouteContent, RouteContext } from './routes.ts';

export const compileStreamRoute = ({ rules }: StreamRouteSpec, { targets }: RouteContext): RouteContent => ({
  targets: targets(rules[0]?.backendRefs ?? []).map(({ cluster, weight }) => ({ cluster, weight })),
});
