// Statuses of Gateways and of the ListenerSets that name them. Used by routing.ts.
import type { GatewaySpec, GatewayStatus, ListenerStatus } from '../kinds/gateway/types.ts';
import type { ListenerSetStatus } from '../kinds/listener-set/schema.ts';
import { isFromPool } from './address-pool.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import { addressesOf, type GatewayAddress, routabilityOf } from './gateway-addresses.ts';
import { allListeners, type GatewayPart, type ServedListener } from './gateways.ts';
import type { Input } from './input.ts';
import { sameItems } from './keep.ts';
import { isAttached, type ListenerSetPart } from './listener-sets.ts';
import { overlapsOf } from './listeners.ts';
import { type Refusals, refusedListeners } from './refusals.ts';
import { changedOnly, type Status } from './statuses.ts';

/** Which gateways are connected now. */
export interface Presence {
  readonly nowMs: number;
  readonly addresses: readonly GatewayAddress[];
  /** Others may still come back. */
  readonly settling: boolean;
}

/** What the status of a ListenerSet was made of, and it, where it differs from what is stored. */
interface Memo {
  readonly key: string;
  readonly parts: readonly unknown[];
  readonly changed: readonly Status[];
}

/** Of the Gateway, and of each of its ListenerSets: those that change. */
export const openGatewayStatuses = () => {
  const memos = new WeakMap<ListenerSetPart['input'], Memo>();
  return (part: GatewayPart, presence: Presence): Status[] => {
    const { own, programmed, state } = gatewayStatus(part, presence);
    const changed = part.sets.flatMap((set) => {
      const { input, accepted, listeners } = set;
      const key = keyOf(listeners, programmed, state);
      const parts = [accepted, state.refused, ...listeners.map(({ checked }) => checked)];
      let memo = memos.get(input);
      if (memo?.key !== key || !sameItems(memo.parts, parts)) {
        const status = listenerSetStatus(set, programmed, state);
        memo = { key, parts, changed: changedOnly([{ input, status }]) };
        memos.set(input, memo);
      }
      return memo.changed;
    });
    return [...changedOnly([{ input: part.input, status: own }]), ...changed];
  };
};

/** What changes of a ListenerSet's listeners while they are the same. */
const keyOf = (listeners: readonly ServedListener[], programmed: Verdict | undefined, state: State): string =>
  listeners
    .map(({ checked: { id }, attached }) => {
      const refusal = state.refusals.byListener.get(id) ?? '';
      return `${attached.length} ${state.overlaps.has(id)} ${refusal}`;
    })
    .concat(programmed?.reason ?? '', programmed?.message ?? '')
    .join('\n');

const gatewayStatus = (part: GatewayPart, { nowMs, addresses, settling }: Presence) => {
  const { input, accepted, served, listeners, sets } = part;
  const { stored, key, spec } = input;
  const before = (stored.status ?? {}) as GatewayStatus;
  const serving = addresses.filter(({ gateway }) => gateway === undefined || gateway === key);
  const all = allListeners(part);
  const refusals = refusedListeners(
    input,
    all.map(({ checked }) => checked),
    serving,
  );
  const bound = serving.map(({ address }) => address);
  const fixed = addressesOf(spec).flatMap((address) => (address === '' ? bound : [address]));
  // One of the pool stays its own while no gateway is there: this is where a control plane reads it after a start.
  const assigned = part.withoutAddress ? [] : bound.length > 0 || isFromPool(input) ? fixed : [];
  const present = assigned.filter((address) => !refusals.unusable.has(address));
  const last = settling && Array.isArray(before.addresses) ? before.addresses.map(({ value }) => value) : [];
  const shown = [...new Set([...present, ...last])].sort();
  const state: State = {
    nowMs,
    refusals,
    overlaps: overlapsOf(all.map(({ checked }) => checked)),
    ...(!served && {
      refused: part.withoutAddress ? no('Programmed', 'AddressNotAssigned', part.withoutAddress) : accepted,
    }),
  };
  const verdicts = gatewayVerdicts(part, bound.length > 0 || last.length > 0, state);
  const attached = sets.filter(isAttached).length;
  const own: GatewayStatus = {
    ...(attached > 0 && { attachedListenerSets: attached }),
    addresses: served ? shown.map((value) => ({ type: 'IPAddress', value, ...routabilityOf(spec, value) })) : [],
    conditions: conditionsOf([...verdicts, ...insecureVerdict(spec)], before.conditions, input.resource, nowMs),
    listeners: listenerStatuses(input, listeners, state),
  };
  const programmed = verdicts.find(({ type }) => type === 'Programmed');
  return { own, programmed, state };
};

interface State {
  readonly nowMs: number;
  readonly refusals: Refusals;
  readonly overlaps: ReadonlyMap<string, Verdict>;
  /** Why nothing of the Gateway is served. */
  readonly refused?: Verdict;
}

const listenerSetStatus = (
  { input, accepted, listeners }: ListenerSetPart,
  gateway: Verdict | undefined,
  state: State,
): ListenerSetStatus => {
  const { conditions } = (input.stored.status ?? {}) as ListenerSetStatus;
  const verdicts =
    accepted.status === 'True'
      ? listenersVerdicts(accepted, listeners, state, gateway)
      : [accepted, no('Programmed', accepted.reason, accepted.message)];
  return {
    conditions: conditionsOf(verdicts, conditions, input.resource, state.nowMs),
    listeners: listenerStatuses(input, listeners, state),
  };
};

