// The own engine's lines of an access log: each command of a format string becomes a function at config time. Prepared by
// proxy/prepare.ts, called when a request is over.
import { hostname } from 'node:os';
import { type LogCommand, type LogPart, parseLogFormat } from '../../lib/log-format.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import type { AccessLogFormat } from './schema.ts';
import { prepareStartTime } from './start-time.ts';

/** The connection that a request came over. */
export interface LoggedConnection {
  /** Who the client is, by its address or a PROXY protocol header. */
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Who holds the other end of the socket. */
  readonly directAddress: string;
  readonly sni: string;
  readonly tls: 'mutual' | 'simple' | 'none';
  readonly peer: { readonly spiffeId: string } | undefined;
}

/** `old`: of HTTP/1.0. */
type LoggedRequest = RequestHead & { readonly old: boolean };

/** What is known of a request that is over. */
export interface RequestFacts {
  readonly startMs: number;
  readonly durationMs: number;
  readonly request: LoggedRequest;
  readonly version: 'http1' | 'http2';
  /** 0: there was none. */
  readonly status: number;
  readonly answerHeaders: readonly string[];
  readonly trailers: readonly string[];
  readonly info: LoggedConnection;
  readonly remoteAddress: string | undefined;
  readonly endpoint: Endpoint | undefined;
  readonly cluster: string | undefined;
  readonly route: string | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly flags: readonly string[];
  readonly attempts: number;
  readonly grpcStatus: number | undefined;
}

type Value = string | number | undefined;
type Operator = (facts: RequestFacts) => Value;

/** Of several the first, as Envoy has it. */
const first = (headers: readonly string[], name: string): string | undefined => {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
};

const PSEUDO: Readonly<Record<string, (request: RequestHead) => string>> = {
  ':method': ({ method }) => method,
  ':path': ({ path, query }) => (query === '' ? path : `${path}?${query}`),
  ':authority': ({ host }) => host,
  host: ({ host }) => host,
};

type ReadHeader = (facts: RequestFacts, name: string) => string | undefined;

const requestHeader: ReadHeader = ({ request, info }, name) => {
  if (name === ':scheme') return info.tls === 'none' ? 'http' : 'https';
  return PSEUDO[name]?.(request) ?? first(request.headers, name);
};

const answerHeader: ReadHeader = ({ answerHeaders, status }, name) =>
  name === ':status' ? String(status) : first(answerHeaders, name);

const headerOperator = (argument: string, read: ReadHeader): Operator => {
  const [main = '', other] = argument.toLowerCase().split('?');
  return (facts) => read(facts, main) ?? (other === undefined ? undefined : read(facts, other));
};

const place = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

const clientOf = ({ info, remoteAddress = info.peerAddress }: RequestFacts): string => remoteAddress;
/** Whoever another proxy speaks for has no port here. */
const clientPort = ({ info, remoteAddress = info.peerAddress }: RequestFacts): number =>
  remoteAddress === info.peerAddress ? info.peerPort : 0;

const OPERATORS: Readonly<Record<string, Operator>> = {
  BYTES_RECEIVED: ({ bytesReceived }) => bytesReceived,
  BYTES_SENT: ({ bytesSent }) => bytesSent,
  DURATION: ({ durationMs }) => Math.round(durationMs),
  PROTOCOL: ({ version, request }) => (version === 'http2' ? 'HTTP/2' : request.old ? 'HTTP/1.0' : 'HTTP/1.1'),
  RESPONSE_CODE: ({ status }) => status,
  RESPONSE_FLAGS: ({ flags }) => (flags.length > 0 ? flags.join(',') : undefined),
  GRPC_STATUS_NUMBER: ({ grpcStatus }) => grpcStatus,
  ROUTE_NAME: ({ route }) => route || undefined,
  HOSTNAME: () => hostname(),
  REQUESTED_SERVER_NAME: ({ info }) => info.sni || undefined,
  UPSTREAM_HOST: ({ endpoint }) => endpoint && place(endpoint.address, endpoint.port),
  UPSTREAM_CLUSTER: ({ cluster }) => cluster,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ attempts }) => attempts,
  DOWNSTREAM_REMOTE_ADDRESS: (facts) => place(clientOf(facts), clientPort(facts)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: clientOf,
  DOWNSTREAM_REMOTE_PORT: clientPort,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: ({ info }) => info.directAddress,
  DOWNSTREAM_LOCAL_ADDRESS: ({ info }) => place(info.localAddress, info.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ info }) => info.localAddress,
  DOWNSTREAM_LOCAL_PORT: ({ info }) => info.localPort,
  DOWNSTREAM_PEER_URI_SAN: ({ info }) => info.peer?.spiffeId,
};

const operatorOf = ({ name, argument }: LogCommand): Operator => {
  if (name === 'REQ') return headerOperator(argument!, requestHeader);
  if (name === 'RESP') return headerOperator(argument!, answerHeader);
  if (name === 'TRAILER') return headerOperator(argument!, ({ trailers }, header) => first(trailers, header));
  if (name !== 'START_TIME') return OPERATORS[name]!;
  const format = prepareStartTime(argument);
  return ({ startMs }) => format(startMs);
};

const prepareValue = (command: LogCommand): Operator => {
  const operator = operatorOf(command);
  const { maxLength } = command;
  if (maxLength === undefined) return operator;
  return (facts) => {
    const value = operator(facts);
    return value === undefined ? undefined : String(value).slice(0, maxLength);
  };
};

const prepareText = (parts: readonly LogPart[]): ((facts: RequestFacts) => string) => {
  const values = parts.map((part) => (typeof part === 'string' ? () => part : prepareValue(part)));
  return (facts) => {
    let text = '';
    for (const value of values) text += value(facts) ?? '-';
    return text;
  };
};

/** A field that is one command alone keeps its type, and is null where there is nothing. */
const prepareField = (format: string): ((facts: RequestFacts) => string | number | null) => {
  const parts = parseLogFormat(format);
  const [only] = parts;
  if (parts.length !== 1 || typeof only !== 'object') return prepareText(parts);
  const value = prepareValue(only);
  return (facts) => value(facts) ?? null;
};

/** One line, without its end. Throws LOG_FORMAT_INVALID. */
export const prepareLogLine = (format: AccessLogFormat): ((facts: RequestFacts) => string) => {
  if (format.type === 'text') return prepareText(parseLogFormat(format.text));
  const names = Object.keys(format.fields).sort();
  const fields = names.map((name) => [name, prepareField(format.fields[name]!)] as const);
  return (facts) => JSON.stringify(Object.fromEntries(fields.map(([name, value]) => [name, value(facts)])));
};
