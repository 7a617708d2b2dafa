// Gateways of Weft's class: checks their listeners and those of their ListenerSets, and makes gateways of the mesh of them. Used by routing.ts.
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { AccessLogConfig } from '../model/access-log.ts';
import type { GatewayListener, MeshGateway } from '../model/mesh.ts';
import type { Route } from '../model/route.ts';
import type { Addressed } from './address-pool.ts';
import type { BackendPolicies, RouteParts } from './backend-policies.ts';
import { withGateway } from './cluster-names.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { ProxyParameters } from './envoy-proxies.ts';
import { addressesOf, isSupportedAddress } from './gateway-addresses.ts';
import { type AttachedNames, bySpecificity, coversHostname } from './hostnames.ts';
import { byAge, type Input } from './input.ts';
import { keepEqual, sameItems } from './keep.ts';
import { checkListenerSet, groupListenerSets, type ListenerSetInput, type ListenerSetPart } from './listener-sets.ts';
import {
  type CheckedListener,
  checkListeners,
  type EarlierListeners,
  type ListenerLookups,
  type PortOwners,
  secretOf,
} from './listeners.ts';
import { middleOf, updateSorted } from './lists.ts';
import { withClusters } from './route-clusters.ts';
import { joinRoutes, sortRoutes } from './route-order.ts';
import type { CompiledRoute } from './routes.ts';

export interface Attachment extends AttachedNames {
  readonly route: CompiledRoute;
}

export interface ServedListener {
  readonly checked: CheckedListener;
  /** Filled while routes are attached. */
  attached: Attachment[];
}

export interface GatewayPart {
  readonly input: Input<GatewaySpec>;
  readonly accepted: Verdict;
  /** True too where it is not accepted for a part without which the rest can be served. */
  readonly served: boolean;
  readonly accessLogs: readonly AccessLogConfig[];
  /** Its own. */
  readonly listeners: readonly ServedListener[];
  /** Those that name it, in order of precedence. */
  readonly sets: readonly ListenerSetPart[];
  readonly backend?: ReturnType<typeof secretOf>;
  /** It should have had an address of its own, and none is left: nothing of it is served. */
  readonly withoutAddress?: true;
}

/** The Gateway's own and those of its ListenerSets. */
export const allListeners = ({ listeners, sets }: GatewayPart): ServedListener[] => [
  ...listeners,
  ...sets.flatMap((set) => set.listeners),
];

const unattached = ({ checked }: ServedListener): ServedListener => ({ checked, attached: [] });

/** The same without routes. */
export const withoutRoutes = (part: GatewayPart): GatewayPart => ({
  ...part,
  listeners: part.listeners.map(unattached),
  sets: part.sets.map((set) => ({ ...set, listeners: set.listeners.map(unattached) })),
});

/** Older Gateways first: they keep a port that a later one wants for another protocol. */
export const checkGateways = (
  { gateways, without }: Addressed,
  listenerSets: readonly ListenerSetInput[],
  lookups: ListenerLookups,
): GatewayPart[] => {
  const shared: PortOwners = new Map();
  const byGateway = groupListenerSets(listenerSets);
  return [...gateways].sort(byAge).map((input) => {
    const parameters = lookups.parameters.ofGateway(input);
    const accepted = acceptedOf(input, parameters);
    const withoutAddress = without.has(input.key);
    const served =
      !withoutAddress &&
      (accepted.reason === UNSUPPORTED_ADDRESS ? addressesOf(input.spec).length > 0 : accepted.status === 'True');
    const taken: PortOwners = served ? shared : new Map();
    const earlier: EarlierListeners = new Map();
    const own = checkListeners({ kind: 'Gateway', input, gateway: input }, earlier, taken, lookups);
    const sets = (byGateway.get(input.key) ?? []).map((set) =>
      checkListenerSet(set, { input, served, earlier, taken }, lookups),
    );
    const backend = backendOf(input, lookups);
    const listeners = own.map((checked) => ({ checked, attached: [] }));
    const rest = { ...(backend && { backend }), ...(withoutAddress && { withoutAddress }) };
    const accessLogs = parameters?.accessLogs ?? [];
    return { input, accepted, served, accessLogs, listeners, sets, ...rest };
  });
};

const acceptedOf = ({ spec }: Input<GatewaySpec>, parameters: ProxyParameters | undefined): Verdict => {
  if (parameters?.refusal !== undefined) {
    return no('Accepted', 'InvalidParameters', `spec.infrastructure.parametersRef: ${parameters.refusal}`);
  }
  const bad = spec.addresses?.find((address) => !isSupportedAddress(address));
  if (!bad) return yes('Accepted', 'Accepted');
  const what = bad.type === 'IPAddress' ? `with the routability ${bad.routability}` : `of type ${bad.type}`;
  const rest = addressesOf(spec).length > 0 ? '; the others are served' : '';
  return no('Accepted', UNSUPPORTED_ADDRESS, `an address ${what} is not supported; give an IPAddress${rest}`);
};

