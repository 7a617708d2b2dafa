// Requests that name their endpoints in Envoy's terms: a policy in front of the cluster's own way of choosing. Named by
// registry.ts.
import { create } from '@bufbuild/protobuf';
import {
  Cluster_LbPolicy,
  type ClusterSchema,
  type LoadBalancingPolicySchema,
} from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  LocalityLbConfig_LocalityWeightedLbConfigSchema,
  type LocalityLbConfigSchema,
  type SlowStartConfigSchema,
} from '../../gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js';
import { LeastRequestSchema } from '../../gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { MaglevSchema } from '../../gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import { OverrideHostSchema } from '../../gen/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.js';
import { RandomSchema } from '../../gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import {
  RingHash_HashFunction as HashFunction,
  RingHashSchema,
} from '../../gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';
import { RoundRobinSchema } from '../../gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import type { Cluster } from '../../model/snapshot.ts';
import type { EnvoySetting } from '../envoy-filter.ts';
import { duration, extension, type Init } from '../envoy-message.ts';

type Policy = Init<typeof LoadBalancingPolicySchema>;

const only = (typedExtensionConfig: ReturnType<typeof extension>): Policy => ({ policies: [{ typedExtensionConfig }] });

const PREFIX = 'envoy.load_balancing_policies';
const DEFAULT_TABLE_SIZE = 65_537;
const MAX_RING_SIZE = 8_388_608;

/** As xds/envoy-form/balancing.ts says it where no request names anything. */
const fallbackOf = ({ loadBalancing, tableSize = DEFAULT_TABLE_SIZE, slowStartMs, zoneWeights }: Cluster): Policy => {
  const slow: { slowStartConfig?: Init<typeof SlowStartConfigSchema> } =
    slowStartMs === undefined ? {} : { slowStartConfig: { slowStartWindow: duration(slowStartMs) } };
  const zones: { localityLbConfig?: Init<typeof LocalityLbConfigSchema> } = zoneWeights
    ? {
        localityLbConfig: {
          localityConfigSpecifier: {
            case: 'localityWeightedLbConfig',
            value: create(LocalityLbConfig_LocalityWeightedLbConfigSchema),
          },
        },
      }
    : {};
  switch (loadBalancing) {
    case 'ring-hash': {
      const minimumRingSize = BigInt(Math.min(tableSize, MAX_RING_SIZE));
      return only(
        extension(`${PREFIX}.ring_hash`, RingHashSchema, { minimumRingSize, hashFunction: HashFunction.XX_HASH }),
      );
    }
    case 'maglev':
      return only(extension(`${PREFIX}.maglev`, MaglevSchema, { tableSize: BigInt(tableSize) }));
    case 'round-robin':
      return only(extension(`${PREFIX}.round_robin`, RoundRobinSchema, { ...slow, ...zones }));
    case 'random':
      return only(extension(`${PREFIX}.random`, RandomSchema, zones));
    default:
      return only(extension(`${PREFIX}.least_request`, LeastRequestSchema, { ...slow, ...zones }));
  }
};

export const envoySetting: EnvoySetting = {
  cluster(cluster): Partial<Init<typeof ClusterSchema>> {
    const { endpointHeaders } = cluster;
    if (!endpointHeaders) return {};
    const loadBalancingPolicy = only(
      extension(`${PREFIX}.override_host`, OverrideHostSchema, {
        overrideHostSources: endpointHeaders.map((header) => ({ header })),
        fallbackPolicy: fallbackOf(cluster),
      }),
    );
    return {
      loadBalancingPolicy,
      lbPolicy: Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG,
      lbConfig: { case: undefined },
    };
  },
};
