// CONNECT on an explicit proxy. A tunnel to a TCP service goes straight to its cluster. One to an HTTP service goes to an
// internal listener of the same Envoy, which looks at the first bytes: HTTP is handled like any request of the proxy,
// the rest is passed to the cluster that the tunnel's route names. Used by route-table.ts; the listener is in listener.ts.
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '../../gen/envoy/config/core/v3/base_pb.js';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RouteActionSchema,
  type RouteMatchSchema,
  type RouteSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { FractionalPercent_DenominatorType as Denominator } from '../../gen/envoy/type/v3/percent_pb.js';
import type { Tunnel, WeightedCluster } from '../../model/snapshot.ts';
import { TUNNEL_HEADER } from './access-log.ts';
import { duration, type Init } from './message.ts';
import { tunnelMetadata } from './route-metadata.ts';

type EnvoyRoute = Init<typeof RouteSchema>;

/** Name of the internal listener and of the cluster that leads to it, by the RouteTable that is used inside. */
export const internalName = (routeTable: string): string => `tunnel/${routeTable}`;

interface ConnectRoute {
  readonly name: string;
  readonly kind: Tunnel['protocol'];
  /** Conditions beside the method. */
  readonly match: Init<typeof RouteMatchSchema>;
  readonly clusterSpecifier: NonNullable<Init<typeof RouteActionSchema>['clusterSpecifier']>;
}

const connectRoute = ({ name, kind, match, clusterSpecifier }: ConnectRoute): EnvoyRoute => ({
  name,
  match: { ...match, pathSpecifier: { case: 'connectMatcher', value: {} } },
  requestHeadersToAdd: [
    { header: { key: TUNNEL_HEADER, value: kind }, appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD },
  ],
  action: {
    case: 'route',
    value: {
      clusterSpecifier,
      clusterNotFoundResponseCode: NotFoundCode.SERVICE_UNAVAILABLE,
      timeout: duration(0),
      idleTimeout: duration(0),
      upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
    },
  },
});

const MILLION = 1_000_000;

interface TunnelOptions {
  readonly name: string;
  readonly live: readonly WeightedCluster[];
  /** Cluster of the internal listener. */
  readonly internal: string;
  readonly match: Init<typeof RouteMatchSchema>;
}

/** Each share of the targets has a route of its own, since a route's metadata names one cluster. */
const httpTunnelRoutes = ({ name, live, internal, match }: TunnelOptions): EnvoyRoute[] => {
  let rest = live.reduce((sum, target) => sum + target.weight, 0);
  return live.map(({ cluster, weight }, i) => {
    const numerator = Math.round((weight / rest) * MILLION);
    rest -= weight;
    const isLast = i === live.length - 1;
    const share = { runtimeFraction: { defaultValue: { numerator, denominator: Denominator.MILLION } } };
    const route = connectRoute({
      name,
      kind: 'http',
      match: isLast ? match : { ...match, ...share },
      clusterSpecifier: { case: 'cluster', value: internal },
    });
    return { ...route, metadata: tunnelMetadata(cluster) };
  });
};

/** The routes of one tunnel; they match nothing but CONNECT with what `match` asks for. */
export const tunnelRoutes = (
  { authorities, protocol, targets }: Tunnel,
  internal: string,
  match: Init<typeof RouteMatchSchema>,
): EnvoyRoute[] => {
  const name = `tunnel/${authorities[0] ?? ''}`;
  const live = targets.filter((target) => target.weight > 0);
  if (protocol === 'http') return httpTunnelRoutes({ name, live, internal, match });
  if (live.length === 0) return [];
  const clusters = live.map(({ cluster, weight }) => ({ name: cluster, weight }));
  const clusterSpecifier =
    live.length === 1
      ? ({ case: 'cluster', value: live[0]!.cluster } as const)
      : ({ case: 'weightedClusters', value: { clusters } } as const);
  return [connectRoute({ name, kind: 'tcp', match, clusterSpecifier })];
};