const UNSUPPORTED_ADDRESS = 'UnsupportedAddress';

/** The certificate that is shown to backends; one that can't be used is a problem, and none is shown. */
const backendOf = ({ spec, namespace }: Input<GatewaySpec>, lookups: ListenerLookups): GatewayPart['backend'] => {
  const ref = spec.tls?.backend?.clientCertificateRef;
  return ref && secretOf({ kind: 'Gateway', namespace }, ref, lookups, 'InvalidClientCertificateRef');
};

/** The Gateway as the mesh has it; undefined when nothing of it can be served. */
export const meshGatewayOf = (
  part: GatewayPart,
  apply: BackendPolicies['apply'],
  before: MeshGateway | undefined,
): MeshGateway | undefined => {
  const { input, served, backend } = part;
  if (!served) return undefined;
  const { spec, resource, namespace, name } = input;
  const addresses = addressesOf(spec);
  const certificate = backend?.secret;
  const last = new Map(before?.listeners.map((listener) => [listener.name, listener]));
  const partsOf = (parts: RouteParts) => (certificate ? ownClusters(parts, input.key) : parts);
  return {
    namespace,
    name,
    labels: { ...resource.metadata.labels, ...spec.infrastructure?.labels },
    addresses: addresses.some(Boolean) ? addresses : [],
    ...(certificate && { backendCertificate: certificate }),
    listeners: allListeners(part)
      .filter(({ checked }) => checked.programmed)
      .map(({ checked, attached }) => {
        const parts = attached.map(({ route }) => partsOf(apply(input.key, checked.id, route)));
        return listenerOf(withLogs(checked, part.accessLogs), { attached, parts }, last.get(checked.id));
      }),
  };
};

/**
 * `next` with the parts of `before` that are equal. Hosts have kept theirs already: no copies are made of their routes, by
 * whose identity those of two Gateways are told apart.
 */
export const keepGateway = (before: MeshGateway | undefined, next: MeshGateway): MeshGateway => {
  if (!before) return next;
  const { listeners: lastListeners, ...lastRest } = before;
  const { listeners: nextListeners, ...nextRest } = next;
  const byName = new Map(lastListeners.map((listener) => [listener.name, listener]));
  const all = nextListeners.map((listener) => keepListener(byName.get(listener.name), listener));
  const rest = keepEqual(lastRest, nextRest);
  const listeners = sameItems(lastListeners, all) ? lastListeners : all;
  return rest === lastRest && listeners === lastListeners ? before : { ...rest, listeners };
};

const keepListener = (before: GatewayListener | undefined, next: GatewayListener): GatewayListener => {
  if (!before) return next;
  const { hosts: lastHosts, ...lastRest } = before;
  const { hosts, ...nextRest } = next;
  const rest = keepEqual(lastRest, nextRest);
  return rest === lastRest && hosts === lastHosts ? before : { ...rest, hosts };
};

const withLogs = (checked: CheckedListener, accessLogs: readonly AccessLogConfig[]): CheckedListener =>
  accessLogs.length > 0 ? { ...checked, client: { ...checked.client, accessLogs } } : checked;

/** With clusters of the Gateway's own, which is told from others by its certificate. */
const ownClusters = ({ routes, targets }: RouteParts, gateway: string): RouteParts => {
  const own = (cluster: string): string => withGateway(cluster, gateway);
  return {
    targets: targets.map((target) => ({ ...target, cluster: own(target.cluster) })),
    routes: routes.map((ordered) => ({ ...ordered, route: withClusters(ordered.route, own) })),
  };
};

/** What is attached to a listener, and, in the same order, with the policies for its backends. */
interface Governed {
  readonly attached: readonly Attachment[];
  readonly parts: readonly RouteParts[];
}

const listenerOf = (
  { spec, id, hostname, secrets, client }: CheckedListener,
  governed: Governed,
  before: GatewayListener | undefined,
): GatewayListener => ({
  name: id,
  port: spec.port,
  protocol: spec.protocol as GatewayListener['protocol'],
  ...(hostname ? { hostname } : {}),
  secrets,
  ...(client && { client }),
  ...(spec.protocol === 'HTTP' || spec.protocol === 'HTTPS'
    ? { hosts: hostsOf(governed, before?.hosts), streams: [] }
    : { hosts: [], streams: streamsOf(governed) }),
});

/**
 * What is attached to each name (of `only`), by the names that routes themselves have for it: the most specific first, then
 * the oldest.
 */
