// Listeners of Gateways and ListenerSets: which can be used, which routes they take, and why not. Used by gateways.ts and listener-sets.ts.
import type { GatewaySpec, LabelSelector, ListenerSpec, SecretRef } from '../kinds/gateway/types.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import type { ClientSettings } from '../model/mesh.ts';
import type { RouteFilter } from '../model/route.ts';
import type { TlsSecret } from '../model/snapshot.ts';
import type { Authorities } from './authorities.ts';
import type { Backends } from './backends.ts';
import type { ClientPolicies } from './client-policies.ts';
import { type ClientResult, clientSettings } from './client-settings.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { Parameters } from './envoy-proxies.ts';
import { addressesOf } from './gateway-addresses.ts';
import { widerNames } from './hostnames.ts';
import type { Input } from './input.ts';
import { listenerFilters, refusedFilters } from './listener-filters.ts';
import type { CertificateResult, Grants } from './references.ts';
import { routeKindsFor } from './route-kinds.ts';

/** A kind of route as statuses name it. */
export interface RouteKindRef {
  readonly group: string;
  readonly kind: string;
}

export interface CheckedListener {
  readonly spec: ListenerSpec;
  /** Unique in the Gateway; one of its own has its name. */
  readonly id: string;
  readonly hostname?: string;
  readonly supportedKinds: readonly RouteKindRef[];
  readonly secrets: readonly TlsSecret[];
  readonly client?: ClientSettings;
  readonly filters?: readonly RouteFilter[];
  /** True when it is served. */
  readonly programmed: boolean;
  readonly verdicts: readonly Verdict[];
}

/** Whose listeners they are: the Gateway itself, or a ListenerSet of it. */
export interface ListenerOwner {
  readonly kind: 'Gateway' | 'ListenerSet';
  readonly input: Input<{ readonly listeners: readonly ListenerSpec[] }>;
  readonly gateway: Input<GatewaySpec>;
}

/** By port and host name: the listener that has them; one after it that wants the same is in conflict. */
export type EarlierListeners = Map<string, EarlierListener>;

interface EarlierListener {
  readonly spec: ListenerSpec;
  readonly owner: ListenerOwner;
}

const placeOf = ({ port, protocol, hostname }: ListenerSpec): string =>
  `${port} ${familyOf(protocol)} ${hostname?.toLowerCase() ?? ''}`;

export interface ListenerLookups {
  readonly grants: Grants;
  /** The Secret of a key, read as a certificate; undefined when there is none. */
  readonly certificate: (key: string) => CertificateResult | undefined;
  readonly authorities: Authorities;
  readonly clients: ClientPolicies;
  readonly namespaceLabels: NamespaceLabels;
  readonly parameters: Parameters;
  readonly backend: Backends['resolve'];
}

/** `earlier` and `taken` grow by those that are accepted. */
export const checkListeners = (
  owner: ListenerOwner,
  earlier: EarlierListeners,
  taken: PortOwners,
  lookups: ListenerLookups,
): CheckedListener[] =>
  owner.input.spec.listeners.map((spec) => {
    const id = owner.kind === 'Gateway' ? spec.name : `${owner.kind} ${owner.input.key}/${spec.name}`;
    const client = clientSettings(owner.gateway, id, spec, lookups);
    const accepted = client.refused ?? acceptedOf(spec);
    const conflicted = accepted.status === 'True' ? conflictOf(owner, spec, earlier, taken, client) : yesNoConflict;
    if (accepted.status === 'True' && conflicted.status === 'False') earlier.set(placeOf(spec), { spec, owner });
    return checkListener(owner, spec, { id, accepted, conflicted, client }, lookups);
  });

interface Findings {
  readonly id: string;
  readonly accepted: Verdict;
  readonly conflicted: Verdict;
  readonly client: ClientResult;
}

