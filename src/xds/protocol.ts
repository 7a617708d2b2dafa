// The two protocols of xDS behind one shape: state of the world and incremental. Used by stream.ts.
import type { EncodedResource } from './form.ts';
import {
  decodeDeltaRequest,
  decodeStateRequest,
  encodeDeltaResponse,
  encodeStateResponse,
  stateResourceField,
  type WireNode,
} from './wire.ts';

export interface DiscoveryRequest {
  readonly node?: WireNode;
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly error?: string;
  /** State of the world: every name wanted. */
  readonly names: readonly string[];
  /** Incremental: the changes. */
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: ReadonlyMap<string, string>;
}

export interface Answer {
  readonly version: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
}

export interface Protocol {
  readonly name: 'state' | 'delta';
  /** Throws PROTOBUF_MALFORMED. */
  decode(raw: Buffer): DiscoveryRequest;
  encode(answer: Answer): Buffer;
}

const NONE: ReadonlyMap<string, string> = new Map();

export const stateProtocol: Protocol = {
  name: 'state',
  decode(raw) {
    const { resourceNames, ...rest } = decodeStateRequest(raw);
    return { ...rest, names: resourceNames, subscribe: [], unsubscribe: [], initialVersions: NONE };
  },
  encode: ({ version, typeUrl, nonce, resources }) =>
    encodeStateResponse(
      version,
      typeUrl,
      nonce,
      resources.map(({ any }) => stateResourceField(any)),
    ),
};

export const deltaProtocol: Protocol = {
  name: 'delta',
  decode: (raw) => ({ ...decodeDeltaRequest(raw), names: [] }),
  encode: ({ version, typeUrl, nonce, resources, removed }) =>
    encodeDeltaResponse(
      version,
      typeUrl,
      nonce,
      resources.map((resource) => resource.deltaField),
      removed,
    ),
};
