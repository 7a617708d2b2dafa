// ListenerSets: further listeners of a Gateway that allows them. Used by gateways.ts and routing.ts.
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { ListenerSetSpec } from '../kinds/listener-set/schema.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { ServedListener } from './gateways.ts';
import { byAge, type Input } from './input.ts';
import {
  allowsNamespace,
  checkListeners,
  type EarlierListeners,
  type ListenerLookups,
  type PortOwners,
} from './listeners.ts';

export type ListenerSetInput = Input<ListenerSetSpec>;

export interface ListenerSetPart {
  readonly input: ListenerSetInput;
  /** Whether the Gateway takes it at all. */
  readonly accepted: Verdict;
  /** None where it doesn't. */
  readonly listeners: readonly ServedListener[];
}

/** True where at least one of its listeners is served. */
export const isAttached = ({ listeners }: ListenerSetPart): boolean =>
  listeners.some(({ checked }) => checked.programmed);

/** The Gateway that a set names, `namespace/name`; undefined for a parent of another kind. */
export const parentOf = ({ spec: { parentRef }, namespace }: ListenerSetInput): string | undefined =>
  parentRef.group === GATEWAY_GROUP && parentRef.kind === 'Gateway'
    ? `${parentRef.namespace ?? namespace}/${parentRef.name}`
    : undefined;

/** By Gateway, in order of precedence: the oldest first, then by name. */
export const groupListenerSets = (inputs: readonly ListenerSetInput[]): Map<string, ListenerSetInput[]> => {
  const byGateway = new Map<string, ListenerSetInput[]>();
  for (const input of [...inputs].sort(byAge)) {
    const key = parentOf(input);
    if (key === undefined) continue;
    const list = byGateway.get(key);
    if (list) list.push(input);
    else byGateway.set(key, [input]);
  }
  return byGateway;
};

export interface ListenerSetGateway {
  readonly input: Input<GatewaySpec>;
  readonly served: boolean;
  /** Those of the Gateway itself; grows by those of its sets. */
  readonly earlier: EarlierListeners;
  readonly taken: PortOwners;
}

export const checkListenerSet = (
  input: ListenerSetInput,
  { input: gateway, served, earlier, taken }: ListenerSetGateway,
  lookups: ListenerLookups,
): ListenerSetPart => {
  const refused = (reason: string, message: string) => ({
    input,
    accepted: no('Accepted', reason, message),
    listeners: [],
  });
  const { from = 'None', selector } = gateway.spec.allowedListeners?.namespaces ?? {};
  const allowed = { from, ...(selector && { selector }) };
  if (!allowsNamespace(allowed, gateway.namespace, input.namespace, lookups.namespaceLabels)) {
    const message = `Gateway ${gateway.key} takes no ListenerSets of namespace ${input.namespace}; its spec.allowedListeners says which`;
    return refused('NotAllowed', message);
  }
  if (!served) return refused('ParentNotAccepted', `Gateway ${gateway.key} is not accepted itself`);
  const listeners = checkListeners({ kind: 'ListenerSet', input, gateway }, earlier, taken, lookups);
  return {
    input,
    accepted: yes('Accepted', 'Accepted'),
    listeners: listeners.map((checked) => ({ checked, attached: [] })),
  };
};
