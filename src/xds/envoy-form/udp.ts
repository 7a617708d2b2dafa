// UDP listeners in Envoy's terms: one udp_proxy, and for weighted targets a cluster of all their endpoints.
import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import {
  Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema,
  Cluster_DiscoveryType,
  ClusterSchema,
} from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { SocketAddress_Protocol } from '../../gen/envoy/config/core/v3/address_pb.js';
import type { TrafficDirection } from '../../gen/envoy/config/core/v3/base_pb.js';
import { UdpSocketConfigSchema } from '../../gen/envoy/config/core/v3/udp_socket_config_pb.js';
import { ClusterLoadAssignmentSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteSchema } from '../../gen/envoy/extensions/filters/udp/udp_proxy/v3/route_pb.js';
import { UdpProxyConfigSchema } from '../../gen/envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy_pb.js';
import type { Cluster, Endpoint, Listener, Snapshot, UdpHandler, WeightedCluster } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { udpAccessLog } from './access-log.ts';
import { clusterInit } from './cluster.ts';
import { lbEndpoint } from './endpoints.ts';
import { configured, duration, extension, fromAds, type Init, resourceOf } from './message.ts';

const liveTargets = ({ targets }: UdpHandler): readonly WeightedCluster[] => targets.filter(({ weight }) => weight > 0);

/** Envoy's route of a datagram names one cluster; several targets become one. */
const clusterName = (listener: Listener, handler: UdpHandler): string => {
  const live = liveTargets(handler);
  return live.length === 1 ? live[0]!.cluster : `udp|${listener.name}`;
};

/** Up to the largest that IP carries; Envoy would cut them at 1500 bytes. */
const LARGE = create(UdpSocketConfigSchema, { maxRxDatagramSize: 65_535n });

const udpProxy = (listener: Listener, handler: UdpHandler) => {
  const { direction } = listener;
  return configured('envoy.filters.udp_listener.udp_proxy', UdpProxyConfigSchema, {
    statPrefix: direction,
    routeSpecifier: {
      case: 'matcher',
      value: {
        onNoMatch: {
          onMatch: {
            case: 'action',
            value: extension('route', RouteSchema, { cluster: clusterName(listener, handler) }),
          },
        },
      },
    },
    idleTimeout: duration(handler.idleTimeoutMs),
    // For clusters that choose by a hash.
    hashPolicies: [{ policySpecifier: { case: 'sourceIp', value: true } }],
    upstreamSocketConfig: LARGE,
    accessLog: udpAccessLog({ direction, ...(handler.service && { service: handler.service }) }),
  });
};

const udpHandlerOf = ({ chains }: Listener): UdpHandler | undefined => {
  const handler = chains[0]?.handler;
  return handler?.type === 'udp' ? handler : undefined;
};

export const encodeUdpListener = (listener: Listener, trafficDirection: TrafficDirection): EncodedResource[] => {
  const handler = udpHandlerOf(listener);
  if (!handler) return [];
  const { name, address, port } = listener;
  return [
    resourceOf(name, ENVOY.listener, ListenerSchema, {
      name,
      address: {
        address: {
          case: 'socketAddress',
          value: { protocol: SocketAddress_Protocol.UDP, address, portSpecifier: { case: 'portValue', value: port } },
        },
      },
      trafficDirection,
      udpListenerConfig: { downstreamSocketConfig: LARGE },
      listenerFilters: [udpProxy(listener, handler)],
    }),
  ];
};

interface Blend {
  readonly name: string;
  readonly parts: readonly { readonly weight: number; readonly endpoints: readonly Endpoint[] }[];
  readonly like: Cluster | undefined;
}

const endpointsOf = ({ clusters, endpoints }: Snapshot, name: string): readonly Endpoint[] => {
  const discovery = clusters.get(name)?.discovery;
  switch (discovery?.type) {
    case 'eds':
      return endpoints.get(name)?.endpoints ?? [];
    case 'static':
      return discovery.endpoints;
    case 'dns':
      return [{ address: discovery.host, port: discovery.port, mesh: false, weight: 1, health: 'healthy' }];
    case undefined:
      return [];
  }
};

const blendsOf = (snapshot: Snapshot): Blend[] =>
  [...snapshot.listeners.values()].flatMap((listener) => {
    const handler = udpHandlerOf(listener);
    const live = handler ? liveTargets(handler) : [];
    if (!handler || live.length < 2) return [];
    const parts = live.map(({ cluster, weight }) => ({ weight, endpoints: endpointsOf(snapshot, cluster) }));
    const like = live.map(({ cluster }) => snapshot.clusters.get(cluster)).find((cluster) => cluster !== undefined);
    return [{ name: clusterName(listener, handler), parts, like }];
  });

/** Each target is a locality with its weight. One without endpoints leaves its share to the others. */
const assignment = ({ name, parts }: Blend) =>
  create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: parts.map(({ weight, endpoints }, i) => ({
      locality: { region: 'target', zone: String(i) },
      loadBalancingWeight: weight,
      lbEndpoints: endpoints.map(lbEndpoint),
    })),
  });

const hasNames = ({ parts }: Blend): boolean =>
  parts.some(({ endpoints }) => endpoints.some(({ address }) => isIP(address) === 0));

const discoveryOf = (blend: Blend): Init<typeof ClusterSchema> =>
  hasNames(blend)
    ? {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
        loadAssignment: assignment(blend),
      }
    : {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
        edsClusterConfig: { edsConfig: fromAds() },
      };

/** The clusters that weighted UDP targets become. */
export const blendedClusters = (snapshot: Snapshot): EncodedResource[] =>
  blendsOf(snapshot).flatMap((blend) => {
    if (!blend.like) return [];
    const { commonLbConfig, ...rest } = clusterInit(blend.like);
    return [
      resourceOf(blend.name, ENVOY.cluster, ClusterSchema, {
        ...rest,
        name: blend.name,
        ...discoveryOf(blend),
        commonLbConfig: {
          ...commonLbConfig,
          localityConfigSpecifier: {
            case: 'localityWeightedLbConfig',
            value: create(Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema),
          },
        },
      }),
    ];
  });

/** Their endpoints, where no name is among them. */
export const blendedEndpoints = (snapshot: Snapshot): EncodedResource[] =>
  blendsOf(snapshot).flatMap((blend) =>
    blend.like && !hasNames(blend)
      ? [resourceOf(blend.name, ENVOY.endpoints, ClusterLoadAssignmentSchema, assignment(blend))]
      : [],
  );
