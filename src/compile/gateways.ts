// Gateways of Weft's class: checks their listeners, attaches routes to them, and words their statuses. Used by routing.ts.
import type { GatewaySpec, GatewayStatus, ListenerStatus } from '../kinds/gateway/types.ts';
import type { GatewayListener, MeshGateway } from '../model/mesh.ts';
import type { BackendPolicies, RouteParts } from './backend-policies.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import { bySpecificity, coversHostname } from './hostnames.ts';
import { byAge, type Input } from './input.ts';
import { type CheckedListener, checkListeners, type ListenerLookups, type PortOwners } from './listeners.ts';
import { refusedListeners } from './refusals.ts';
import { type OrderedRoute, sortRoutes } from './route-order.ts';
import type { CompiledRoute } from './routes.ts';

export interface Attachment {
  readonly route: CompiledRoute;
  readonly hostnames: readonly string[];
}

export interface GatewayPart {
  readonly input: Input<GatewaySpec>;
  readonly accepted: Verdict;
  readonly listeners: readonly {
    readonly checked: CheckedListener;
    /** Filled while routes are attached. */
    readonly attached: Attachment[];
  }[];
}

/** Where a gateway process that serves a Gateway (or all, without `gateway`) can be reached. */
export interface GatewayAddress {
  /** `namespace/name`. */
  readonly gateway?: string;
  readonly address: string;
  /** What it could not use of its configuration, in its words: one line each. */
  readonly refusals?: readonly string[];
}

/** Older Gateways first: they keep a port that a later one wants for another protocol. */
export const checkGateways = (inputs: readonly Input<GatewaySpec>[], lookups: ListenerLookups): GatewayPart[] => {
  const taken: PortOwners = new Map();
  return [...inputs].sort(byAge).map((input) => {
    const accepted = acceptedOf(input);
    const listeners = checkListeners(input, accepted.status === 'True' ? taken : new Map(), lookups);
    return { input, accepted, listeners: listeners.map((checked) => ({ checked, attached: [] })) };
  });
};

const acceptedOf = ({ spec }: Input<GatewaySpec>): Verdict => {
  if (spec.infrastructure?.parametersRef) {
    return no('Accepted', 'InvalidParameters', 'spec.infrastructure.parametersRef is not supported');
  }
  if (spec.tls?.backend) {
    return no('Accepted', 'Invalid', 'spec.tls.backend: client certificates for backends are not supported');
  }
  const bad = spec.addresses?.find(({ type, value }) => type !== 'IPAddress' || !value);
  if (bad) {
    const what = bad.type === 'IPAddress' ? 'an address without a value' : `an address of type ${bad.type}`;
    return no('Accepted', 'UnsupportedAddress', `${what} is not supported; give an IPAddress`);
  }
  return yes('Accepted', 'Accepted');
};

/** The Gateway as the mesh has it; undefined when nothing of it can be served. */
export const meshGatewayOf = (
  { input, accepted, listeners }: GatewayPart,
  apply: BackendPolicies['apply'],
): MeshGateway | undefined => {
  if (accepted.status !== 'True') return undefined;
  const { spec, resource, namespace, name } = input;
  return {
    namespace,
    name,
    labels: { ...resource.metadata.labels, ...spec.infrastructure?.labels },
    addresses: spec.addresses?.map(({ value = '' }) => value) ?? [],
    listeners: listeners
      .filter(({ checked }) => checked.programmed)
      .map(({ checked, attached }) =>
        listenerOf(
          checked,
          attached.map((one) => ({ ...one, parts: apply(input.key, checked.spec.name, one.route) })),
        ),
      ),
  };
};

/** With the policies for its backends. */
interface Governed extends Attachment {
  readonly parts: RouteParts;
}

const listenerOf = (
  { spec, hostname, secrets, client }: CheckedListener,
  attached: readonly Governed[],
): GatewayListener => ({
  name: spec.name,
  port: spec.port,
  protocol: spec.protocol as GatewayListener['protocol'],
  ...(hostname ? { hostname } : {}),
  secrets,
  ...(client && { client }),
  ...(spec.protocol === 'HTTP' || spec.protocol === 'HTTPS'
    ? { hosts: hostsOf(attached), streams: [] }
    : { hosts: [], streams: streamsOf(attached) }),
});

/** Of routes that want the same connections the oldest has them. */
const streamsOf = (attached: readonly Governed[]): GatewayListener['streams'] => {
  const byHost = new Map<string, RouteParts>();
  for (const { parts, hostnames } of [...attached].sort((a, b) => byAge(a.route.input, b.route.input))) {
    for (const hostname of hostnames) if (!byHost.has(hostname)) byHost.set(hostname, parts);
  }
  const names = [...byHost.keys()].sort(bySpecificity);
  return names.map((hostname) => ({ hostname, targets: byHost.get(hostname)?.targets ?? [] }));
};

