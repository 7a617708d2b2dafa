// Gives each Gateway that asks for no address one of a pool's, which it then keeps. Used by routing.ts.
import type { GatewaySpec, GatewayStatus } from '../kinds/gateway/types.ts';
import { type Cidr, cidrContains, formatAddress, parseAddress } from '../lib/cidr.ts';
import { byAge, type Input } from './input.ts';

/** Of a larger block the first ones are used. */
const MAX_ADDRESSES = 65_536;

export interface Addressed {
  /** In the order they came; what was given an address is as if it had asked for it. */
  readonly gateways: readonly Input<GatewaySpec>[];
  /** The keys of those for which none is left. */
  readonly without: ReadonlySet<string>;
}

const NOBODY: ReadonlySet<string> = new Set();

export const NONE_LEFT =
  'all addresses for Gateways are taken; give weft control a larger block with --gateway-addresses';

/** True for a Gateway whose address was not asked for, but given. */
export const isFromPool = ({ spec, resource }: Input<GatewaySpec>): boolean => spec !== resource.spec;

export type AddressPool = (gateways: readonly Input<GatewaySpec>[]) => Addressed;

/** Without a block every Gateway stays as it is. */
export const openAddressPool = (block: Cidr | undefined): AddressPool => {
  if (!block) return (gateways) => ({ gateways, without: NOBODY });
  let given: ReadonlyMap<string, string> = new Map();
  const made = new WeakMap<Input<GatewaySpec>, Input<GatewaySpec>>();
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
    const wanting = gateways.filter(wantsAny);
    const kept = new Map<string, string>();
    const taken = new Set(gateways.flatMap(({ spec }) => spec.addresses?.map(({ value = '' }) => value) ?? []));
    for (const input of [...wanting].sort(byAge)) {
      const address = given.get(input.key) ?? lastOf(input, block);
      if (address === undefined || taken.has(address)) continue;
      kept.set(input.key, address);
      taken.add(address);
    }
    const without = new Set<string>();
    for (const input of [...wanting].sort(byAge)) {
      if (kept.has(input.key)) continue;
      const address = next(taken);
      if (address === undefined) without.add(input.key);
      else {
        kept.set(input.key, address);
        taken.add(address);
      }
    }
    given = kept;
    const addressed = gateways.map((input) => {
      const value = kept.get(input.key);
      if (value === undefined) return input;
      const before = made.get(input);
      if (before?.spec.addresses?.[0]?.value === value) return before;
      const now = { ...input, spec: { ...input.spec, addresses: [{ type: 'IPAddress', value }] } };
      made.set(input, now);
      return now;
    });
    return { gateways: addressed, without };
  };
};

const wantsAny = ({ spec: { addresses = [] } }: Input<GatewaySpec>): boolean =>
  addresses.every(({ type, value }) => type === 'IPAddress' && !value);

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
