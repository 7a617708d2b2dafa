// The discovery messages of xDS on the wire, by hand: a proxy must not load the Envoy types for them. Used by server and
// client. Field numbers: envoy/service/discovery/v3/discovery.proto.
import { bytesField, bytesOf, optionalField, readFields, textOf, type WireField } from '../lib/protobuf.ts';
import { decodeStruct, encodeStruct, type JsonObject } from './struct-codec.ts';

export interface WireNode {
  readonly id: string;
  readonly metadata: JsonObject;
}

/** A state-of-the-world request: a subscription, an ACK, or (with `error`) a NACK. */
export interface StateRequest {
  node?: WireNode;
  versionInfo: string;
  typeUrl: string;
  resourceNames: string[];
  responseNonce: string;
  error?: string;
}

/** An incremental request. */
export interface DeltaRequest {
  node?: WireNode;
  typeUrl: string;
  subscribe: readonly string[];
  unsubscribe: readonly string[];
  initialVersions: ReadonlyMap<string, string>;
  responseNonce: string;
  error?: string;
}

export interface DeltaResponse {
  readonly systemVersion: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly value: Buffer }[];
  readonly removed: readonly string[];
}

/** Longer error texts are cut: they come from outside and are kept. */
const MAX_ERROR_LENGTH = 4_096;

const encodeNode = (node: WireNode): Buffer =>
  Buffer.concat([optionalField(1, node.id), optionalField(3, encodeStruct(node.metadata))]);

const decodeNode = (bytes: Buffer): WireNode => {
  let id = '';
  let metadata: JsonObject = {};
  for (const field of readFields(bytes)) {
    if (field.number === 1) id = textOf(field);
    else if (field.number === 3) metadata = decodeStruct(bytesOf(field));
  }
  return { id, metadata };
};

/** google.rpc.Status: the message alone; code INVALID_ARGUMENT where we write one. */
const encodeStatus = (message: string): Buffer => Buffer.concat([Buffer.from([0x08, 0x03]), bytesField(2, message)]);

const decodeStatus = (bytes: Buffer): string => {
  const message = readFields(bytes).find((field) => field.number === 2);
  return message ? textOf(message).slice(0, MAX_ERROR_LENGTH) : '';
};

/** google.protobuf.Any. */
export const encodeAny = (typeUrl: string, value: Uint8Array): Buffer =>
  Buffer.concat([bytesField(1, typeUrl), bytesField(2, Buffer.from(value.buffer, value.byteOffset, value.length))]);

const anyValue = (bytes: Buffer): Buffer => {
  const value = readFields(bytes).find((field) => field.number === 2);
  return value ? bytesOf(value) : Buffer.alloc(0);
};

/** Throws PROTOBUF_MALFORMED. */
export const decodeStateRequest = (bytes: Buffer): StateRequest => {
  const request: StateRequest = { versionInfo: '', typeUrl: '', resourceNames: [], responseNonce: '' };
  for (const field of readFields(bytes)) {
    if (field.number === 1) request.versionInfo = textOf(field);
    else if (field.number === 2) request.node = decodeNode(bytesOf(field));
    else if (field.number === 3) request.resourceNames.push(textOf(field));
    else if (field.number === 4) request.typeUrl = textOf(field);
    else if (field.number === 5) request.responseNonce = textOf(field);
    else if (field.number === 6) request.error = decodeStatus(bytesOf(field));
  }
  return request;
};

const decodeEntry = (field: WireField): [string, string] => {
  let [key, value] = ['', ''];
  for (const part of readFields(bytesOf(field))) {
    if (part.number === 1) key = textOf(part);
    else if (part.number === 2) value = textOf(part);
  }
  return [key, value];
};

/** Throws PROTOBUF_MALFORMED. */
export const decodeDeltaRequest = (bytes: Buffer): DeltaRequest => {
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialVersions = new Map<string, string>();
  const request: DeltaRequest = { typeUrl: '', subscribe, unsubscribe, initialVersions, responseNonce: '' };
  for (const field of readFields(bytes)) {
    if (field.number === 1) request.node = decodeNode(bytesOf(field));
    else if (field.number === 2) request.typeUrl = textOf(field);
    else if (field.number === 3) subscribe.push(textOf(field));
    else if (field.number === 4) unsubscribe.push(textOf(field));
    else if (field.number === 5) initialVersions.set(...decodeEntry(field));
    else if (field.number === 6) request.responseNonce = textOf(field);
    else if (field.number === 7) request.error = decodeStatus(bytesOf(field));
  }
  return request;
};

export const encodeDeltaRequest = (request: Partial<DeltaRequest> & { typeUrl: string }): Buffer => {
  const parts = [bytesField(2, request.typeUrl)];
  if (request.node) parts.push(bytesField(1, encodeNode(request.node)));
  for (const name of request.subscribe ?? []) parts.push(bytesField(3, name));
  for (const name of request.unsubscribe ?? []) parts.push(bytesField(4, name));
  for (const [name, version] of request.initialVersions ?? []) {
    parts.push(bytesField(5, Buffer.concat([bytesField(1, name), bytesField(2, version)])));
  }
  if (request.responseNonce) parts.push(bytesField(6, request.responseNonce));
  if (request.error !== undefined) parts.push(bytesField(7, encodeStatus(request.error)));
  return Buffer.concat(parts);
};

/** One resource as a field of a state-of-the-world response. */
export const stateResourceField = (any: Buffer): Buffer => bytesField(2, any);

/** One resource as a field of an incremental response; ends with `any`. */
export const deltaResourceField = (name: string, version: string, any: Buffer): Buffer =>
  bytesField(2, Buffer.concat([bytesField(1, version), bytesField(3, name), bytesField(2, any)]));

/** `resources` are fields already encoded by `stateResourceField`. */
export const encodeStateResponse = (
  version: string,
  typeUrl: string,
  nonce: string,
  resources: readonly Buffer[],
): Buffer => Buffer.concat([bytesField(1, version), ...resources, bytesField(4, typeUrl), bytesField(5, nonce)]);

/** `resources` are fields already encoded by `deltaResourceField`: encoded once, shared by all clients. */
export const encodeDeltaResponse = (
  version: string,
  typeUrl: string,
  nonce: string,
  resources: readonly Buffer[],
  removed: readonly string[],
): Buffer =>
  Buffer.concat([
    bytesField(1, version),
    ...resources,
    bytesField(4, typeUrl),
    bytesField(5, nonce),
    ...removed.map((name) => bytesField(6, name)),
  ]);

const decodeResource = (bytes: Buffer): DeltaResponse['resources'][number] => {
  let [name, version] = ['', ''];
  let value: Buffer = Buffer.alloc(0);
  for (const field of readFields(bytes)) {
    if (field.number === 1) version = textOf(field);
    else if (field.number === 2) value = anyValue(bytesOf(field));
    else if (field.number === 3) name = textOf(field);
  }
  return { name, version, value };
};

/** Throws PROTOBUF_MALFORMED. */
export const decodeDeltaResponse = (bytes: Buffer): DeltaResponse => {
  let [systemVersion, typeUrl, nonce] = ['', '', ''];
  const resources: DeltaResponse['resources'][number][] = [];
  const removed: string[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 1) systemVersion = textOf(field);
    else if (field.number === 2) resources.push(decodeResource(bytesOf(field)));
    else if (field.number === 4) typeUrl = textOf(field);
    else if (field.number === 5) nonce = textOf(field);
    else if (field.number === 6) removed.push(textOf(field));
  }
  return { systemVersion, typeUrl, nonce, resources, removed };
};
