// Gives each Gateway that asks for no address, or for one that only the cluster reaches, one of a pool's, which it then
// keeps. Used by routing.ts.
import type { GatewaySpec, GatewayStatus } from '../kinds/gateway/types.ts';
import { type Cidr, cidrContains, formatAddress, parseAddress } from '../lib/cidr.ts';
import { CLUSTER } from './gateway-addresses.ts';
import { byAge, type Input } from './input.ts';

/** Of a larger block the first ones are used. */
const MAX_ADDRESSES = 65_536;

export interface Addressed {
  /** In the order they came; what was given an address is as if it had asked for it. */
  readonly gateways: readonly Input<GatewaySpec>[];
  /** Why there is none, by the key of the Gateway. */
  readonly without: ReadonlyMap<string, string>;
}

type AddressSpec = NonNullable<GatewaySpec['addresses']>[number];

const NOBODY: ReadonlyMap<string, string> = new Map();

/** True for a Gateway whose address was not asked for, but given. */
export const isFromPool = ({ spec, resource }: Input<GatewaySpec>): boolean => {
  const asked = (resource.spec as GatewaySpec).addresses ?? [];
  return spec.addresses?.some(({ value }) => value && !asked.some((one) => one.value === value)) ?? false;
};

export type AddressPool = (gateways: readonly Input<GatewaySpec>[]) => Addressed;

/** What one block is for. */
interface Purpose {
  readonly flag: string;
  readonly wants: (addresses: readonly AddressSpec[]) => boolean;
  /** The addresses as they are with the one that is given. */
  readonly fill: (addresses: readonly AddressSpec[], value: string) => readonly AddressSpec[];
}

const isOfCluster = ({ routability }: AddressSpec): boolean => routability === CLUSTER;

const isOpen = ({ type, value }: AddressSpec): boolean => type === 'IPAddress' && !value;

const ANYWHERE: Purpose = {
  flag: '--gateway-addresses',
  wants: (addresses) => {
    const others = addresses.filter((address) => !isOfCluster(address));
    return (
      others.every((address) => isOpen(address) && !address.routability) &&
      (others.length > 0 || addresses.length === 0)
    );
  },
  fill: (addresses, value) => [{ type: 'IPAddress', value }, ...addresses.filter(isOfCluster)],
};

const OF_CLUSTER: Purpose = {
  flag: '--cluster-addresses',
  wants: (addresses) => addresses.some((address) => isOfCluster(address) && isOpen(address)),
  fill: (addresses, value) =>
    addresses.map((address) => (isOfCluster(address) && isOpen(address) ? { ...address, value } : address)),
};

/** Without a block Gateways stay as they are. Those for a cluster alone are given none that is not of `clusterBlock`. */
export const openAddressPool = (block: Cidr | undefined, clusterBlock?: Cidr): AddressPool => {
  const pools = [
    ...(block ? [openPool(block, ANYWHERE)] : []),
    ...(clusterBlock ? [openPool(clusterBlock, OF_CLUSTER)] : []),
    openBounds(clusterBlock),
  ];
  return (gateways) =>
    pools.reduce<Addressed>(
      (before, pool) => {
        const { gateways, without } = pool(before.gateways);
        return { gateways, without: without.size > 0 ? new Map([...before.without, ...without]) : before.without };
      },
      { gateways, without: NOBODY },
    );
};

/** Each changed Gateway is the same object for as long as it is changed in the same way. */
const openChange = () => {
  const made = new WeakMap<Input<GatewaySpec>, { readonly by: string; readonly now: Input<GatewaySpec> }>();
  return (input: Input<GatewaySpec>, by: string, addresses: () => readonly AddressSpec[]): Input<GatewaySpec> => {
    const before = made.get(input);
    if (before?.by === by) return before.now;
    const now = { ...input, spec: { ...input.spec, addresses: addresses() } };
    made.set(input, { by, now });
    return now;
  };
};

