// The configuration an Envoy starts with: who it is, where its control plane and its agent's SDS are. The rest comes by xDS.
import { isIP } from 'node:net';

export type JsonObject = { readonly [key: string]: unknown };

export type AdminAddress = { readonly socketPath: string } | { readonly address: string; readonly port: number };

export type XdsAddress =
  | {
      readonly host: string;
      readonly port: number;
      /** False only on loopback. */
      readonly tls: boolean;
      /** The name that the control plane's certificate must carry; absent: the host. */
      readonly serverName?: string;
    }
  /** Plain text, for a control plane in the agent's own process. */
  | { readonly socketPath: string };

export interface BootstrapOptions {
  readonly node: {
    readonly id: string;
    readonly cluster: string;
    /** As the xds room encodes a ProxyNode. */
    readonly metadata: JsonObject;
  };
  /** Where the control plane's xDS is; TLS is mutual, by the proxy's own SVID out of SDS. */
  readonly xds: XdsAddress;
  readonly sdsSocket: string;
  readonly admin: AdminAddress;
  readonly maxConnections?: number;
}

/** An address is no server name in TLS (RFC 6066), so one stands in for it; the certificate is checked for the address. */
const STAND_IN = 'control.weft';

const type = (name: string): string => `type.googleapis.com/${name}`;

const socketAddress = (address: string, port: number): JsonObject => ({
  socket_address: { address, port_value: port },
});

/**
 * HTTP/2, to the control plane with pings, so that one that vanished without a word is noticed, and a connection for each
 * stream: one that was opened with an ended certificate would be used again and again, and refused each time.
 */
const http2 = (keepalive: boolean): JsonObject => ({
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
    ...(keepalive && { common_http_protocol_options: { max_requests_per_connection: 1 } }),
    explicit_http_config: {
      http2_protocol_options: keepalive ? { connection_keepalive: { interval: '10s', timeout: '5s' } } : {},
    },
  },
});

const endpointOf = (name: string, address: JsonObject): JsonObject => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
});

const secretSource = (name: string): JsonObject => ({
  name,
  sds_config: {
    resource_api_version: 'V3',
    // Without its certificate it can do nothing: wait for it.
    initial_fetch_timeout: '0s',
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
    },
  },
});

const tlsToControl = (name: string): JsonObject => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
    sni: isIP(name) ? STAND_IN : name,
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
      tls_certificate_sds_secret_configs: [secretSource('default')],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: isIP(name) ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } }],
        },
        validation_context_sds_secret_config: secretSource('ROOTCA'),
      },
    },
  },
});

const controlCluster = (xds: XdsAddress): JsonObject => {
  const name = 'xds-grpc';
  const common = { name, connect_timeout: '2s', typed_extension_protocol_options: http2(true) };
  if ('socketPath' in xds) {
    return { ...common, type: 'STATIC', load_assignment: endpointOf(name, { pipe: { path: xds.socketPath } }) };
  }
  return {
    ...common,
    type: isIP(xds.host) ? 'STATIC' : 'STRICT_DNS',
    load_assignment: endpointOf(name, socketAddress(xds.host, xds.port)),
    ...(xds.tls ? { transport_socket: tlsToControl(xds.serverName ?? xds.host) } : {}),
  };
};

const agentCluster = (socketPath: string): JsonObject => ({
  name: 'sds-grpc',
  type: 'STATIC',
  connect_timeout: '2s',
  typed_extension_protocol_options: http2(false),
  load_assignment: endpointOf('sds-grpc', { pipe: { path: socketPath } }),
});

/** What the drain and the admin pages need; the counts of traffic come as events instead. */
const STATS = [
  { prefix: 'server.' },
  { prefix: 'cluster_manager.' },
  { prefix: 'listener_manager.' },
  { prefix: 'control_plane.' },
  { prefix: 'sds.' },
  { suffix: '.downstream_cx_active' },
  { suffix: '.downstream_cx_total' },
  { suffix: '.downstream_rq_active' },
  { suffix: '.downstream_rq_total' },
  { suffix: '.upstream_cx_active' },
  { suffix: '.upstream_rq_active' },
  { suffix: '.upstream_rq_total' },
  { suffix: '.update_rejected' },
];

const adminOf = (admin: AdminAddress): JsonObject => ({
  ignore_global_conn_limit: true,
  address:
    'socketPath' in admin
      ? { pipe: { path: admin.socketPath, mode: 0o600 } }
      : socketAddress(admin.address, admin.port),
});

/** As Weft's own proxies come back; Envoy by itself would wait for up to 30 s after a long outage. */
const COME_BACK: JsonObject = { retry_back_off: { base_interval: '0.1s', max_interval: '5s' } };

const fromControl: JsonObject = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };

/** The bootstrap as JSON. */
export const bootstrapOf = (options: BootstrapOptions): JsonObject => ({
  node: options.node,
  admin: adminOf(options.admin),
  dynamic_resources: {
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc', retry_policy: COME_BACK } }],
    },
    cds_config: fromControl,
    lds_config: fromControl,
  },
  static_resources: { clusters: [controlCluster(options.xds), agentCluster(options.sdsSocket)] },
  stats_config: { stats_matcher: { inclusion_list: { patterns: STATS } } },
  bootstrap_extensions: [
    {
      name: 'envoy.bootstrap.internal_listener',
      typed_config: { '@type': type('envoy.extensions.bootstrap.internal_listener.v3.InternalListener') },
    },
  ],
  overload_manager: {
    resource_monitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        typed_config: {
          '@type': type('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig'),
          max_active_downstream_connections: options.maxConnections ?? 50_000,
        },
      },
    ],
  },
});
