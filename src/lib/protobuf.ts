// Protobuf's wire format for the few small messages that must not cost a runtime: used by the CA, SDS and xDS codecs.
import { WeftError } from './errors.ts';

/** One field as it stands on the wire; `value` is a number for varints, bytes for the rest. */
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

/** A tag or a length: up to 32 bits, without the cost of a bigint. */
const readSmall = (bytes: Buffer, at: number): [value: number, next: number] => {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw malformed('it ends inside a number');
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw malformed('a tag or length is too large');
};

const readBytes = (bytes: Buffer, at: number, length: number): [value: Buffer, next: number] => {
  if (at + length > bytes.length) throw malformed('it ends inside a field');
  return [bytes.subarray(at, at + length), at + length];
};

/** More fields than any message of ours has; so that a small message can not fill the memory when it is taken apart. */
const MAX_FIELDS = 250_000;

/** The fields of a message in wire order. Throws PROTOBUF_MALFORMED. */
export const readFields = (bytes: Buffer): WireField[] => {
  const fields: WireField[] = [];
  let at = 0;
  while (at < bytes.length) {
    const [tag, afterTag] = readSmall(bytes, at);
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 536870911) throw malformed('a field number is out of range');
    let value: bigint | Buffer;
    switch (tag % 8) {
      case 0:
        [value, at] = readVarint(bytes, afterTag);
        break;
      case 1:
        [value, at] = readBytes(bytes, afterTag, 8);
        break;
      case 2: {
        const [length, start] = readSmall(bytes, afterTag);
        [value, at] = readBytes(bytes, start, length);
        break;
      }
      case 5:
        [value, at] = readBytes(bytes, afterTag, 4);
        break;
      default:
        throw malformed('a field has an unknown wire type');
    }
    if (fields.push({ number, value }) > MAX_FIELDS) throw malformed(`it has more than ${MAX_FIELDS} fields`);
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

const varint = (value: number): Buffer => {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Buffer.from(out);
};

/** A length-delimited field: bytes, text or an encoded message. */
export const bytesField = (number: number, value: Buffer | string): Buffer => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
};

/** As `bytesField`, but nothing at all for an empty value, as proto3 has it. */
export const optionalField = (number: number, value: Buffer | string): Buffer =>
  value.length === 0 ? Buffer.alloc(0) : bytesField(number, value);

/** A varint field, nothing for 0; negative numbers, which no message of ours has, count as 0. */
export const numberField = (number: number, value: number): Buffer =>
  value > 0 ? Buffer.concat([varint(number * 8), varint(value)]) : Buffer.alloc(0);