const checkListener = (
  owner: ListenerOwner,
  spec: ListenerSpec,
  { id, accepted, conflicted, client }: Findings,
  lookups: ListenerLookups,
): CheckedListener => {
  const { supportedKinds, invalid } = routeKindsOf(spec);
  const { secrets, problem } = terminatesTls(spec) ? secretsOf(owner, spec, lookups) : { secrets: [] };
  const from = { kind: owner.kind, namespace: owner.input.namespace };
  const filtered = listenerFilters(spec, from, lookups.backend);
  const resolved =
    problem ??
    client.unresolved ??
    filtered.problem ??
    (invalid ? no('ResolvedRefs', 'InvalidRouteKinds', invalid) : yes('ResolvedRefs', 'ResolvedRefs'));
  const isConflicted = conflicted.status === 'True';
  const usable = accepted.status === 'True' && !isConflicted;
  // A listener whose routes are of no known kind still answers 404; one without a certificate can't answer at all.
  const programmed = usable && (!terminatesTls(spec) || secrets.length > 0);
  const reason = isConflicted ? conflicted : accepted.status === 'False' ? accepted : resolved;
  return {
    spec,
    id,
    ...(spec.hostname ? { hostname: spec.hostname.toLowerCase() } : {}),
    supportedKinds,
    secrets,
    ...(client.settings && { client: client.settings }),
    ...(filtered.filters && { filters: filtered.filters }),
    programmed,
    verdicts: [
      isConflicted ? no('Accepted', conflicted.reason, conflicted.message) : accepted,
      conflicted,
      resolved,
      programmed
        ? yes('Programmed', 'Programmed')
        : no('Programmed', isConflicted ? conflicted.reason : 'Invalid', reason.message),
    ],
  };
};

const yesNoConflict: Verdict = {
  type: 'Conflicted',
  status: 'False',
  reason: 'NoConflicts',
  message: 'no other listener wants the same',
};

const PROTOCOLS = ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'];

const terminatesTls = ({ protocol, tls }: ListenerSpec): boolean =>
  protocol === 'HTTPS' || (protocol === 'TLS' && tls?.mode !== 'Passthrough');

const acceptedOf = (spec: ListenerSpec): Verdict => {
  const { protocol, tls } = spec;
  if (!PROTOCOLS.includes(protocol)) {
    const known = PROTOCOLS.join(', ');
    return no('Accepted', 'UnsupportedProtocol', `protocol ${protocol} is not supported; use one of ${known}`);
  }
  if (terminatesTls(spec) && !tls?.certificateRefs?.length)
    return no('Accepted', 'Invalid', `protocol ${protocol} needs tls with certificateRefs`);
  return refusedFilters(spec) ?? yes('Accepted', 'Accepted');
};

/** Which protocol has a port, and for which Gateway; over all Gateways that share an address. */
export type PortOwners = Map<string, PortOwner>;

interface PortOwner {
  readonly protocol: string;
  readonly gateway: string;
  /** Of one hostname: which client certificates are wanted. */
  readonly clients?: string;
}

/** Protocols that share a port: they are told apart by the server name. */
const familyOf = (protocol: string): string => (protocol === 'HTTPS' ? 'TLS' : protocol);

const conflictOf = (
  owner: ListenerOwner,
  spec: ListenerSpec,
  earlier: EarlierListeners,
  taken: PortOwners,
  { settings }: ClientResult,
): Verdict => {
  const { gateway } = owner;
  const { port, protocol, hostname, name } = spec;
  const family = familyOf(protocol);
  const same = earlier.get(placeOf(spec));
  if (same) {
    const what = hostname ? `hostname ${hostname}` : 'no hostname';
    return conflict('HostnameConflict', `${nameFor(owner, same)} has port ${port} with ${what} too`);
  }
  for (const address of addressesOf(gateway.spec)) {
    const id = `${address} ${port}${protocol === 'UDP' ? '/udp' : ''}`;
    const owner = taken.get(id);
    if (owner && familyOf(owner.protocol) !== family) {
      const where = owner.gateway === gateway.key ? '' : ` of Gateway ${owner.gateway}`;
      return conflict(
        'ProtocolConflict',
        `port ${port} is ${owner.protocol} at an earlier listener${where}; ${name} wants ${protocol}`,
      );
    }
    // Two Gateways' listeners of one name are one: who gets in at one gets in at the other.
    const named = `${id} ${hostname?.toLowerCase() ?? '*'}`;
    const clients = JSON.stringify(settings?.validation ?? '');
    const before = terminatesTls(spec) ? taken.get(named) : undefined;
    if (before && before.clients !== clients) {
      const message = `Gateway ${before.gateway} has port ${port} with the same hostname, and lets other clients in`;
      return conflict('HostnameConflict', message);
    }
    if (terminatesTls(spec)) taken.set(named, before ?? { protocol, gateway: gateway.key, clients });
    taken.set(id, owner ?? { protocol, gateway: gateway.key });
  }
  return yesNoConflict;
};

/** Who keeps a ListenerSet isn't told what others' are called. */
const nameFor = (owner: ListenerOwner, { spec, owner: other }: EarlierListener): string =>
  owner.input === other.input
    ? `listener ${spec.name}`
    : `a listener of ${other.kind === 'Gateway' ? 'the Gateway' : 'an earlier ListenerSet'}`;

const conflict = (reason: string, message: string): Verdict => ({
  type: 'Conflicted',
  status: 'True',
  reason,
  message,
});

