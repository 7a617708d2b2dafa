// TCP handlers in Envoy's terms: authorization, then bytes both ways.
import {
  type TcpProxy_WeightedCluster_ClusterWeightSchema,
  TcpProxySchema,
} from '../../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { INVALID_CLUSTER, type WeightedCluster } from '../../model/snapshot.ts';
import type { AccessLogInit } from './access-log.ts';
import { configured, duration, type Init } from './message.ts';

const ATTEMPTS = 4;

/** No targets: the connection is closed unless something before names a cluster. */
export const tcpProxy = (options: {
  readonly targets: readonly WeightedCluster[];
  readonly idleTimeoutMs: number;
  readonly maxDurationMs?: number | undefined;
  readonly statPrefix: string;
  readonly accessLog: AccessLogInit[];
}) => {
  const live = options.targets.filter((target) => target.weight > 0);
  const clusters = live.map(
    ({ cluster, weight }): Init<typeof TcpProxy_WeightedCluster_ClusterWeightSchema> => ({ name: cluster, weight }),
  );
  return configured('envoy.filters.network.tcp_proxy', TcpProxySchema, {
    statPrefix: options.statPrefix,
    idleTimeout: duration(options.idleTimeoutMs),
    ...(options.maxDurationMs !== undefined && { maxDownstreamConnectionDuration: duration(options.maxDurationMs) }),
    maxConnectAttempts: ATTEMPTS,
    accessLog: options.accessLog,
    // For clusters that choose by a hash.
    hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }],
    clusterSpecifier:
      clusters.length > 1
        ? { case: 'weightedClusters', value: { clusters } }
        : { case: 'cluster', value: live[0]?.cluster ?? INVALID_CLUSTER },
  });
};
