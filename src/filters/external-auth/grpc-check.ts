// The messages of envoy.service.auth.v3, as far as they are used, by hand: a proxy must not load Envoy's types for them.
// Used by proxy.ts.
import { WeftError } from '../../lib/errors.ts';
import {
  bytesField,
  bytesOf,
  numberField,
  numberOf,
  optionalField,
  readFields,
  textOf,
  type WireField,
} from '../../lib/protobuf.ts';
import type { RequestHead } from '../../model/http.ts';
import type { AsideAnswer, AsideRequest, RequestOrigin } from '../filter.ts';
import type { ExternalAuth } from './schema.ts';
import type { HeaderEdit, Verdict } from './verdict.ts';

const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';
const HEADERS = ['content-type', 'application/grpc', 'te', 'trailers'];
const FRAME_BYTES = 5;
/** Of each list. */
const MAX_EDITS = 256;

type GrpcQuestion = Omit<AsideRequest, 'cluster' | 'timeoutMs'>;

// --- the question

const message = (number: number, ...parts: readonly Buffer[]): Buffer => bytesField(number, Buffer.concat(parts));

/** Header values are bytes; what is not UTF-8 in them can't be told. */
const text = (latin1: string): string => Buffer.from(latin1, 'latin1').toString();

const entry = (number: number, key: string, value: string): Buffer =>
  message(number, bytesField(1, key), bytesField(2, text(value)));

const peer = (number: number, address: string, port: number, principal = ''): Buffer =>
  message(number, message(1, message(1, bytesField(2, address), numberField(3, port))), optionalField(4, principal));

const isUtf8 = (bytes: Buffer): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};

const bodyField = (body: Buffer | undefined): Buffer =>
  body && body.length > 0 ? bytesField(isUtf8(body) ? 11 : 12, body) : Buffer.alloc(0);

const headerFields = (headers: ReadonlyMap<string, string>): Buffer[] =>
  [...headers].map(([name, value]) => entry(3, name, value));

/** Repeated headers are one, as the map has no other way to say them. */
const joined = (head: RequestHead, target: string, scheme: string, told: ReadonlySet<string>): Map<string, string> => {
  const all = new Map<string, string>();
  if (told.size === 0) {
    all.set(':method', head.method).set(':path', target).set(':authority', head.host).set(':scheme', scheme);
  }
  for (let i = 0; i < head.headers.length; i += 2) {
    const name = head.headers[i]!;
    if (told.size > 0 && !told.has(name)) continue;
    const before = all.get(name);
    all.set(name, before === undefined ? head.headers[i + 1]! : `${before},${head.headers[i + 1]}`);
  }
  return all;
};

export const grpcQuestion = ({ requestHeaders }: ExternalAuth) => {
  const told = new Set(requestHeaders);
  return (head: RequestHead, body: Buffer | undefined, origin: RequestOrigin, nowMs: number): GrpcQuestion => {
    const { scheme, protocol, peerAddress, peerPort, localAddress, localPort, identity, requestId, sni } = origin;
    const target = head.query === '' ? head.path : `${head.path}?${head.query}`;
    const http = message(
      2,
      optionalField(1, requestId),
      bytesField(2, head.method),
      ...headerFields(joined(head, target, scheme, told)),
      bytesField(4, target),
      bytesField(5, head.host),
      bytesField(6, scheme),
      numberField(9, body?.length ?? 0),
      bytesField(10, protocol),
      bodyField(body),
    );
    const seconds = Math.floor(nowMs / 1000);
    const time = message(1, numberField(1, seconds), numberField(2, Math.round(nowMs - seconds * 1000) * 1_000_000));
    const attributes = message(
      1,
      peer(1, peerAddress, peerPort, identity),
      peer(2, localAddress, localPort),
      message(4, time, http),
      ...(sni === '' ? [] : [message(12, bytesField(1, sni))]),
    );
    const frame = Buffer.alloc(FRAME_BYTES);
    frame.writeUInt32BE(attributes.length, 1);
    return {
      method: 'POST',
      path: CHECK_PATH,
      query: '',
      host: head.host,
      headers: [...HEADERS],
      body: Buffer.concat([frame, attributes]),
      mayRepeat: true,
    };
  };
};

