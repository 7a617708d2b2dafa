// Decodes the bodies that typed clients send as protobuf: kubectl's (create token, create namespace, auth can-i …) and controllers'.
import { type FieldType, MESSAGES, type Message } from './protobuf-messages.ts';
import { type ApiError, badRequest, unsupportedMediaType } from './status.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const broken = (): ApiError => badRequest('the body is not protobuf as Kubernetes writes it');

const MAGIC = Buffer.from('k8s\0');
const UNKNOWN: Message = {
  1: ['typeMeta', { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }],
  3: ['contentEncoding', 'string'],
  4: ['contentType', 'string'],
};
const RAW_FIELD = 2;

export const decodeKubernetes = (bytes: Buffer): Record<string, unknown> => {
  if (!bytes.subarray(0, 4).equals(MAGIC)) throw broken();
  const envelope = bytes.subarray(4);
  const { typeMeta, contentEncoding } = decode(envelope, UNKNOWN);
  const { apiVersion = '', kind = '' } = (typeMeta ?? {}) as { apiVersion?: string; kind?: string };
  const message = Object.hasOwn(MESSAGES, kind) ? MESSAGES[kind] : undefined;
  if (!message || contentEncoding !== undefined) {
    throw unsupportedMediaType(
      `a ${kind || 'body'} in protobuf is not supported; send application/json or application/yaml`,
    );
  }
  const raw = [...fieldsOf(envelope)].find((field) => field.number === RAW_FIELD)?.bytes ?? Buffer.alloc(0);
  return { apiVersion, kind, ...decode(raw, message) };
};

interface RawField {
  readonly number: number;
  /** Of a length-delimited field. */
  readonly bytes: Buffer | undefined;
  /** Of a varint. */
  readonly value: bigint;
}

const readVarint = (bytes: Buffer, start: number): [value: bigint, end: number] => {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return [value, start + i + 1];
  }
  throw broken();
};

function* fieldsOf(bytes: Buffer): Generator<RawField> {
  let at = 0;
  while (at < bytes.length) {
    const [tag, afterTag] = readVarint(bytes, at);
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (wire === 0) {
      const [value, end] = readVarint(bytes, afterTag);
      yield { number, bytes: undefined, value };
      at = end;
      continue;
    }
    const [length, start] = wire === 2 ? readVarint(bytes, afterTag) : [BigInt(fixedLength(wire)), afterTag];
    const end = start + Number(length);
    if (end > bytes.length) throw broken();
    yield { number, bytes: bytes.subarray(start, end), value: 0n };
    at = end;
  }
}

const fixedLength = (wire: number): number => {
  if (wire === 1) return 8;
  if (wire === 5) return 4;
  throw broken();
};

const textOf = (bytes: Buffer | undefined): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes ?? Buffer.alloc(0));
  } catch {
    throw broken();
  }
};

const entryOf = (bytes: Buffer): { key: string; value: Buffer } => {
  const fields = [...fieldsOf(bytes)];
  const part = (number: number) => fields.find((field) => field.number === number)?.bytes;
  return { key: textOf(part(1)), value: part(2) ?? Buffer.alloc(0) };
};

const intOrString = (bytes: Buffer): number | string | undefined => {
  const fields = [...fieldsOf(bytes)];
  const isText = fields.some((field) => field.number === 1 && field.value === 1n);
  if (isText) return textOf(fields.find((field) => field.number === 3)?.bytes);
  return signed(fields.find((field) => field.number === 2)?.value ?? 0n) || undefined;
};

const signed = (value: bigint): number => Number(BigInt.asIntN(64, value));

/** Seconds and nanoseconds since 1970, as Kubernetes writes them in JSON: with six digits behind the point. */
const microTime = (bytes: Buffer): string => {
  const part = (wanted: number) => signed([...fieldsOf(bytes)].find(({ number }) => number === wanted)?.value ?? 0n);
  const seconds = part(1);
  const micros = Math.floor(part(2) / 1000);
  if (seconds < 0 || seconds > MAX_SECONDS || micros < 0 || micros > 999_999) throw broken();
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, `.${String(micros).padStart(6, '0')}Z`);
};

// The year 9999, as far as RFC 3339 goes.
const MAX_SECONDS = 253_402_300_799;

/** Undefined for a zero value that need not have been set. */
const scalarOf = (type: FieldType, { bytes, value }: RawField): unknown => {
  if (type === 'string') return textOf(bytes) || undefined;
  if (type === 'bool') return value !== 0n || undefined;
  if (type === 'boolPointer') return value !== 0n;
  if (type === 'int') return signed(value) || undefined;
  if (type === 'intPointer') return signed(value);
  if (!bytes) throw broken();
  if (type === 'intOrString') return intOrString(bytes);
  if (type === 'microTime') return microTime(bytes);
  if (typeof type === 'string') return undefined;
  const inner = decode(bytes, type);
  return Object.keys(inner).length > 0 ? inner : undefined;
};

const decode = (bytes: Buffer, message: Message): Record<string, unknown> => {
  const result: Record<string, unknown> = {};
  for (const raw of fieldsOf(bytes)) {
    const field = message[raw.number];
    if (!field) continue;
    const [name, type, repeated] = field;
    if (type === 'stringMap' || type === 'bytesMap') {
      if (!raw.bytes) throw broken();
      const { key, value } = entryOf(raw.bytes);
      const text = type === 'bytesMap' ? value.toString('base64') : textOf(value);
      const entries = (result[name] as Map<string, string> | undefined) ?? new Map<string, string>();
      result[name] = entries.set(key, text);
    } else if (repeated) {
      const list = (result[name] as unknown[] | undefined) ?? [];
      list.push(scalarOf(type, raw) ?? (type === 'string' ? '' : {}));
      result[name] = list;
    } else {
      const value = scalarOf(type, raw);
      if (value !== undefined) result[name] = value;
    }
  }
  for (const [name, value] of Object.entries(result)) {
    if (value instanceof Map) result[name] = Object.fromEntries(value);
  }
  return result;
};
