// Which listeners of a Gateway its gateways could not open, from what they said. Used by gateways.ts.
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { GatewayAddress } from './gateways.ts';
import type { Input } from './input.ts';
import type { CheckedListener } from './listeners.ts';

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

/** Why, by the name of the listener. `serving` are the gateways that serve this Gateway. */
export const refusedListeners = (
  { spec }: Input<GatewaySpec>,
  listeners: readonly { readonly checked: CheckedListener }[],
  serving: readonly GatewayAddress[],
): Map<string, string> => {
  const refused = new Map<string, string>();
  const own = spec.addresses?.map(({ value = '' }) => value) ?? [];
  for (const { address: bind, refusals = [] } of serving) {
    if (refusals.length === 0) continue;
    const addresses = own.length > 0 ? own : [bind];
    for (const { checked } of listeners) {
      const { name, port } = checked.spec;
      if (!checked.programmed) continue;
      for (const address of addresses) {
        const line = refusals.find((refusal) => isAbout(refusal, address, port));
        if (line) refused.set(name, inWords(line, `${address}:${port}`));
      }
    }
  }
  return refused;
};
