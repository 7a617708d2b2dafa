// Access logs: every Envoy streams what it did to the control plane, where telemetry makes TrafficEvents of it.
import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import type { AccessLogFilterSchema, AccessLogSchema } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '../../gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { CustomTagSchema } from '../../gen/envoy/type/tracing/v3/custom_tag_pb.js';
import { formatLogName, type LogName, SERVICE_TAG } from '../../model/log-name.ts';
import { configured, duration, type Init } from './message.ts';
import { SERVICE_KEY, WEFT_METADATA } from './route-metadata.ts';

export type AccessLogInit = Init<typeof AccessLogSchema>;
type Filter = Init<typeof AccessLogFilterSchema>;

/** The control plane's cluster in Envoy's bootstrap. */
const CONTROL_CLUSTER = 'xds-grpc';

const GRPC_STATUS = 'grpc-status';

/** Says which CONNECT went to a TCP service: set by its route, so that callers can't say it. See tunnels.ts. */
export const TUNNEL_HEADER = 'x-weft-tunnel';

const commonConfig = (name: LogName) => ({
  logName: formatLogName(name),
  transportApiVersion: ApiVersion.V3,
  bufferFlushInterval: duration(100),
  grpcService: {
    targetSpecifier: { case: 'envoyGrpc', value: { clusterName: CONTROL_CLUSTER } },
  } as const,
});

const logOf = <Schema extends DescMessage>(
  name: string,
  schema: Schema,
  init: MessageInitShape<Schema>,
  filter?: Filter,
): AccessLogInit => ({ ...configured(name, schema, init), ...(filter && { filter }) });

/** What the route says of the service; see route-metadata.ts. */
const SERVICE = create(CustomTagSchema, {
  tag: SERVICE_TAG,
  type: {
    case: 'metadata',
    value: {
      kind: { kind: { case: 'route', value: {} } },
      metadataKey: { key: WEFT_METADATA, path: [{ segment: { case: 'key', value: SERVICE_KEY } }] },
    },
  },
});

const httpLog = (name: LogName, filter?: Filter): AccessLogInit =>
  logOf(
    'envoy.access_loggers.http_grpc',
    HttpGrpcAccessLogConfigSchema,
    {
      commonConfig: { ...commonConfig(name), customTags: [SERVICE] },
      additionalRequestHeadersToLog: ['traceparent'],
      additionalResponseHeadersToLog: [GRPC_STATUS],
      additionalResponseTrailersToLog: [GRPC_STATUS],
    },
    filter,
  );

const header = (name: string, value: string, invert = false): Filter => ({
  filterSpecifier: {
    case: 'headerFilter',
    value: {
      header: {
        name,
        invertMatch: invert,
        headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value } } },
      },
    },
  },
});

const noRoute: Filter = { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['NR'] } } };
const both = (...filters: Filter[]): Filter => ({ filterSpecifier: { case: 'andFilter', value: { filters } } });
const either = (...filters: Filter[]): Filter => ({ filterSpecifier: { case: 'orFilter', value: { filters } } });

export const httpAccessLog = (name: Omit<LogName, 'protocol'>): AccessLogInit[] => [
  httpLog({ ...name, protocol: 'http' }),
];

/** Of an explicit proxy: a tunnel to an HTTP service is not an event, the requests inside are. */
export const explicitProxyAccessLog = (name: Omit<LogName, 'protocol'>): AccessLogInit[] => [
  httpLog({ ...name, protocol: 'http' }, header(':method', 'CONNECT', true)),
  httpLog(
    { ...name, protocol: 'tunnel' },
    both(header(':method', 'CONNECT'), either(header(TUNNEL_HEADER, 'tcp'), noRoute)),
  ),
];

const streamLog = (name: LogName): AccessLogInit[] => [
  logOf('envoy.access_loggers.tcp_grpc', TcpGrpcAccessLogConfigSchema, { commonConfig: commonConfig(name) }),
];

export const tcpAccessLog = (name: Omit<LogName, 'protocol'>): AccessLogInit[] =>
  streamLog({ ...name, protocol: 'tcp' });

/** One entry for each session. */
export const udpAccessLog = (name: Omit<LogName, 'protocol'>): AccessLogInit[] =>
  streamLog({ ...name, protocol: 'udp' });
