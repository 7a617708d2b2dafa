// Endpoints as Envoy's ClusterLoadAssignment.
import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { HealthStatus } from '../../gen/envoy/config/core/v3/health_check_pb.js';
import type { LbEndpointSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { ClusterLoadAssignmentSchema } from '../../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { zoneWeight } from '../../model/balancing.ts';
import type { Endpoint, EndpointSet } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { type Init, resourceOf } from './message.ts';

const HEALTH: Readonly<Record<Endpoint['health'], HealthStatus>> = {
  healthy: HealthStatus.HEALTHY,
  unhealthy: HealthStatus.UNHEALTHY,
  draining: HealthStatus.DRAINING,
};

export const socketAddress = (address: string, port: number) =>
  ({
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  }) as const;

/** Chooses between mutual TLS and plain text: see the transport socket matches of clusters. */
const meshMetadata = { filterMetadata: { 'envoy.transport_socket_match': { mesh: true } } };

export const lbEndpoint = (endpoint: Endpoint): Init<typeof LbEndpointSchema> => ({
  hostIdentifier: { case: 'endpoint', value: { address: socketAddress(endpoint.address, endpoint.port) } },
  healthStatus: HEALTH[endpoint.health],
  loadBalancingWeight: Math.max(1, Math.min(128, Math.round(endpoint.weight))),
  metadata: {
    filterMetadata: {
      ...(endpoint.mesh && meshMetadata.filterMetadata),
      // For access logs: which workload answered.
      ...(endpoint.workload && { weft: { workload: endpoint.workload } }),
    },
  },
});

/** Envoy is given no way to those that take nothing else. */
const withoutHbone = (endpoint: Endpoint): Endpoint[] => {
  if (!endpoint.hbone) return [endpoint];
  const { direct } = endpoint.hbone;
  return direct ? [{ ...endpoint, ...direct }] : [];
};

const groupOf = ({ locality, priority = 0 }: Endpoint): string =>
  locality ? `${priority} ${locality.region}/${locality.zone}/${locality.subzone}` : `${priority}`;

export const loadAssignment = (
  clusterName: string,
  endpoints: readonly Endpoint[],
  zoneWeights?: EndpointSet['zoneWeights'],
) => {
  // Envoy takes addresses alone here, and would refuse all for one name.
  const usable = endpoints.flatMap(withoutHbone).filter(({ address }) => isIP(address) !== 0);
  // Some were left out: there must be no gap.
  const priorities = [...new Set(usable.map(({ priority = 0 }) => priority))].sort((a, b) => a - b);
  const byLocality = Object.groupBy(usable, groupOf) as Record<string, Endpoint[]>;
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: Object.values(byLocality).map((group) => {
      const { locality, priority = 0 } = group[0]!;
      return {
        priority: priorities.indexOf(priority),
        ...(zoneWeights && { loadBalancingWeight: zoneWeight(zoneWeights, locality?.zone) }),
        ...(locality && { locality: { region: locality.region, zone: locality.zone, subZone: locality.subzone } }),
        lbEndpoints: group.map(lbEndpoint),
      };
    }),
  });
};

export const encodeEndpoints = ({ cluster, endpoints, zoneWeights }: EndpointSet): EncodedResource =>
  resourceOf(cluster, ENVOY.endpoints, ClusterLoadAssignmentSchema, loadAssignment(cluster, endpoints, zoneWeights));
