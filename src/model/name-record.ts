// NameRecord: what a resolver beside a proxy answers for one host of the mesh. Made by compile, answered by proxy/dns.

export interface NameRecord {
  /** The full name, `*.suffix` for every name below; lower case, without a last dot. */
  readonly name: string;
  /** Other names that everyone may use. */
  readonly aliases: readonly string[];
  /** A name that callers of one namespace may use besides. */
  readonly near?: { readonly namespace: string; readonly name: string };
  /** What its user gave it; empty: its instances are the answer. */
  readonly addresses: readonly string[];
  /** Of names that lead to a service as a whole: where in the capture block of a sidecar; see `captureAddress`. */
  readonly slot?: number;
  /** Another name that it stands for. */
  readonly target?: string;
  readonly ports: readonly NamePort[];
}

export interface NamePort {
  readonly name: string;
  readonly port: number;
  /** The ready endpoints. */
  readonly instances: readonly NameInstance[];
}

export interface NameInstance {
  readonly address: string;
  readonly port: number;
  /** A label, which stands in front of the service's name. */
  readonly hostname?: string;
}

/** Slots from here to the end of a block; those before belong to the sidecar itself. */
export const FIRST_SLOT = 256;
export const SLOT_COUNT = 65_536 - FIRST_SLOT;

/**
 * The address in a sidecar's own block `127.<block>.0.0/16` that leads to the service with this slot. Sidecars on one
 * machine have different blocks: each takes the connections of its own program only.
 */
export const captureAddress = (block: number, slot: number): string => `127.${block}.${slot >> 8}.${slot & 255}`;
