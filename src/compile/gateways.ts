// Gateways of Weft's class: checks their listeners and those of their ListenerSets, and makes gateways of the mesh of them. Used by routing.ts.

import type { AccessLogConfig } from '../filters/access-log/schema.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { GatewayListener, MeshGateway } from '../model/mesh.ts';
import type { Addressed } from './address-pool.ts';
import type { BackendPolicies, RouteParts } from './backend-policies.ts';
import { withGateway } from './cluster-names.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { ProxyParameters } from './envoy-proxies.ts';
import { addressesOf, CLUSTER, isSupportedAddress } from './gateway-addresses.ts';
import { byAge, type Input } from './input.ts';
import { keepEqual, sameItems } from './keep.ts';
import { type Attachment, type Governed, govern, hostsOf, streamsOf } from './listener-hosts.ts';
import { checkListenerSet, groupListenerSets, type ListenerSetInput, type ListenerSetPart } from './listener-sets.ts';
import {
  type CheckedListener,
  checkListeners,
  type EarlierListeners,
  type ListenerLookups,
  type PortOwners,
  secretOf,
} from './listeners.ts';
import { renamedClusters, withClusters } from './route-clusters.ts';

export interface ServedListener {
  readonly checked: CheckedListener;
  /** Filled while routes are attached. */
  attached: readonly Attachment[];
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
  /** Why it has no address of its own, which it should have had: nothing of it is served. */
  readonly withoutAddress?: string;
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
    const withoutAddress = without.get(input.key);
    const accepted = acceptedOf(input, parameters, withoutAddress);
    const served =
      withoutAddress === undefined &&
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

const acceptedOf = (
  { spec }: Input<GatewaySpec>,
  parameters: ProxyParameters | undefined,
  withoutAddress: string | undefined,
): Verdict => {
  if (parameters?.refusal !== undefined) {
    return no('Accepted', 'InvalidParameters', `spec.infrastructure.parametersRef: ${parameters.refusal}`);
  }
  const bad = spec.addresses?.find((address) => !isSupportedAddress(address));
  if (!bad || (withoutAddress !== undefined && bad.routability === CLUSTER)) return yes('Accepted', 'Accepted');
  const what = bad.type === 'IPAddress' ? `with the routability ${bad.routability}` : `of type ${bad.type}`;
  const rest = addressesOf(spec).length > 0 ? '; the others are served' : '';
  return no('Accepted', UNSUPPORTED_ADDRESS, `an address ${what} is not supported; ${hintFor(bad)}${rest}`);
};

const hintFor = ({ routability = '' }: NonNullable<GatewaySpec['addresses']>[number]): string =>
  routability === CLUSTER
    ? 'give weft control the block of those with --cluster-addresses, and ask for one of it'
    : 'give an IPAddress';

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
  const source = { apply, isOwn: certificate !== undefined };
  return {
    namespace,
    name,
    labels: { ...resource.metadata.labels, ...spec.infrastructure?.labels },
    addresses: addresses.some(Boolean) ? addresses : [],
    ...(certificate && { backendCertificate: certificate }),
    listeners: allListeners(part)
      .filter(({ checked }) => checked.programmed)
      .map(({ checked, attached }) => {
        const before = last.get(checked.id);
        const partsAt = ({ route }: Attachment) => partsOf(apply(input.key, checked.id, route));
        const governed = govern(attached, before, source, partsAt);
        const listener = listenerOf(withLogs(checked, part.accessLogs), governed, before);
        const { filters } = listener;
        return certificate && filters
          ? { ...listener, filters: renamedClusters(filters, (cluster) => withGateway(cluster, input.key)) }
          : listener;
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

const listenerOf = (
  { spec, id, hostname, secrets, client, filters }: CheckedListener,
  governed: Governed,
  before: GatewayListener | undefined,
): GatewayListener => ({
  name: id,
  port: spec.port,
  protocol: spec.protocol as GatewayListener['protocol'],
  ...(hostname ? { hostname } : {}),
  secrets,
  ...(client && { client }),
  ...(filters && { filters }),
  ...(spec.protocol === 'HTTP' || spec.protocol === 'HTTPS'
    ? { hosts: hostsOf(governed, before?.hosts), streams: [] }
    : { hosts: [], streams: streamsOf(governed) }),
});
