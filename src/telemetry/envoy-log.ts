// Envoy's access log entries as TrafficEvents. Called by ingest. What an entry says of its own side is replaced by the
// certificate that its Envoy proved.
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { Address } from '../gen/envoy/config/core/v3/address_pb.js';
import { RequestMethod } from '../gen/envoy/config/core/v3/base_pb.js';
import type {
  AccessLogCommon,
  HTTPAccessLogEntry,
  TCPAccessLogEntry,
  TLSProperties_CertificateProperties,
} from '../gen/envoy/data/accesslog/v3/accesslog_pb.js';
import { formatHostPort } from '../lib/host-port.ts';
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import { parseSpiffeId } from '../model/identity.ts';
import { type LogName, SERVICE_TAG } from '../model/log-name.ts';
import { lettersOf } from './envoy-flags.ts';
import { cutText, isGrpcStatus } from './event-parse.ts';
import type { SenderPeer } from './sender-peer.ts';

type Peer = { -readonly [K in keyof EventPeer]: EventPeer[K] };

const MAX_PATH = 2048;

const millis = (time: Timestamp | Duration | undefined): number =>
  time ? Number(time.seconds) * 1000 + time.nanos / 1e6 : 0;

const addressText = (address: Address | undefined): string | undefined => {
  if (address?.address.case !== 'socketAddress') return undefined;
  const { address: host, portSpecifier } = address.address.value;
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
  return cutText(formatHostPort(host, port));
};

/** The SPIFFE id in a certificate's alternative names. */
const spiffeIdOf = (certificate: TLSProperties_CertificateProperties | undefined): string | undefined => {
  for (const { san } of certificate?.subjectAltName ?? []) {
    if (san.case === 'uri' && parseSpiffeId(san.value)) return san.value;
  }
  return undefined;
};

const withIdentity = (peer: Peer, spiffeId: string | undefined): Peer => {
  const identity = spiffeId === undefined ? undefined : parseSpiffeId(spiffeId);
  if (spiffeId === undefined || !identity) return peer;
  return { ...peer, identity: spiffeId, namespace: peer.namespace ?? identity.namespace };
};

const CLUSTER = /^(?:outbound|inbound)\|\d+(?:\/(?:udp|h2))?\|[^|]*\|([^|]*)$/;

/** The service of a cluster's name, `outbound|9080||reviews.default.svc.cluster.local`. */
const serviceOfCluster = (cluster: string): Peer => {
  const host = CLUSTER.exec(cluster)?.[1];
  if (!host) return {};
  const parts = /^([^.]+)\.([^.]+)\.svc\./.exec(host);
  return parts ? { namespace: parts[2]!, service: parts[1]! } : { service: host };
};

/** The service that was asked for, where no endpoint was found to tell it. */
const serviceOfTag = (tags: AccessLogCommon['customTags']): Peer => {
  const text = tags[SERVICE_TAG] ?? '';
  if (CLUSTER.test(text)) return serviceOfCluster(text);
  const [namespace, name] = text.split('/');
  return namespace && name ? { namespace: cutText(namespace), service: cutText(name) } : {};
};

const serviceOfName = (service: LogName['service']): Peer =>
  service ? { namespace: service.namespace, service: service.name } : {};

const self = (sender: SenderPeer): Peer => ({
  identity: sender.spiffeId,
  namespace: sender.identity.namespace,
  workload: sender.name,
});

const withAddress = (peer: Peer, address: Address | undefined): Peer => {
  const text = addressText(address);
  return text === undefined ? peer : { ...peer, address: text };
};

/** Inside the mesh the other one would be what an x-forwarded-for says; elsewhere it is what a PROXY protocol header says. */
const clientAddress = (common: AccessLogCommon, { direction, protocol }: LogName): Address | undefined =>
  direction === 'gateway' || protocol === 'tcp'
    ? common.downstreamRemoteAddress
    : (common.downstreamDirectRemoteAddress ?? common.downstreamRemoteAddress);

