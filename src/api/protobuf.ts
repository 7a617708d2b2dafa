// Decodes the bodies that kubectl's typed commands (create token, create namespace, auth can-i …) send as protobuf only.
import { type ApiError, badRequest, unsupportedMediaType } from './status.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/**
 * What a field holds. Kubernetes writes fields at their zero value unless they are pointers, so zero values are left
 * out, but for `pointer` types, which are sent only when they were set.
 */
type FieldType =
  | 'string'
  | 'int'
  | 'bool'
  | 'boolPointer'
  | 'intPointer'
  | 'intOrString'
  | 'stringMap'
  | 'bytesMap'
  | Message;
type Field = readonly [name: string, type: FieldType, repeated?: 'repeated'];
type Message = { readonly [number: number]: Field };

// Field numbers as in the published .proto files of k8s.io/api and k8s.io/apimachinery (Kubernetes 1.32).
const ownerReference: Message = {
  1: ['kind', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['controller', 'boolPointer'],
  7: ['blockOwnerDeletion', 'boolPointer'],
};
const metadata: Message = {
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  5: ['uid', 'string'],
  6: ['resourceVersion', 'string'],
  11: ['labels', 'stringMap'],
  12: ['annotations', 'stringMap'],
  13: ['ownerReferences', ownerReference, 'repeated'],
  14: ['finalizers', 'string', 'repeated'],
};
const servicePort: Message = {
  1: ['name', 'string'],
  2: ['protocol', 'string'],
  3: ['port', 'int'],
  4: ['targetPort', 'intOrString'],
  5: ['nodePort', 'int'],
  6: ['appProtocol', 'string'],
};
const serviceSpec: Message = {
  1: ['ports', servicePort, 'repeated'],
  2: ['selector', 'stringMap'],
  3: ['clusterIP', 'string'],
  4: ['type', 'string'],
  5: ['externalIPs', 'string', 'repeated'],
  7: ['sessionAffinity', 'string'],
  8: ['loadBalancerIP', 'string'],
  9: ['loadBalancerSourceRanges', 'string', 'repeated'],
  10: ['externalName', 'string'],
  11: ['externalTrafficPolicy', 'string'],
  12: ['healthCheckNodePort', 'int'],
  13: ['publishNotReadyAddresses', 'bool'],
  14: ['sessionAffinityConfig', { 1: ['clientIP', { 1: ['timeoutSeconds', 'intPointer'] }] }],
  17: ['ipFamilyPolicy', 'string'],
  18: ['clusterIPs', 'string', 'repeated'],
  19: ['ipFamilies', 'string', 'repeated'],
  20: ['allocateLoadBalancerNodePorts', 'boolPointer'],
  21: ['loadBalancerClass', 'string'],
  22: ['internalTrafficPolicy', 'string'],
  23: ['trafficDistribution', 'string'],
};
const objectReference: Message = {
  1: ['kind', 'string'],
  2: ['namespace', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['resourceVersion', 'string'],
  7: ['fieldPath', 'string'],
};
const boundObject: Message = {
  1: ['kind', 'string'],
  2: ['apiVersion', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
};
const resourceAttributes: Message = {
  1: ['namespace', 'string'],
  2: ['verb', 'string'],
  3: ['group', 'string'],
  4: ['version', 'string'],
  5: ['resource', 'string'],
  6: ['subresource', 'string'],
  7: ['name', 'string'],
};
const nonResourceAttributes: Message = { 1: ['path', 'string'], 2: ['verb', 'string'] };

const MESSAGES: Readonly<Record<string, Message>> = {
  Namespace: { 1: ['metadata', metadata], 2: ['spec', { 1: ['finalizers', 'string', 'repeated'] }] },
  Service: { 1: ['metadata', metadata], 2: ['spec', serviceSpec] },
  ServiceAccount: {
    1: ['metadata', metadata],
    2: ['secrets', objectReference, 'repeated'],
    3: ['imagePullSecrets', { 1: ['name', 'string'] }, 'repeated'],
    4: ['automountServiceAccountToken', 'boolPointer'],
  },
  Secret: {
    1: ['metadata', metadata],
    2: ['data', 'bytesMap'],
    3: ['type', 'string'],
    4: ['stringData', 'stringMap'],
    5: ['immutable', 'boolPointer'],
  },
  ConfigMap: {
    1: ['metadata', metadata],
    2: ['data', 'stringMap'],
    3: ['binaryData', 'bytesMap'],
    4: ['immutable', 'boolPointer'],
  },
  TokenRequest: {
    1: ['metadata', metadata],
    2: [
      'spec',
      {
        1: ['audiences', 'string', 'repeated'],
        3: ['boundObjectRef', boundObject],
        4: ['expirationSeconds', 'intPointer'],
      },
    ],
  },
  SelfSubjectReview: { 1: ['metadata', metadata] },
  SelfSubjectRulesReview: { 1: ['metadata', metadata], 2: ['spec', { 1: ['namespace', 'string'] }] },
  SelfSubjectAccessReview: {
    1: ['metadata', metadata],
    2: ['spec', { 1: ['resourceAttributes', resourceAttributes], 2: ['nonResourceAttributes', nonResourceAttributes] }],
  },
  DeleteOptions: {
    1: ['gracePeriodSeconds', 'intPointer'],
    2: ['preconditions', { 1: ['uid', 'string'], 2: ['resourceVersion', 'string'] }],
    3: ['orphanDependents', 'boolPointer'],
    4: ['propagationPolicy', 'string'],
    5: ['dryRun', 'string', 'repeated'],
  },
};

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

/** Undefined for a zero value that need not have been set. */
const scalarOf = (type: FieldType, { bytes, value }: RawField): unknown => {
  if (type === 'string') return textOf(bytes) || undefined;
  if (type === 'bool') return value !== 0n || undefined;
  if (type === 'boolPointer') return value !== 0n;
  if (type === 'int') return signed(value) || undefined;
  if (type === 'intPointer') return signed(value);
  if (!bytes) throw broken();
  if (type === 'intOrString') return intOrString(bytes);
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