/** Listeners whose host names have names in common, by id: a client may use one's connection for the other. */
export const overlapsOf = (listeners: readonly CheckedListener[]): Map<string, Verdict> => {
  const ending = listeners.filter(({ spec, programmed }) => programmed && terminatesTls(spec));
  const byPlace = new Map(ending.map(({ id, spec, hostname = '*' }) => [`${spec.port} ${hostname}`, id]));
  const found = new Map<string, Verdict>();
  for (const { id, spec, hostname = '*' } of ending) {
    for (const wider of widerNames(hostname)) {
      const other = byPlace.get(`${spec.port} ${wider}`);
      if (other === undefined) continue;
      for (const one of [id, other]) found.set(one, overlap(spec.port));
    }
  }
  return found;
};

const overlap = (port: number): Verdict => ({
  type: 'OverlappingTLSConfig',
  status: 'True',
  reason: 'OverlappingHostnames',
  message: `other listeners on port ${port} have some of its host names; requests that come by the wrong one's connection get 421`,
});

const routeKindsOf = ({
  protocol,
  tls,
  allowedRoutes,
}: ListenerSpec): { supportedKinds: RouteKindRef[]; invalid?: string } => {
  const known: RouteKindRef[] = routeKindsFor(protocol, tls?.mode);
  const { kinds } = allowedRoutes;
  if (!kinds?.length) return { supportedKinds: known };
  const isKnown = ({ group, kind }: RouteKindRef) =>
    known.some((entry) => entry.group === group && entry.kind === kind);
  const bad = kinds.filter((entry) => !isKnown(entry)).map(({ group, kind }) => `${group}/${kind}`);
  const supportedKinds = known.filter((entry) =>
    kinds.some(({ group, kind }) => entry.group === group && entry.kind === kind),
  );
  if (bad.length === 0) return { supportedKinds };
  return {
    supportedKinds,
    invalid: `routes of kind ${bad.join(', ')} are not supported on a listener with protocol ${protocol}`,
  };
};

const secretsOf = (
  owner: ListenerOwner,
  { tls }: ListenerSpec,
  lookups: ListenerLookups,
): { secrets: TlsSecret[]; problem?: Verdict } => {
  const secrets: TlsSecret[] = [];
  let problem: Verdict | undefined;
  for (const ref of tls?.certificateRefs ?? []) {
    const result = secretOf({ kind: owner.kind, namespace: owner.input.namespace }, ref, lookups);
    if (result.secret) secrets.push(result.secret);
    problem ??= result.problem;
  }
  return { secrets, ...(problem ? { problem } : {}) };
};

/** The certificate that a Gateway or a ListenerSet refers to; `invalid` is the reason for what isn't one. */
export const secretOf = (
  from: { readonly kind: ListenerOwner['kind']; readonly namespace: string },
  { group, kind, name, namespace = from.namespace }: SecretRef,
  { grants, certificate }: Pick<ListenerLookups, 'grants' | 'certificate'>,
  invalid = 'InvalidCertificateRef',
): { readonly secret?: TlsSecret; readonly problem?: Verdict } => {
  const refused = (reason: string, message: string) => ({ problem: no('ResolvedRefs', reason, message) });
  if (group !== '' || kind !== 'Secret') {
    return refused(invalid, `${group && `${group}/`}${kind} is not supported for certificates; use a Secret`);
  }
  const to = { group: '', kind: 'Secret', namespace, name };
  if (!grants.allows({ from: { group: GATEWAY_GROUP, ...from }, to })) {
    const message = `no ReferenceGrant in namespace ${namespace} lets ${from.kind}s of ${from.namespace} refer to Secret ${name}`;
    return refused('RefNotPermitted', message);
  }
  const found = certificate(`${namespace}/${name}`);
  if (!found) return refused(invalid, `Secret ${namespace}/${name} does not exist`);
  return { ...(found.error && refused(invalid, found.error)), ...(found.secret && { secret: found.secret }) };
};

/** Labels of a namespace, as Kubernetes sets them too. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>>;

/** True when what is in `namespace` may attach to what is in `own`, by the words of both `allowedRoutes` and `allowedListeners`. */
export const allowsNamespace = (
  { from, selector }: { readonly from: 'All' | 'Same' | 'Selector' | 'None'; readonly selector?: LabelSelector },
  own: string,
  namespace: string,
  labelsOf: NamespaceLabels,
): boolean => {
  if (from === 'All') return true;
  if (from === 'Same') return own === namespace;
  return from === 'Selector' && selector !== undefined && matchesSelector(selector, labelsOf(namespace));
};

export const matchesSelector = (
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    const listed = value !== undefined && values.includes(value);
    return operator === 'In' ? listed : !listed;
  });
