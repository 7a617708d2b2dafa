// Reads TrafficEvents that a proxy sent: every field checked and bounded, nothing else taken over. Called by ingest.
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import type { SenderPeer } from './sender-peer.ts';

type Fields = Readonly<Record<string, unknown>>;

const MAX_TEXT = 512;
const MAX_PATH = 2048;
const MAX_LIST = 32;

const DIRECTIONS: readonly TrafficEvent['direction'][] = ['inbound', 'outbound', 'gateway'];
const TLS_MODES: readonly TrafficEvent['tls'][] = ['mutual', 'simple', 'none'];

export const cutText = (text: string, length = MAX_TEXT): string =>
  text.length > length ? text.slice(0, length) : text;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

const textOf = (value: unknown, length = MAX_TEXT): string => (typeof value === 'string' ? cutText(value, length) : '');

const countOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;

const listOf = (value: unknown): string[] =>
  Array.isArray(value)
    ? value
        .slice(0, MAX_LIST)
        .filter((item) => typeof item === 'string')
        .map((item) => cutText(item))
    : [];

const oneOf = <T extends string>(value: unknown, known: readonly T[], otherwise: T): T =>
  known.includes(value as T) ? (value as T) : otherwise;

export const isGrpcStatus = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 999;

const PEER_FIELDS = ['identity', 'namespace', 'workload', 'service', 'address'] as const;

const peerOf = (value: unknown): EventPeer => {
  const fields = fieldsOf(value);
  const peer: { -readonly [K in keyof EventPeer]: EventPeer[K] } = {};
  for (const name of PEER_FIELDS) {
    const text = textOf(fields[name]);
    if (text) peer[name] = text;
  }
  return peer;
};

const httpOf = (value: unknown): NonNullable<TrafficEvent['http']> => {
  const fields = fieldsOf(value);
  const traceparent = textOf(fields.traceparent);
  const { grpcStatus } = fields;
  return {
    method: textOf(fields.method, 32),
    path: textOf(fields.path, MAX_PATH),
    host: textOf(fields.host),
    status: countOf(fields.status),
    requestId: textOf(fields.requestId, 128),
    ...(isGrpcStatus(grpcStatus) && { grpcStatus }),
    ...(traceparent && { traceparent }),
  };
};

const policyOf = (value: unknown): NonNullable<TrafficEvent['policy']> => {
  const fields = fieldsOf(value);
  const verdict = fields.verdict === 'deny' ? 'deny' : 'allow';
  return { verdict, names: listOf(fields.names), reason: textOf(fields.reason) };
};

const refusalOf = (value: unknown): NonNullable<TrafficEvent['tlsRefusal']> => {
  const fields = fieldsOf(value);
  return { reason: textOf(fields.reason), ja4: textOf(fields.ja4, 40) };
};

/** What a proxy says of itself is what its certificate says; what it says of the other side is its testimony. */
const ownSide = (peer: EventPeer, sender: SenderPeer): EventPeer => ({
  ...peer,
  identity: sender.spiffeId,
  namespace: sender.identity.namespace,
});

/** Undefined for what is no event at all. */
export const parseEvent = (value: unknown, sender: SenderPeer): TrafficEvent | undefined => {
  const fields = fieldsOf(value);
  const startMs = fields.startMs;
  if (typeof startMs !== 'number' || !Number.isFinite(startMs)) return undefined;
  const claimed = oneOf(fields.direction, DIRECTIONS, 'outbound');
  // Only a gateway speaks as one, and a gateway as nothing else.
  if ((claimed === 'gateway') !== (sender.role === 'gateway')) return undefined;
  const source = peerOf(fields.source);
  const destination = peerOf(fields.destination);
  const protocol = fields.protocol === 'tcp' || fields.protocol === 'udp' ? fields.protocol : 'http';
  const route = textOf(fields.route);
  const cluster = textOf(fields.cluster);
  return {
    startMs,
    durationMs: countOf(fields.durationMs),
    proxy: sender.proxy,
    direction: claimed,
    protocol,
    source: claimed === 'outbound' ? ownSide(source, sender) : source,
    destination: claimed === 'inbound' ? ownSide(destination, sender) : destination,
    ...(protocol === 'http' && { http: httpOf(fields.http) }),
    bytesReceived: countOf(fields.bytesReceived),
    bytesSent: countOf(fields.bytesSent),
    flags: listOf(fields.flags),
    ...(route && { route }),
    ...(cluster && { cluster }),
    attempts: countOf(fields.attempts),
    tls: oneOf(fields.tls, TLS_MODES, 'none'),
    ...(typeof fields.tlsRefusal === 'object' &&
      fields.tlsRefusal !== null && { tlsRefusal: refusalOf(fields.tlsRefusal) }),
    ...(typeof fields.policy === 'object' && fields.policy !== null && { policy: policyOf(fields.policy) }),
  };
};
