// What HTTP means to gRPC: which requests are calls, their statuses, the answers that a proxy gives to them itself.
// Called by exchange.ts. The protocol: PROTOCOL-HTTP2.md and http-grpc-status-mapping.md of gRPC.
import { type GrpcStatusName, grpcStatus } from '../../model/grpc.ts';
import { type Head, headerOf } from '../../model/http.ts';

const CALL = /^application\/grpc(?:[+;]|$)/i;

/** True for a call; gRPC-Web is none. */
export const isGrpc = (method: string, head: Head): boolean => method === 'POST' && isGrpcBody(head);

/** By its type; of an answer too. */
export const isGrpcBody = (head: Head): boolean => CALL.test(headerOf(head, 'content-type') ?? '');

const OF_HTTP: Readonly<Record<number, GrpcStatusName>> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

/** The status of a call that was answered with that of HTTP alone. */
export const grpcStatusOfHttp = (status: number): number => grpcStatus(OF_HTTP[status] ?? 'UNKNOWN');

/** As grpc-message carries a text: printable ASCII, the rest of its UTF-8 and `%` as `%` with two hexadecimal digits. */
export const encodeGrpcMessage = (text: string): string => {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 32 && byte <= 126 && byte !== 37;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
};

/** The text in grpc-message; as it stands where it is not well encoded, empty where there is none. */
export const readGrpcMessage = (fields: readonly string[]): string => {
  const at = fields.findIndex((name, i) => i % 2 === 0 && name === 'grpc-message');
  const text = at < 0 ? '' : fields[at + 1]!;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The fields of an answer without messages ("trailers only"), whose status of HTTP is 200. */
export const grpcAnswerFields = (status: number, message: string): string[] => {
  const fields = ['content-type', 'application/grpc', 'grpc-status', `${status}`];
  if (message !== '') fields.push('grpc-message', encodeGrpcMessage(message));
  return fields;
};

const STATUS = /^[0-9]{1,3}$/;

/** The status that headers or trailers tell; undefined where they tell none. */
export const readGrpcStatus = (fields: readonly string[]): number | undefined => {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'grpc-status') return STATUS.test(fields[i + 1]!) ? Number(fields[i + 1]) : undefined;
  }
  return undefined;
};

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };
const TIMEOUT = /^([0-9]{1,8})([HMSmun])$/;

/** What a call gives itself, by its grpc-timeout; undefined where it gives none that can be read. */
export const readGrpcTimeoutMs = (head: Head): number | undefined => {
  const found = TIMEOUT.exec(headerOf(head, 'grpc-timeout') ?? '');
  return found ? Math.ceil(Number(found[1]) * UNIT_MS[found[2]!]!) : undefined;
};
