// DER, as far as X.509 and PKCS #10 need it: writes values, reads them strictly. Used by certificate.ts and csr.ts.
import { WeftError } from '../lib/errors.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** A context-specific tag, `[n]`. */
export const contextTag = (n: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | n;

const lengthBytes = (length: number): Buffer => {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
};

export const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const value = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(value.length), value]);
};

export const sequence = (...parts: Buffer[]): Buffer => der(TAG.sequence, ...parts);
export const setOf = (...parts: Buffer[]): Buffer => der(TAG.set, ...parts);
export const octetString = (value: Buffer): Buffer => der(TAG.octetString, value);
export const booleanTrue = der(TAG.boolean, Buffer.from([0xff]));

/** A non-negative INTEGER from its big-endian bytes. */
export const integer = (bytes: Buffer): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  return der(TAG.integer, trimmed[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
};

export const bitString = (value: Buffer, unusedBits = 0): Buffer =>
  der(TAG.bitString, Buffer.from([unusedBits]), value);

export const oid = (dotted: string): Buffer => {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first! * 40 + second!, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(TAG.oid, Buffer.from(bytes));
};

/** A Time as RFC 5280 section 4.1.2.5 wants it: UTCTime up to 2049, GeneralizedTime from 2050; whole seconds. */
export const time = (ms: number): Buffer => {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
  return Number(digits.slice(0, 4)) < 2050
    ? der(TAG.utcTime, Buffer.from(digits.slice(2)))
    : der(TAG.generalizedTime, Buffer.from(digits));
};

/** One value as read: its tag, its content, and the bytes of the whole. */
export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

const malformed = (why: string): WeftError => new WeftError('DER_MALFORMED', `malformed DER: ${why}`);

const readValue = (bytes: Buffer, at: number): [DerValue, next: number] => {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw malformed('it ends inside a value');
  if ((tag & 0x1f) === 0x1f) throw malformed('a tag number is too large');
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw malformed('a length is indefinite or too large');
    if (start + count > bytes.length) throw malformed('it ends inside a value');
    length = bytes.readUIntBE(start, count);
    start += count;
    if (length < 0x80 || (count > 1 && length < 2 ** (8 * (count - 1)))) throw malformed('a length is not minimal');
  }
  const end = start + length;
  if (end > bytes.length) throw malformed('it ends inside a value');
  return [{ tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) }, end];
};

/** Exactly one value; bytes behind it are an error. Throws DER_MALFORMED. */
export const readDer = (bytes: Buffer): DerValue => {
  const [value, next] = readValue(bytes, 0);
  if (next !== bytes.length) throw malformed('there are bytes behind the value');
  return value;
};

/** The values inside a constructed one. Throws DER_MALFORMED. */
export const childrenOf = (value: DerValue): DerValue[] => {
  if (!(value.tag & 0x20)) throw malformed('a value has no parts');
  const children: DerValue[] = [];
  for (let at = 0; at < value.content.length; ) {
    const [child, next] = readValue(value.content, at);
    children.push(child);
    at = next;
  }
  return children;
};

/** The value when it has the expected tag. Throws DER_MALFORMED. */
export const expectTag = (value: DerValue | undefined, tag: number, what: string): DerValue => {
  if (value?.tag !== tag) throw malformed(`${what} is missing or of another type`);
  return value;
};

/** The dotted form of an OBJECT IDENTIFIER. Throws DER_MALFORMED. */
export const oidText = (value: DerValue | undefined, what: string): string => {
  const { content } = expectTag(value, TAG.oid, what);
  const arcs: number[] = [];
  let arc = 0;
  let open = false;
  for (const byte of content) {
    if (!open && byte === 0x80) throw malformed(`${what} is not minimal`);
    if (arc > 2 ** 24) throw malformed(`${what} is too large`);
    arc = arc * 128 + (byte & 0x7f);
    open = byte >= 0x80;
    if (!open) {
      arcs.push(arc);
      arc = 0;
    }
  }
  if (open || arcs.length === 0) throw malformed(`${what} is cut short`);
  const first = Math.min(2, Math.floor(arcs[0]! / 40));
  return [first, arcs[0]! - first * 40, ...arcs.slice(1)].join('.');
};

/** The bytes of a BIT STRING that has whole bytes. Throws DER_MALFORMED. */
export const bitStringBytes = (value: DerValue | undefined, what: string): Buffer => {
  const { content } = expectTag(value, TAG.bitString, what);
  if (content.length < 1 || content[0] !== 0) throw malformed(`${what} has loose bits`);
  return content.subarray(1);
};