// --- the answer

const malformed = (why: string): WeftError => new WeftError('PROTOBUF_MALFORMED', `the verdict is not valid: ${why}`);

const NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/;

const nameOf = (given: string): string => {
  const name = given.toLowerCase();
  if (name === ':path' || NAME.test(name)) return name;
  if (name.startsWith(':') && NAME.test(name.slice(1))) return name;
  throw malformed('the name of a header is none');
};

const textOfHeader = (given: string): string => {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(given)) throw malformed('the value of a header has a control character');
  return Buffer.from(given).toString('latin1').trim();
};

const all = (fields: readonly WireField[], number: number): WireField[] => {
  const found = fields.filter((field) => field.number === number);
  if (found.length > MAX_EDITS) throw malformed(`it has more than ${MAX_EDITS} edits`);
  return found;
};

const last = (fields: readonly WireField[], number: number): WireField | undefined =>
  fields.findLast((field) => field.number === number);

const inside = (fields: readonly WireField[], number: number): WireField[] => {
  const field = last(fields, number);
  return field ? readFields(bytesOf(field)) : [];
};

const textIn = (fields: readonly WireField[], number: number): string => {
  const field = last(fields, number);
  return field ? textOf(field) : '';
};

const numberIn = (fields: readonly WireField[], number: number): number => {
  const field = last(fields, number);
  return field ? numberOf(field) : 0;
};

/** As Envoy reads a HeaderValueOption here: what does not say that it is to be appended replaces what is there. */
const editOf = (field: WireField, appends: HeaderEdit['action']): HeaderEdit => {
  const option = readFields(bytesOf(field));
  const header = inside(option, 1);
  const action = numberIn(inside(option, 2), 1) === 0 ? 'set' : appends;
  const raw = last(header, 3);
  const value = raw ? bytesOf(raw).toString() : textIn(header, 2);
  return { name: nameOf(textIn(header, 1)), value: textOfHeader(value), action };
};

const deniedBy = (fields: readonly WireField[]): Verdict => {
  const denied = inside(fields, 2);
  const status = numberIn(inside(denied, 1), 1) || 403;
  if (status < 200 || status > 599) throw malformed('the status is none of an answer');
  const headers = all(denied, 2).map((field) => editOf(field, 'add'));
  return { allowed: false, status, headers, body: textIn(denied, 3) };
};

const allowedBy = (fields: readonly WireField[]): Verdict => {
  const ok = inside(fields, 3);
  const params = all(ok, 7).map((field) => readFields(bytesOf(field)));
  return {
    allowed: true,
    headers: all(ok, 2).map((field) => editOf(field, 'append')),
    removed: all(ok, 5).map((field) => nameOf(textOf(field))),
    answerHeaders: all(ok, 6).map((field) => editOf(field, 'add')),
    queryParams: params.map((param) => ({ name: textIn(param, 1), value: textIn(param, 2) })),
    removedQueryParams: all(ok, 8).map(textOf),
  };
};

const grpcStatus = ({ headers, trailers = [] }: AsideAnswer): string | undefined => {
  const fields = [...trailers, ...headers];
  const at = fields.findIndex((one, i) => i % 2 === 0 && one === 'grpc-status');
  return at < 0 ? undefined : fields[at + 1];
};

/** Undefined where the server itself has failed. Throws PROTOBUF_MALFORMED. */
export const grpcVerdict = (answer: AsideAnswer): Verdict | undefined => {
  const { status, body } = answer;
  if (status !== 200 || grpcStatus(answer) !== '0' || body.length < FRAME_BYTES) return undefined;
  if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - FRAME_BYTES) return undefined;
  const fields = readFields(body.subarray(FRAME_BYTES));
  return numberIn(inside(fields, 1), 1) === 0 ? allowedBy(fields) : deniedBy(fields);
};