/** What a ListenerSet's listeners make of it. */
const listenersVerdicts = (
  accepted: Verdict,
  listeners: readonly ServedListener[],
  { refusals }: State,
  gateway: Verdict | undefined,
): Verdict[] => {
  const acceptance = acceptanceOf(accepted, listeners);
  if (acceptance.status !== 'True') return [acceptance, no('Programmed', acceptance.reason, acceptance.message)];
  const lines = refusedLines(listeners, refusals);
  if (lines) return [acceptance, no('Programmed', 'PortUnavailable', lines)];
  // What stands in the way of its Gateway alone is said there.
  if (gateway?.status === 'False' && ['AddressNotAssigned', 'AddressNotUsable'].includes(gateway.reason)) {
    return [acceptance, no('Programmed', 'ParentNotProgrammed', `the Gateway is not programmed: ${gateway.message}`)];
  }
  return [acceptance, yes('Programmed', 'Programmed')];
};

const isServed = ({ checked }: ServedListener): boolean => checked.programmed;

const acceptanceOf = (accepted: Verdict, listeners: readonly ServedListener[]): Verdict => {
  const bad = listeners.filter((listener) => !isServed(listener)).map(({ checked }) => checked.spec.name);
  if (bad.length === 0) return accepted;
  const message = `these listeners can't be used: ${bad.join(', ')}; their conditions say why`;
  const verdict = bad.length < listeners.length ? yes : no;
  return verdict('Accepted', 'ListenersNotValid', message);
};

const refusedLines = (listeners: readonly ServedListener[], { byListener }: Refusals): string => {
  const lines = listeners.flatMap(({ checked: { id, spec } }) => {
    const refusal = byListener.get(id);
    return refusal === undefined ? [] : [`listener ${spec.name}: ${refusal}`];
  });
  return lines.length === 0 ? '' : `${lines.join('; ')}; it is tried again`;
};

const listenerStatuses = (input: Input, listeners: readonly ServedListener[], state: State): ListenerStatus[] => {
  const { listeners: written } = (input.stored.status ?? {}) as GatewayStatus;
  return listeners.map(({ checked, attached }) => {
    const { id, spec, supportedKinds, verdicts } = checked;
    const last = Array.isArray(written) ? written.find(({ name }) => name === spec.name) : undefined;
    const overlap = state.overlaps.get(id);
    const refusal = state.refusals.byListener.get(id);
    const told = verdicts.map((verdict) => {
      if (verdict.type !== 'Programmed' || verdict.status !== 'True') return verdict;
      if (state.refused) return no('Programmed', 'Invalid', state.refused.message);
      return refusal === undefined ? verdict : no('Programmed', 'PortUnavailable', `${refusal}; it is tried again`);
    });
    return {
      name: spec.name,
      supportedKinds,
      attachedRoutes: attached.length,
      conditions: conditionsOf(overlap ? [...told, overlap] : told, last?.conditions, input.resource, state.nowMs),
    };
  });
};

/** The published API wants it to be seen that clients are not checked. */
const insecureVerdict = ({ tls }: GatewaySpec): Verdict[] => {
  const all = [tls?.frontend?.default, ...(tls?.frontend?.perPort ?? []).map((entry) => entry.tls)];
  if (!all.some((entry) => entry?.validation?.mode === 'AllowInsecureFallback')) return [];
  const message = 'clients without a valid certificate are let in by AllowInsecureFallback';
  return [yes('InsecureFrontendValidationMode', 'ConfigurationChanged', message)];
};

const resolvedOf = ({ listeners, backend }: GatewayPart): Verdict => {
  if (backend?.problem) return backend.problem;
  const isLost = ({ checked }: ServedListener) =>
    checked.verdicts.some(({ type, status }) => type === 'ResolvedRefs' && status !== 'True');
  const lost = listeners.filter(isLost).map(({ checked }) => checked.spec.name);
  const message = `these listeners refer to what can't be used: ${lost.join(', ')}; their conditions say why`;
  return lost.length === 0 ? yes('ResolvedRefs', 'ResolvedRefs') : no('ResolvedRefs', 'ListenersNotResolved', message);
};

const gatewayVerdicts = (part: GatewayPart, reachable: boolean, { refusals }: State): Verdict[] => {
  const { accepted, listeners } = part;
  const resolved = resolvedOf(part);
  if (accepted.status !== 'True') return [accepted, no('Programmed', 'Invalid', accepted.message), resolved];
  const acceptance = acceptanceOf(accepted, listeners);
  const served = allListeners(part).filter(isServed);
  const programmed = (): Verdict => {
    if (served.length === 0 && listeners.length > 0) return no('Programmed', 'Invalid', acceptance.message);
    if (part.withoutAddress) return no('Programmed', 'AddressNotAssigned', part.withoutAddress);
    if (refusals.unusable.size > 0) {
      const lines = [...refusals.unusable.values()].join('; ');
      return no('Programmed', 'AddressNotUsable', `${lines}; it is tried again`);
    }
    if (!reachable) {
      const hint = 'no gateway is connected; start one with: weft proxy --role gateway';
      return no('Programmed', 'AddressNotAssigned', hint);
    }
    const lines = refusedLines(allListeners(part), refusals);
    return lines ? no('Programmed', 'PortUnavailable', lines) : yes('Programmed', 'Programmed');
  };
  return [acceptance, programmed(), resolved];
};