const byNames = (
  { attached, parts: all }: Governed,
  only?: ReadonlySet<string>,
): Map<string, readonly RouteParts[][]> => {
  // In order of age, as they were attached.
  const byHost = new Map<string, Map<string, RouteParts[]>>();
  for (const [place, { hostnames, wanted }] of attached.entries()) {
    for (const [i, hostname] of hostnames.entries()) {
      if (only && !only.has(hostname)) continue;
      const own = byHost.get(hostname) ?? new Map<string, RouteParts[]>();
      byHost.set(hostname, own);
      const list = own.get(wanted[i]!);
      if (list) list.push(all[place]!);
      else own.set(wanted[i]!, [all[place]!]);
    }
  }
  const sorted = (own: Map<string, RouteParts[]>) =>
    [...own].sort(([a], [b]) => bySpecificity(a, b)).map(([, parts]) => parts);
  return new Map([...byHost].map(([hostname, own]) => [hostname, sorted(own)]));
};

/** Of routes that want the same connections the first has them. */
const streamsOf = (governed: Governed): GatewayListener['streams'] => {
  const byHost = byNames(governed);
  const names = [...byHost.keys()].sort(bySpecificity);
  return names.map((hostname) => ({ hostname, targets: byHost.get(hostname)?.[0]?.[0]?.targets ?? [] }));
};

/** The routes of each host name; behind those of its own, in their order, come those of wider names that cover it. */
const hostsOf = (governed: Governed, before: GatewayListener['hosts'] = []): GatewayListener['hosts'] => {
  const memo = governedBy.get(before);
  if (memo && sameItems(memo.attached, governed.attached) && sameItems(memo.parts, governed.parts)) return before;
  const touched = memo && touchedNames(memo, governed);
  const sorted = touched ? updateHosts(governed, before, touched) : sortHosts(governed, before);
  const hosts = sameItems(before, sorted) ? before : sorted;
  governedBy.set(hosts, governed);
  return hosts;
};

/** What hosts were made of. */
const governedBy = new WeakMap<GatewayListener['hosts'], Governed>();

/** So many are made anew one by one; of more, all. */
const FEW = 64;

/** The names of what came, went or changed; undefined where others depend on them, or they are many. */
const touchedNames = (before: Governed, after: Governed): ReadonlySet<string> | undefined => {
  const names = new Set<string>();
  const touch = ({ hostnames }: Attachment) => {
    for (const hostname of hostnames) names.add(hostname);
  };
  const [one, other] = [middleOf(before.attached, after.attached), middleOf(before.parts, after.parts)];
  const start = Math.min(one.start, other.start);
  const [endA, endB] = [Math.max(one.endA, other.endA), Math.max(one.endB, other.endB)];
  const isReplaced = endA === endB;
  for (let i = start; i < Math.max(endA, endB) && names.size <= FEW; i++) {
    if (isReplaced && before.attached[i] === after.attached[i] && before.parts[i] === after.parts[i]) continue;
    if (i < endA) touch(before.attached[i]!);
    if (i < endB) touch(after.attached[i]!);
  }
  return names.size > FEW || [...names].some((name) => name.startsWith('*')) ? undefined : names;
};

const byHostname = (a: { readonly hostname: string }, b: { readonly hostname: string }): number =>
  bySpecificity(a.hostname, b.hostname);

const updateHosts = (
  governed: Governed,
  before: GatewayListener['hosts'],
  touched: ReadonlySet<string>,
): GatewayListener['hosts'] => {
  const wide = before.map(({ hostname }) => hostname).filter((hostname) => hostname.startsWith('*'));
  const wider = wide.filter((other) => [...touched].some((hostname) => coversHostname(other, hostname)));
  const byHost = byNames(governed, new Set([...touched, ...wider]));
  const gone = before.filter(({ hostname }) => touched.has(hostname));
  const names = [...touched].filter((hostname) => byHost.has(hostname));
  return updateSorted(before, gone, makeHosts(names, wider, byHost, gone), byHostname);
};

const sortHosts = (governed: Governed, before: GatewayListener['hosts']): GatewayListener['hosts'] => {
  const byHost = byNames(governed);
  const names = [...byHost.keys()].sort(bySpecificity);
  const wide = names.filter((hostname) => hostname.startsWith('*'));
  return makeHosts(names, wide, byHost, before);
};

/** `wide`: the wider names that may cover them. */
const makeHosts = (
  names: readonly string[],
  wide: readonly string[],
  byHost: ReadonlyMap<string, readonly RouteParts[][]>,
  before: GatewayListener['hosts'],
): GatewayListener['hosts'] => {
  // By the names that routes have for it, one after the other.
  const inOrder = (lists: readonly RouteParts[][]): readonly Route[] =>
    joinRoutes(lists.map((parts) => sortRoutes(parts.map(({ routes }) => routes))));
  const own = new Map([...byHost].map(([hostname, lists]) => [hostname, inOrder(lists)]));
  const last = new Map(before.map((host) => [host.hostname, host]));
  return names.map((hostname) => {
    const wider = wide.filter((other) => other !== hostname && coversHostname(other, hostname));
    const routes = joinRoutes([hostname, ...wider].map((name) => own.get(name) ?? []));
    const host = last.get(hostname);
    return host?.routes === routes ? host : { hostname, routes };
  });
};
