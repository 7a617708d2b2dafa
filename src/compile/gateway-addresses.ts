// Where the listeners of a Gateway are to be bound, and where the gateways that are connected are. Used by gateways.ts and the files beside it.
import type { GatewaySpec } from '../kinds/gateway/types.ts';

/** Where a gateway process that serves a Gateway (or all, without `gateway`) can be reached. */
export interface GatewayAddress {
  /** `namespace/name`. */
  readonly gateway?: string;
  readonly address: string;
  /** What it could not use of its configuration, in its words: one line each. */
  readonly refusals?: readonly string[];
}

type AddressSpec = NonNullable<GatewaySpec['addresses']>[number];

/** Addresses that only the network of the cluster reaches. */
export const CLUSTER = 'Cluster';

/** One for the cluster alone has a value only where the pool has let it have one. */
export const isSupportedAddress = ({ type, routability, value }: AddressSpec): boolean =>
  type === 'IPAddress' && (!routability || (routability === CLUSTER && value !== undefined && value !== ''));

/** From where it is reached, where that is not everywhere. */
export const routabilityOf = ({ addresses = [] }: GatewaySpec, value: string): { routability?: string } => {
  const found = addresses.filter((address) => address.value === value && isSupportedAddress(address));
  return found.length > 0 && found.every(({ routability }) => routability === CLUSTER) ? { routability: CLUSTER } : {};
};

/** Those that can be asked for; empty stands for where the gateway binds by itself. */
export const addressesOf = ({ addresses = [] }: GatewaySpec): string[] => [
  ...new Set(addresses.length > 0 ? addresses.filter(isSupportedAddress).map(({ value = '' }) => value) : ['']),
];
