// How Envoy chooses and watches the endpoints of a cluster: policies, outlier detection, health checks. Used by cluster.ts.
import { create } from '@bufbuild/protobuf';
import {
  Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema,
  Cluster_LbPolicy,
  type ClusterSchema,
  Cluster_RingHashLbConfig_HashFunction as HashFunction,
} from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { RequestMethod } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { HealthCheckSchema } from '../../gen/envoy/config/core/v3/health_check_pb.js';
import {
  type HealthCheck,
  type HealthProbe,
  type LoadBalancing,
  type OutlierDetection,
  RECOVERY_MS,
} from '../../model/balancing.ts';
import type { Cluster } from '../../model/snapshot.ts';
import { duration, type Init } from './message.ts';

type ClusterInit = Init<typeof ClusterSchema>;
type CheckInit = Init<typeof HealthCheckSchema>;

const LB_POLICY: Readonly<Record<LoadBalancing, Cluster_LbPolicy>> = {
  'least-request': Cluster_LbPolicy.LEAST_REQUEST,
  // Envoy has it only in builds of others.
  'peak-ewma': Cluster_LbPolicy.LEAST_REQUEST,
  'round-robin': Cluster_LbPolicy.ROUND_ROBIN,
  random: Cluster_LbPolicy.RANDOM,
  'ring-hash': Cluster_LbPolicy.RING_HASH,
  maglev: Cluster_LbPolicy.MAGLEV,
};

const DEFAULT_TABLE_SIZE = 65_537;
const MAX_RING_SIZE = 8_388_608;
/** With no healthy endpoint at all the others are better than none; with one, they are not. */
const PANIC_THRESHOLD = 1;
const MAX_PROBED_BYTES = 65_536n;

const slowStart = (ms: number | undefined) =>
  ms === undefined ? {} : { slowStartConfig: { slowStartWindow: duration(ms) } };

const settingsOf = ({ loadBalancing, tableSize = DEFAULT_TABLE_SIZE, slowStartMs }: Cluster): ClusterInit => {
  switch (loadBalancing) {
    case 'ring-hash': {
      const size = BigInt(Math.min(tableSize, MAX_RING_SIZE));
      const value = { minimumRingSize: size, hashFunction: HashFunction.XX_HASH };
      return { lbConfig: { case: 'ringHashLbConfig', value } };
    }
    case 'maglev':
      return { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(tableSize) } } };
    case 'round-robin':
      return { lbConfig: { case: 'roundRobinLbConfig', value: slowStart(slowStartMs) } };
    case 'random':
      return {};
    default:
      return { lbConfig: { case: 'leastRequestLbConfig', value: slowStart(slowStartMs) } };
  }
};

const outlierDetection = (settings: OutlierDetection): ClusterInit['outlierDetection'] => {
  const { consecutive5xx, consecutiveGateway, consecutiveLocal, splitsLocal, failurePercent } = settings;
  const enforced = (count: number) => (count > 0 ? 100 : 0);
  const byPercent = failurePercent === undefined ? 0 : 100;
  return {
    interval: duration(settings.intervalMs),
    baseEjectionTime: duration(settings.baseEjectionMs),
    maxEjectionPercent: settings.maxEjectionPercent,
    consecutive5xx: Math.max(1, consecutive5xx),
    enforcingConsecutive5xx: enforced(consecutive5xx),
    consecutiveGatewayFailure: Math.max(1, consecutiveGateway),
    enforcingConsecutiveGatewayFailure: enforced(consecutiveGateway),
    splitExternalLocalOriginErrors: splitsLocal,
    consecutiveLocalOriginFailure: Math.max(1, consecutiveLocal),
    enforcingConsecutiveLocalOriginFailure: enforced(consecutiveLocal),
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
    ...(failurePercent !== undefined && { failurePercentageThreshold: failurePercent }),
    enforcingFailurePercentage: byPercent,
    enforcingFailurePercentageLocalOrigin: splitsLocal ? byPercent : 0,
  };
};

/** In hex: what a TCP check sends Envoy reads only so, and sends nothing for bytes. */
const payload = (base64: string) =>
  ({ payload: { case: 'text', value: Buffer.from(base64, 'base64').toString('hex') } }) as const;

const checkerOf = (probe: HealthProbe, { service, tls }: Cluster): NonNullable<CheckInit['healthChecker']> => {
  // By itself Envoy names the cluster, which is no host name to strict servers.
  const authority = service?.name ?? (tls.mode === 'simple' ? tls.sni : 'health-check');
  if (probe.type === 'grpc') return { case: 'grpcHealthCheck', value: { serviceName: probe.service, authority } };
  if (probe.type === 'tcp') {
    const { send, receive } = probe;
    return {
      case: 'tcpHealthCheck',
      value: {
        ...(send !== undefined && { send: payload(send) }),
        ...(receive !== undefined && { receive: [payload(receive)] }),
      },
    };
  }
  const { path, method, host, statuses, receive } = probe;
  return {
    case: 'httpHealthCheck',
    value: {
      host: host ?? authority,
      path,
      method: RequestMethod[method as keyof typeof RequestMethod],
      expectedStatuses: statuses.map((status) => ({ start: BigInt(status), end: BigInt(status + 1) })),
      ...(receive !== undefined && { receive: [payload(receive)], responseBufferSize: MAX_PROBED_BYTES }),
    },
  };
};

const healthCheck = (settings: HealthCheck, cluster: Cluster): CheckInit => ({
  interval: duration(settings.intervalMs),
  unhealthyInterval: duration(Math.min(RECOVERY_MS, settings.intervalMs)),
  // Envoy tells whether a cluster is used by a counter, and Weft's bootstrap has it keep none.
  noTrafficInterval: duration(settings.intervalMs),
  timeout: duration(settings.timeoutMs),
  ...(settings.jitterMs !== undefined && { initialJitter: duration(settings.jitterMs) }),
  intervalJitterPercent: 5,
  unhealthyThreshold: settings.unhealthyThreshold,
  healthyThreshold: settings.healthyThreshold,
  healthChecker: checkerOf(settings.probe, cluster),
});

export const balancingOf = (cluster: Cluster): ClusterInit => ({
  lbPolicy: LB_POLICY[cluster.loadBalancing],
  ...settingsOf(cluster),
  commonLbConfig: {
    healthyPanicThreshold: { value: cluster.panicThreshold ?? PANIC_THRESHOLD },
    // Else what is told of health waits for a second.
    updateMergeWindow: duration(0),
    ...(cluster.zoneWeights && {
      localityConfigSpecifier: {
        case: 'localityWeightedLbConfig',
        value: create(Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema),
      },
    }),
  },
  ...(cluster.outliers && { outlierDetection: outlierDetection(cluster.outliers) }),
  ...(cluster.healthCheck && { healthChecks: [healthCheck(cluster.healthCheck, cluster)] }),
});
