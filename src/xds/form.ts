// What a form is: how the parts of a snapshot become xDS resources, and in which order they are sent. Implemented by the
// own form and the Envoy form, used by the server.
import { hash } from 'node:crypto';
import type { Snapshot } from '../model/snapshot.ts';
import { deltaResourceField, encodeAny } from './wire.ts';

/** One resource as it goes out; made once per change, shared by all clients. */
export interface EncodedResource {
  readonly name: string;
  /** A hash of the content: the same after a restart of the control plane, so that nothing is sent twice. */
  readonly version: string;
  /** Its content with its type: a part of `deltaField`. */
  readonly any: Buffer;
  /** Field `resources` of a DeltaDiscoveryResponse. */
  readonly deltaField: Buffer;
}

/** By name; a Map is one. */
export interface ResourceSet {
  get(name: string): EncodedResource | undefined;
  has(name: string): boolean;
  values(): Iterable<EncodedResource>;
  /** All of them, in lists that remember how they came from those of the set before. */
  readonly lists?: readonly (readonly EncodedResource[])[];
}

/** One step of a push; the next one starts when the client has answered it. */
export interface Stage {
  readonly types: readonly string[];
  /** `hold`: removals wait for a later stage, so that nothing goes before its last user does. */
  readonly removals: 'send' | 'hold';
}

export interface Form {
  readonly name: 'own' | 'envoy';
  /** Every type that it can send. */
  readonly types: ReadonlySet<string>;
  /** The one that carries private keys. */
  readonly secretType: string;
  /** Types whose answers always hold everything, in the state-of-the-world protocol. */
  readonly fullStateTypes: ReadonlySet<string>;
  /** Types that are asked for by name; whoever asks for no name gets none. */
  readonly namedTypes: ReadonlySet<string>;
  readonly stages: readonly Stage[];
  /** True where clients take a push as a whole: what is gone is told with the first answer too. */
  readonly isWhole: boolean;
  /** A type and those that must be sent again with it, by the same names: Envoy wants a cluster's endpoints anew when the cluster changes. */
  readonly companions: ReadonlyMap<string, string>;
  resources(snapshot: Snapshot, typeUrl: string): ResourceSet;
}

const hashOf = (value: Uint8Array): string => hash('sha256', value, 'base64url').slice(0, 16);

export const encodeResource = (
  name: string,
  typeUrl: string,
  value: Uint8Array,
  version: string = hashOf(value),
): EncodedResource => {
  const any = encodeAny(typeUrl, value);
  const encoded = deltaResourceField(name, version, any);
  // A place of its own: in Node's pool it would keep all that was made on the way to it, of thousands 15 MiB (2026-11-21).
  const deltaField = Buffer.allocUnsafeSlow(encoded.length);
  encoded.copy(deltaField);
  return { name, version, any: deltaField.subarray(deltaField.length - any.length), deltaField };
};

/**
 * Encodes the values of a map, each object once in its life and each map once: parts of the model keep their identity
 * while they are equal, so what did not change costs a look-up.
 */
export const memoizeEncoding = <T extends object>(
  encode: (value: T) => readonly EncodedResource[],
): ((parts: ReadonlyMap<string, T>) => ResourceSet) => {
  const byValue = new WeakMap<T, readonly EncodedResource[]>();
  const byMap = new WeakMap<ReadonlyMap<string, T>, ResourceSet>();
  return (parts) => {
    const known = byMap.get(parts);
    if (known) return known;
    const set = new Map<string, EncodedResource>();
    for (const value of parts.values()) {
      let encoded = byValue.get(value);
      if (!encoded) {
        encoded = encode(value);
        byValue.set(value, encoded);
      }
      for (const resource of encoded) set.set(resource.name, resource);
    }
    byMap.set(parts, set);
    return set;
  };
};