/** The routes of each host name; behind those of its own, in their order, come those of wider names that cover it. */
const hostsOf = (attached: readonly Governed[]): GatewayListener['hosts'] => {
  // In order of age, as they were attached.
  const byHost = new Map<string, (readonly OrderedRoute[])[]>();
  for (const { hostnames, parts } of attached) {
    for (const hostname of hostnames) {
      const lists = byHost.get(hostname);
      if (lists) lists.push(parts.routes);
      else byHost.set(hostname, [parts.routes]);
    }
  }
  const names = [...byHost.keys()].sort(bySpecificity);
  const own = new Map(names.map((hostname) => [hostname, sortRoutes(byHost.get(hostname) ?? [])]));
  const wide = names.filter((hostname) => hostname.startsWith('*'));
  return names.map((hostname) => {
    const wider = wide.filter((other) => other !== hostname && coversHostname(other, hostname));
    if (wider.length === 0) return { hostname, routes: own.get(hostname) ?? [] };
    return { hostname, routes: [...new Set([hostname, ...wider].flatMap((name) => own.get(name) ?? []))] };
  });
};

/** Which gateways are connected now. */
export interface Presence {
  readonly nowMs: number;
  readonly addresses: readonly GatewayAddress[];
  /** Others may still come back. */
  readonly settling: boolean;
}

export const gatewayStatus = (
  { input, accepted, listeners }: GatewayPart,
  { nowMs, addresses, settling }: Presence,
): GatewayStatus => {
  const { resource, stored, key, spec } = input;
  const before = (stored.status ?? {}) as GatewayStatus;
  const serving = addresses.filter(({ gateway }) => gateway === undefined || gateway === key);
  const refused = refusedListeners(input, listeners, serving);
  const bound = serving.map(({ address }) => ({ type: 'IPAddress', value: address }));
  const fixed = (spec.addresses ?? []).map(({ type, value = '' }) => ({ type, value }));
  const present = bound.length > 0 && fixed.length > 0 ? fixed : bound;
  const shown = unique([...present, ...(settling && Array.isArray(before.addresses) ? before.addresses : [])]);
  const conditions = conditionsOf(
    [...gatewayVerdicts(accepted, listeners, shown.length > 0, refused), ...insecureVerdict(spec)],
    before.conditions,
    resource,
    nowMs,
  );
  return {
    addresses: accepted.status === 'True' ? shown : [],
    conditions,
    listeners: listeners.map(({ checked, attached }): ListenerStatus => {
      const last = Array.isArray(before.listeners)
        ? before.listeners.find(({ name }) => name === checked.spec.name)
        : undefined;
      return {
        name: checked.spec.name,
        supportedKinds: checked.supportedKinds,
        attachedRoutes: new Set(attached.map(({ route }) => route)).size,
        conditions: conditionsOf(
          listenerVerdicts(checked, refused.get(checked.spec.name)),
          last?.conditions,
          resource,
          nowMs,
        ),
      };
    }),
  };
};

const unique = <T extends { readonly value: string }>(addresses: readonly T[]): T[] =>
  [...new Map(addresses.map((address) => [address.value, address])).values()].sort((a, b) =>
    a.value < b.value ? -1 : 1,
  );

const listenerVerdicts = ({ verdicts }: CheckedListener, refusal: string | undefined): readonly Verdict[] =>
  refusal === undefined
    ? verdicts
    : verdicts.map((verdict) =>
        verdict.type === 'Programmed' ? no('Programmed', 'PortUnavailable', `${refusal}; it is tried again`) : verdict,
      );

/** The published API wants it to be seen that clients are not checked. */
const insecureVerdict = ({ tls }: GatewaySpec): Verdict[] => {
  const all = [tls?.frontend?.default, ...(tls?.frontend?.perPort ?? []).map((entry) => entry.tls)];
  if (!all.some((entry) => entry?.validation?.mode === 'AllowInsecureFallback')) return [];
  const message = 'clients without a valid certificate are let in by AllowInsecureFallback';
  return [yes('InsecureFrontendValidationMode', 'ConfigurationChanged', message)];
};

const gatewayVerdicts = (
  accepted: Verdict,
  listeners: GatewayPart['listeners'],
  reachable: boolean,
  refused: ReadonlyMap<string, string>,
): Verdict[] => {
  const bad = listeners.filter(({ checked }) => !checked.programmed).map(({ checked }) => checked.spec.name);
  const listenersOk = bad.length === 0;
  const message = `these listeners can't be used: ${bad.join(', ')}; their conditions say why`;
  if (accepted.status !== 'True') return [accepted, no('Programmed', 'Invalid', accepted.message)];
  const acceptance = listenersOk
    ? accepted
    : bad.length < listeners.length
      ? yes('Accepted', 'ListenersNotValid', message)
      : no('Accepted', 'ListenersNotValid', message);
  if (bad.length === listeners.length) return [acceptance, no('Programmed', 'Invalid', message)];
  if (!reachable) {
    const hint = 'no gateway is connected; start one with: weft proxy --role gateway';
    return [acceptance, no('Programmed', 'AddressNotAssigned', hint)];
  }
  if (refused.size > 0) {
    const lines = [...refused].map(([name, refusal]) => `listener ${name}: ${refusal}`);
    return [acceptance, no('Programmed', 'PortUnavailable', `${lines.join('; ')}; it is tried again`)];
  }
  return [acceptance, yes('Programmed', 'Programmed')];
};