/** What is to be reached by the cluster alone and is none of its block has no value from here on. */
const openBounds = (block: Cidr | undefined): AddressPool => {
  const change = openChange();
  const isOutside = (address: AddressSpec): boolean => {
    if (!isOfCluster(address) || !address.value) return false;
    const parsed = parseAddress(address.value);
    return !block || !parsed || !cidrContains(block, parsed);
  };
  const has = ({ spec }: Input<GatewaySpec>): boolean => spec.addresses?.some(isOutside) ?? false;
  const bounded = (input: Input<GatewaySpec>) =>
    change(input, '', () =>
      (input.spec.addresses ?? []).map((address) => (isOutside(address) ? { ...address, value: '' } : address)),
    );
  return (gateways) => ({
    gateways: gateways.some(has) ? gateways.map((input) => (has(input) ? bounded(input) : input)) : gateways,
    without: NOBODY,
  });
};

const openPool = (block: Cidr, { flag, wants, fill }: Purpose): AddressPool => {
  const noneLeft = `all addresses for Gateways are taken; give weft control a larger block with ${flag}`;
  let given: ReadonlyMap<string, string> = new Map();
  const change = openChange();
  let position = 0;
  /** The next free one behind the last that was given: what was freed rests for as long as it can. */
  const next = (taken: ReadonlySet<string>): string | undefined => {
    const size = sizeOf(block);
    for (let tries = 0; tries < size; tries++) {
      const address = addressAt(block, position);
      position = (position + 1) % size;
      if (!taken.has(address)) return address;
    }
    return undefined;
  };
  return (gateways) => {
    const wanting = gateways.filter(({ spec }) => wants(spec.addresses ?? []));
    const kept = new Map<string, string>();
    const taken = new Set(gateways.flatMap(({ spec }) => spec.addresses?.map(({ value = '' }) => value) ?? []));
    for (const input of [...wanting].sort(byAge)) {
      const address = given.get(input.key) ?? lastOf(input, block);
      if (address === undefined || taken.has(address)) continue;
      kept.set(input.key, address);
      taken.add(address);
    }
    const without = new Map<string, string>();
    for (const input of [...wanting].sort(byAge)) {
      if (kept.has(input.key)) continue;
      const address = next(taken);
      if (address === undefined) without.set(input.key, noneLeft);
      else {
        kept.set(input.key, address);
        taken.add(address);
      }
    }
    given = kept;
    const addressed = gateways.map((input) => {
      const value = kept.get(input.key);
      return value === undefined ? input : change(input, value, () => fill(input.spec.addresses ?? [], value));
    });
    return { gateways: addressed, without };
  };
};

/** What it had before a restart. */
const lastOf = ({ stored }: Input, block: Cidr): string | undefined => {
  const { addresses } = (stored.status ?? {}) as GatewayStatus;
  if (!Array.isArray(addresses)) return undefined;
  return addresses
    .map(({ value }) => value)
    .find((value) => {
      const parsed = typeof value === 'string' ? parseAddress(value) : undefined;
      return parsed !== undefined && cidrContains(block, parsed);
    });
};

/** The first and the last of an IPv4 block are for the network itself. */
const isFramed = ({ address, prefixLength }: Cidr): boolean =>
  address[0] === 0 && address[1] === 0 && address[2] === 0xffff && prefixLength < 127;

const sizeOf = (block: Cidr): number => {
  const all = 2 ** Math.min(128 - block.prefixLength, 32);
  return Math.min(isFramed(block) ? all - 2 : all, MAX_ADDRESSES);
};

const addressAt = (block: Cidr, position: number): string => {
  const [a, b, c, d] = block.address;
  const free = Math.min(128 - block.prefixLength, 32);
  const base = free === 32 ? 0 : (d & ~(2 ** free - 1)) >>> 0;
  return formatAddress([a, b, c, base + position + (isFramed(block) ? 1 : 0)]);
};