const sidesOf = (common: AccessLogCommon, name: LogName, sender: SenderPeer) => {
  const { direction } = name;
  const caller = withIdentity({}, spiffeIdOf(common.tlsProperties?.peerCertificateProperties));
  const asked = common.upstreamCluster ? serviceOfCluster(common.upstreamCluster) : serviceOfTag(common.customTags);
  const called = { ...asked, ...serviceOfName(name.service) };
  const source = direction === 'outbound' ? self(sender) : caller;
  const destination = direction === 'inbound' ? { ...called, ...self(sender) } : called;
  return {
    source: withAddress(source, clientAddress(common, name)),
    destination: withAddress(destination, common.upstreamRemoteAddress),
  };
};

const tlsOf = (common: AccessLogCommon): TrafficEvent['tls'] => {
  const properties = common.tlsProperties;
  if (!properties) return 'none';
  return properties.peerCertificateProperties?.subjectAltName.length ? 'mutual' : 'simple';
};

const DENIAL = /rbac_access_denied_matched_policy\[(.*)\]/;
const POLICY_NAME = /^ns\[([^\]]+)\]-policy\[([^\]]+)\]/;

/** From the details of an RBAC denial; `none` means that no ALLOW policy matched, and the hub knows which there were. */
const policyOf = (details: string): TrafficEvent['policy'] => {
  const found = DENIAL.exec(details)?.[1];
  if (found === undefined) return undefined;
  const name = POLICY_NAME.exec(found);
  if (!name) return { verdict: 'deny', names: [], reason: 'no ALLOW policy matches' };
  const qualifiedName = `${name[1]}/${name[2]}`;
  return { verdict: 'deny', names: [qualifiedName], reason: `denied by AuthorizationPolicy ${qualifiedName}` };
};

const shared = (common: AccessLogCommon, name: LogName, sender: SenderPeer, details: string) => {
  const policy = policyOf(details);
  const flags = lettersOf(common.responseFlags);
  if (policy) flags.push('RBAC');
  return {
    startMs: millis(common.startTime),
    durationMs: millis(common.duration ?? common.timeToLastDownstreamTxByte),
    proxy: sender.proxy,
    direction: name.direction,
    ...sidesOf(common, name, sender),
    flags,
    ...(common.routeName && { route: cutText(common.routeName) }),
    ...(common.upstreamCluster && { cluster: cutText(common.upstreamCluster) }),
    attempts: common.upstreamRequestAttemptCount,
    tls: tlsOf(common),
    ...(policy && { policy }),
  };
};

/** Undefined for an entry without the parts that make an event. */
export const httpEvent = (entry: HTTPAccessLogEntry, name: LogName, sender: SenderPeer): TrafficEvent | undefined => {
  const { commonProperties: common, request, response } = entry;
  if (!common?.startTime || !request) return undefined;
  const seen = {
    ...shared(common, name, sender, response?.responseCodeDetails ?? ''),
    bytesReceived: Number(request.requestBodyBytes),
    bytesSent: Number(response?.responseBodyBytes ?? 0n),
  };
  if (name.protocol === 'tunnel') return { ...seen, protocol: 'tcp' };
  const traceparent = request.requestHeaders.traceparent;
  const grpcText = response?.responseTrailers['grpc-status'] ?? response?.responseHeaders['grpc-status'];
  const grpcStatus = grpcText ? Number(grpcText) : undefined;
  const [path] = (request.originalPath || request.path).split('?');
  const http = {
    method: RequestMethod[request.requestMethod] ?? '',
    path: cutText(path ?? '', MAX_PATH),
    host: cutText(request.authority.toLowerCase()),
    status: response?.responseCode ?? 0,
    requestId: cutText(request.requestId, 128),
    ...(isGrpcStatus(grpcStatus) && { grpcStatus }),
    ...(traceparent && { traceparent: cutText(traceparent) }),
  };
  return { ...seen, protocol: 'http', http };
};

/** Undefined for an entry without the parts that make an event. */
export const tcpEvent = (entry: TCPAccessLogEntry, name: LogName, sender: SenderPeer): TrafficEvent | undefined => {
  const { commonProperties: common, connectionProperties: connection } = entry;
  if (!common?.startTime) return undefined;
  return {
    ...shared(common, name, sender, common.connectionTerminationDetails),
    protocol: name.protocol === 'udp' ? 'udp' : 'tcp',
    bytesReceived: Number(connection?.receivedBytes ?? 0n),
    bytesSent: Number(connection?.sentBytes ?? 0n),
  };
};
