// Which listeners and addresses of a Gateway its gateways could not open, from what they said. Used by gateway-status.ts.
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import { addressesOf, type GatewayAddress } from './gateway-addresses.ts';
import type { Input } from './input.ts';
import type { CheckedListener } from './listeners.ts';

/** Node's words for it, and those that Envoy passes on from its system. */
const NOT_HERE = /address not available|cannot assign requested address/i;

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** True for a line that names the address and port. */
const isAbout = (line: string, address: string, port: number): boolean =>
  new RegExp(`(?<![\\w.:])\\[?${escapePattern(address)}\\]?:${port}(?!\\d)`).test(line);

/** Weft's own proxy puts its code first; Envoy says it in its own way. */
const inWords = (line: string, place: string): string => {
  if (/address already in use/i.test(line)) return `${place} is already in use by another program`;
  if (/permission denied/i.test(line)) return `the user of the gateway may not listen on ${place}`;
  return line.replace(/^[A-Z_]+: /, '');
};

export interface Refusals {
  /** Why, by the id of the listener. */
  readonly byListener: ReadonlyMap<string, string>;
  /** Why, by the address: those that no gateway has. */
  readonly unusable: ReadonlyMap<string, string>;
}

/** `serving` are the gateways that serve this Gateway. */
export const refusedListeners = (
  { spec }: Input<GatewaySpec>,
  listeners: readonly CheckedListener[],
  serving: readonly GatewayAddress[],
): Refusals => {
  const byListener = new Map<string, string>();
  const unusable = new Map<string, string>();
  for (const { address: bind, refusals = [] } of serving) {
    if (refusals.length === 0) continue;
    for (const { id, spec: listener, programmed } of listeners) {
      if (!programmed) continue;
      for (const address of addressesOf(spec).map((given) => given || bind)) {
        const line = refusals.find((refusal) => isAbout(refusal, address, listener.port));
        if (!line) continue;
        if (NOT_HERE.test(line)) unusable.set(address, `no gateway's machine has the address ${address}`);
        else byListener.set(id, inWords(line, `${address}:${listener.port}`));
      }
    }
  }
  return { byListener, unusable };
};
