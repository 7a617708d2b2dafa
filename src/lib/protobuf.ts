// Protobuf's wire format for the few small messages that must not cost a runtime: used by the CA, SDS and xDS codecs.
import { WeftError } from './errors.ts';

/** One field as it stands on the wire; `value` is a number for varints and fixed widths, bytes for the rest. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Buffer;
}

const malformed = (why: string): WeftError => new WeftError('PROTOBUF_MALFORMED', `malformed protobuf message: ${why}`);

const readVarint = (bytes: Buffer, at: number): [value: bigint, next: number] => {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw malformed('it ends inside a number');
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return [BigInt.asUintN(64, value), at + i + 1];
  }
  throw malformed('a number is too long');
};

const readBytes = (bytes: Buffer, at: number, length: number): [value: Buffer, next: number] => {
  if (at + length > bytes.length) throw malformed('it ends inside a field');
  return [bytes.subarray(at, at + length), at + length];
};

/** The fields of a message in wire order. Throws PROTOBUF_MALFORMED. */
export const readFields = (bytes: Buffer): WireField[] => {
  const fields: WireField[] = [];
  let at = 0;
  while (at < bytes.length) {
    const [tag, afterTag] = readVarint(bytes, at);
    const number = Number(tag >> 3n);
    if (number < 1 || number > 536870911) throw malformed('a field number is out of range');
    let value: bigint | Buffer;
    switch (Number(tag & 7n)) {
      case 0:
        [value, at] = readVarint(bytes, afterTag);
        break;
      case 1:
        [value, at] = readBytes(bytes, afterTag, 8);
        break;
      case 2: {
        const [length, start] = readVarint(bytes, afterTag);
        if (length > BigInt(bytes.length)) throw malformed('it ends inside a field');
        [value, at] = readBytes(bytes, start, Number(length));
        break;
      }
      case 5:
        [value, at] = readBytes(bytes, afterTag, 4);
        break;
      default:
        throw malformed('a field has an unknown wire type');
    }
    fields.push({ number, value });
  }
  return fields;
};

/** A field's value as text. Throws PROTOBUF_MALFORMED for numbers and for bytes that are not UTF-8. */
export const textOf = (field: WireField): string => {
  const bytes = bytesOf(field);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(`field ${field.number} is not UTF-8`);
  }
};

export const bytesOf = (field: WireField): Buffer => {
  if (typeof field.value === 'bigint') throw malformed(`field ${field.number} is a number, not bytes`);
  return field.value;
};

/** A signed 64-bit varint as a number; out of the safe range it is cut to the range's end. */
export const numberOf = (field: WireField): number => {
  if (typeof field.value !== 'bigint') throw malformed(`field ${field.number} is not a number`);
  const signed = Number(BigInt.asIntN(64, field.value));
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, signed));
};

const varint = (value: bigint): Buffer => {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Buffer.from(out);
};

/** A length-delimited field: bytes, text or an encoded message. */
export const bytesField = (number: number, value: Buffer | string): Buffer => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(BigInt((number << 3) | 2)), varint(BigInt(bytes.length)), bytes]);
};

/** As `bytesField`, but nothing at all for an empty value, as proto3 has it. */
export const optionalField = (number: number, value: Buffer | string): Buffer =>
  value.length === 0 ? Buffer.alloc(0) : bytesField(number, value);

export const numberField = (number: number, value: number): Buffer =>
  value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(BigInt(number << 3)), varint(BigInt(value))]);
