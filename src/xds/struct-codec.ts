// google.protobuf.Struct as plain JSON values: node metadata travels in it. Used by wire.ts.
import { WeftError } from '../lib/errors.ts';
import { bytesField, bytesOf, readFields, textOf, type WireField } from '../lib/protobuf.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** Deeper values are refused: nothing that a node says needs more. */
const MAX_DEPTH = 16;

const NULL = 1;
const NUMBER = 2;
const STRING = 3;
const BOOL = 4;
const STRUCT = 5;
const LIST = 6;

const tag = (number: number, wireType: number): Buffer => Buffer.from([(number << 3) | wireType]);

const encodeDouble = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(NUMBER, 1), bytes]);
};

const encodeValue = (value: JsonValue): Buffer => {
  switch (typeof value) {
    case 'number':
      return encodeDouble(value);
    case 'string':
      return bytesField(STRING, value);
    case 'boolean':
      return Buffer.concat([tag(BOOL, 0), Buffer.from([value ? 1 : 0])]);
    default:
      if (value === null) return Buffer.concat([tag(NULL, 0), Buffer.from([0])]);
      if (Array.isArray(value)) {
        return bytesField(LIST, Buffer.concat(value.map((item) => bytesField(1, encodeValue(item)))));
      }
      return bytesField(STRUCT, encodeStruct(value as JsonObject));
  }
};

/** A JSON object as a google.protobuf.Struct message. */
export const encodeStruct = (object: JsonObject): Buffer =>
  Buffer.concat(
    Object.entries(object).map(([key, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, key), bytesField(2, encodeValue(value))])),
    ),
  );

const malformed = (why: string): WeftError => new WeftError('PROTOBUF_MALFORMED', `malformed protobuf message: ${why}`);

const decodeDouble = (bytes: Buffer): number => {
  if (bytes.length !== 8) throw malformed('a number is not of eight bytes');
  return bytes.readDoubleLE();
};

const decodeOne = (field: WireField, depth: number): JsonValue => {
  switch (field.number) {
    case NUMBER:
      return decodeDouble(bytesOf(field));
    case STRING:
      return textOf(field);
    case BOOL:
      return field.value !== 0n;
    case STRUCT:
      return decodeAt(bytesOf(field), depth + 1);
    case LIST:
      return readFields(bytesOf(field)).map((item) => decodeValue(bytesOf(item), depth + 1));
    default:
      return null;
  }
};

const decodeValue = (bytes: Buffer, depth: number): JsonValue => {
  const last = readFields(bytes).at(-1);
  return last ? decodeOne(last, depth) : null;
};

const decodeAt = (bytes: Buffer, depth: number): JsonObject => {
  if (depth > MAX_DEPTH) throw malformed('it is nested too deeply');
  // Without a prototype, so that no key of a stranger's can mean anything but itself.
  const object: Record<string, JsonValue> = Object.create(null);
  for (const entry of readFields(bytes)) {
    if (entry.number !== 1) continue;
    let key = '';
    let value: JsonValue = null;
    for (const part of readFields(bytesOf(entry))) {
      if (part.number === 1) key = textOf(part);
      else if (part.number === 2) value = decodeValue(bytesOf(part), depth + 1);
    }
    object[key] = value;
  }
  return object;
};

/** A google.protobuf.Struct as a JSON object. Throws PROTOBUF_MALFORMED. */
export const decodeStruct = (bytes: Buffer): JsonObject => decodeAt(bytes, 0);
