// Clusters in Envoy's terms.
import { create } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { withNewer } from '../../filters/envoy-message.ts';
import { envoyBudget } from '../../filters/retry/envoy.ts';
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  ClusterSchema,
} from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import { RoutingPriority, TransportSocketSchema } from '../../gen/envoy/config/core/v3/base_pb.js';
import { HttpProtocolOptionsSchema as HttpOptionsSchema } from '../../gen/envoy/config/core/v3/protocol_pb.js';
import { ProxyProtocolConfig_Version } from '../../gen/envoy/config/core/v3/proxy_protocol_pb.js';
import { InternalUpstreamTransportSchema } from '../../gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js';
import { ProxyProtocolUpstreamTransportSchema } from '../../gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js';
import { RawBufferSchema } from '../../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  type HttpProtocolOptions_ExplicitHttpConfigSchema,
  HttpProtocolOptionsSchema,
} from '../../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Cluster } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { balancingOf } from './balancing.ts';
import { loadAssignment, socketAddress } from './endpoints.ts';
import { clusterParts, socketOf } from './filters.ts';
import { configured, duration, fromAds, type Init, pack, resourceOf } from './message.ts';
import { meshUpstream } from './tls.ts';

const UNLIMITED = 0xffffffff;

const plainText = configured('envoy.transport_sockets.raw_buffer', RawBufferSchema, {});

const discoveryOf = ({ name, discovery }: Cluster): Init<typeof ClusterSchema> => {
  switch (discovery.type) {
    case 'eds':
      return {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
        edsClusterConfig: { edsConfig: fromAds() },
      };
    case 'static':
      return {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
        loadAssignment: loadAssignment(name, discovery.endpoints),
      };
    case 'dns':
      return {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
        dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
        respectDnsTtl: true,
        loadAssignment: {
          clusterName: name,
          endpoints: [
            {
              lbEndpoints: [
                {
                  hostIdentifier: {
                    case: 'endpoint',
                    value: { address: socketAddress(discovery.host, discovery.port) },
                  },
                },
              ],
            },
          ],
        },
      };
  }
};

const PROXY_VERSION = { v1: ProxyProtocolConfig_Version.V1, v2: ProxyProtocolConfig_Version.V2 };

/** Envoy keeps a pool for each client's connection then, as the own engine does. */
const afterProxyHeader = (version: NonNullable<Cluster['proxyProtocol']>, socket: Init<typeof TransportSocketSchema>) =>
  configured('envoy.transport_sockets.upstream_proxy_protocol', ProxyProtocolUpstreamTransportSchema, {
    config: { version: PROXY_VERSION[version] },
    transportSocket: create(TransportSocketSchema, socket),
  });

/** Mutual TLS for endpoints that say so, plain text for all others. */
const transportOf = (cluster: Cluster): Init<typeof ClusterSchema> => {
  const { tls, proxyProtocol } = cluster;
  const after = (socket: Init<typeof TransportSocketSchema>) =>
    proxyProtocol ? afterProxyHeader(proxyProtocol, socket) : socket;
  if (tls.mode === 'mesh') {
    return {
      transportSocketMatches: [
        { name: 'mesh', match: { mesh: true }, transportSocket: after(meshUpstream(tls.sni, tls.identities)) },
        { name: 'plain', match: {}, transportSocket: after(plainText) },
      ],
    };
  }
  const socket = socketOf(cluster);
  return socket || proxyProtocol ? { transportSocket: after(socket ?? plainText) } : {};
};

/** Routes with retries of their own have the priority HIGH: what never was sent elsewhere needs no budget. */
const limitsOf = (cluster: Cluster): Init<typeof ClusterSchema> => {
  const { maxConnections, maxPendingRequests } = cluster;
  const each = { maxConnections: UNLIMITED, maxPendingRequests, maxRequests: UNLIMITED };
  const priority = RoutingPriority.HIGH;
  return {
    circuitBreakers: {
      thresholds: [
        { ...each, maxRetries: UNLIMITED },
        { ...each, priority, retryBudget: envoyBudget(cluster) },
      ],
      perHostThresholds: [{ maxConnections }, { priority, maxConnections }],
    },
  };
};

/** max_response_headers_kb: 64, as much as the own engine takes. */
const MAX_HEAD = { no: 7, wireType: WireType.LengthDelimited, data: new Uint8Array([2, 8, 64]) };

const http1 = { enableTrailers: true };
const http2 = { allowConnect: true };

const versionOf = ({ protocol, keepsVersion }: Cluster): Init<typeof HttpProtocolOptionsSchema> => {
  if (keepsVersion) {
    const value = { httpProtocolOptions: http1, http2ProtocolOptions: http2 };
    return { upstreamProtocolOptions: { case: 'useDownstreamProtocolConfig', value } };
  }
  const value: Init<typeof HttpProtocolOptions_ExplicitHttpConfigSchema> =
    protocol === 'http2'
      ? { protocolConfig: { case: 'http2ProtocolOptions', value: http2 } }
      : { protocolConfig: { case: 'httpProtocolOptions', value: http1 } };
  return { upstreamProtocolOptions: { case: 'explicitHttpConfig', value } };
};

export const clusterInit = (cluster: Cluster): Init<typeof ClusterSchema> => ({
  name: cluster.name,
  connectTimeout: duration(cluster.connectTimeoutMs),
  ...balancingOf(cluster),
  ...discoveryOf(cluster),
  ...transportOf(cluster),
  ...limitsOf(cluster),
  ...clusterParts(cluster),
  ignoreHealthOnHostRemoval: true,
  typedExtensionProtocolOptions: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
      commonHttpProtocolOptions: withNewer(HttpOptionsSchema, { idleTimeout: duration(cluster.idleTimeoutMs) }, [
        MAX_HEAD,
      ]),
      ...versionOf(cluster),
    }),
  },
});

export const encodeCluster = (cluster: Cluster): EncodedResource =>
  resourceOf(cluster.name, ENVOY.cluster, ClusterSchema, clusterInit(cluster));

/** Leads what is inside a CONNECT tunnel back into this Envoy, to the internal listener of the same name. */
export const encodeInternalCluster = (name: string): EncodedResource =>
  resourceOf(name, ENVOY.cluster, ClusterSchema, {
    name,
    connectTimeout: duration(5_000),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [
            {
              hostIdentifier: {
                case: 'endpoint',
                value: {
                  address: {
                    address: {
                      case: 'envoyInternalAddress',
                      value: { addressNameSpecifier: { case: 'serverListenerName', value: name } },
                    },
                  },
                },
              },
            },
          ],
        },
      ],
    },
    circuitBreakers: {
      thresholds: [
        { maxConnections: UNLIMITED, maxPendingRequests: UNLIMITED, maxRequests: UNLIMITED, maxRetries: UNLIMITED },
      ],
    },
    transportSocket: configured('envoy.transport_sockets.internal_upstream', InternalUpstreamTransportSchema, {
      transportSocket: create(TransportSocketSchema, plainText),
    }),
  });
