// Listeners of Gateways: which can be used, which routes they take, and why not. Used by gateways.ts.
import type { GatewaySpec, LabelSelector, ListenerSpec, SecretRef } from '../kinds/gateway/types.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import type { ClientSettings } from '../model/mesh.ts';
import type { TlsSecret } from '../model/snapshot.ts';
import type { Authorities } from './authorities.ts';
import type { ClientPolicies } from './client-policies.ts';
import { type ClientResult, clientSettings } from './client-settings.ts';
import { no, type Verdict, yes } from './conditions.ts';
import type { Input } from './input.ts';
import type { CertificateResult, Grants } from './references.ts';
import { routeKindsFor } from './route-kinds.ts';

/** A kind of route as statuses name it. */
export interface RouteKindRef {
  readonly group: string;
  readonly kind: string;
}

export interface CheckedListener {
  readonly spec: ListenerSpec;
  readonly hostname?: string;
  readonly supportedKinds: readonly RouteKindRef[];
  readonly secrets: readonly TlsSecret[];
  readonly client?: ClientSettings;
  /** True when it is served. */
  readonly programmed: boolean;
  readonly verdicts: readonly Verdict[];
}

export interface ListenerLookups {
  readonly grants: Grants;
  /** The Secret of a key, read as a certificate; undefined when there is none. */
  readonly certificate: (key: string) => CertificateResult | undefined;
  readonly authorities: Authorities;
  readonly clients: ClientPolicies;
}

export const checkListeners = (
  gateway: Input<GatewaySpec>,
  taken: PortOwners,
  lookups: ListenerLookups,
): CheckedListener[] => {
  const earlier: ListenerSpec[] = [];
  return gateway.spec.listeners.map((spec) => {
    const client = clientSettings(gateway, spec, lookups);
    const accepted = client.refused ?? acceptedOf(spec);
    const conflicted = accepted.status === 'True' ? conflictOf(gateway, spec, earlier, taken, client) : yesNoConflict;
    if (accepted.status === 'True' && conflicted.status === 'False') earlier.push(spec);
    return checkListener(gateway, spec, { accepted, conflicted, client }, lookups);
  });
};

const checkListener = (
  gateway: Input<GatewaySpec>,
  spec: ListenerSpec,
  { accepted, conflicted, client }: { accepted: Verdict; conflicted: Verdict; client: ClientResult },
  lookups: ListenerLookups,
): CheckedListener => {
  const { supportedKinds, invalid } = routeKindsOf(spec);
  const { secrets, problem } = terminatesTls(spec) ? secretsOf(gateway, spec, lookups) : { secrets: [] };
  const resolved =
    problem ??
    client.unresolved ??
    (invalid ? no('ResolvedRefs', 'InvalidRouteKinds', invalid) : yes('ResolvedRefs', 'ResolvedRefs'));
  const usable = accepted.status === 'True' && conflicted.status === 'False';
  // A listener whose routes are of no known kind still answers 404; one without a certificate can't answer at all.
  const programmed = usable && (!terminatesTls(spec) || secrets.length > 0);
  const reason = conflicted.status === 'True' ? conflicted : accepted.status === 'False' ? accepted : resolved;
  return {
    spec,
    ...(spec.hostname ? { hostname: spec.hostname.toLowerCase() } : {}),
    supportedKinds,
    secrets,
    ...(client.settings && { client: client.settings }),
    programmed,
    verdicts: [
      conflicted.status === 'True' ? no('Accepted', conflicted.reason, conflicted.message) : accepted,
      conflicted,
      resolved,
      programmed ? yes('Programmed', 'Programmed') : no('Programmed', 'Invalid', reason.message),
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
  const { protocol, tls, filters } = spec;
  if (!PROTOCOLS.includes(protocol)) {
    const known = PROTOCOLS.join(', ');
    return no('Accepted', 'UnsupportedProtocol', `protocol ${protocol} is not supported; use one of ${known}`);
  }
  if (terminatesTls(spec) && !tls)
    return no('Accepted', 'Invalid', `protocol ${protocol} needs tls with certificateRefs`);
  // Serving without the filter that was asked for, which may be what keeps people out, would be wrong.
  if (filters?.requests?.length) return no('Accepted', 'UnsupportedValue', 'filters on listeners are not supported');
  return yes('Accepted', 'Accepted');
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
  gateway: Input<GatewaySpec>,
  spec: ListenerSpec,
  earlier: readonly ListenerSpec[],
  taken: PortOwners,
  { settings }: ClientResult,
): Verdict => {
  const { port, protocol, hostname, name } = spec;
  const family = familyOf(protocol);
  const same = earlier.find(
    (other) => other.port === port && familyOf(other.protocol) === family && other.hostname === hostname,
  );
  if (same) {
    const what = hostname ? `hostname ${hostname}` : 'no hostname';
    return conflict('HostnameConflict', `listener ${same.name} has port ${port} with ${what} too`);
  }
  const addresses = gateway.spec.addresses?.map(({ value }) => value ?? '') ?? [];
  for (const address of addresses.length ? addresses : ['']) {
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

const conflict = (reason: string, message: string): Verdict => ({
  type: 'Conflicted',
  status: 'True',
  reason,
  message,
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
  gateway: Input<GatewaySpec>,
  { tls }: ListenerSpec,
  lookups: ListenerLookups,
): { secrets: TlsSecret[]; problem?: Verdict } => {
  const secrets: TlsSecret[] = [];
  let problem: Verdict | undefined;
  for (const ref of tls?.certificateRefs ?? []) {
    const result = secretOf(gateway, ref, lookups);
    if ('secret' in result) secrets.push(result.secret);
    else problem ??= result.problem;
  }
  return { secrets, ...(problem ? { problem } : {}) };
};

const secretOf = (
  { namespace: from }: Input,
  { group, kind, name, namespace = from }: SecretRef,
  { grants, certificate }: ListenerLookups,
): { secret: TlsSecret } | { problem: Verdict } => {
  const refused = (reason: string, message: string) => ({ problem: no('ResolvedRefs', reason, message) });
  if (group !== '' || kind !== 'Secret') {
    return refused('InvalidCertificateRef', `${kind} is not supported for certificates; use a Secret`);
  }
  const to = { group: '', kind: 'Secret', namespace, name };
  if (!grants.allows({ from: { group: GATEWAY_GROUP, kind: 'Gateway', namespace: from }, to })) {
    const message = `no ReferenceGrant in namespace ${namespace} lets Gateways of ${from} refer to Secret ${name}`;
    return refused('RefNotPermitted', message);
  }
  const found = certificate(`${namespace}/${name}`);
  if (!found) return refused('InvalidCertificateRef', `Secret ${namespace}/${name} does not exist`);
  return 'secret' in found ? found : refused('InvalidCertificateRef', found.error);
};

/** Labels of a namespace, as Kubernetes sets them too. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>>;

/** True when a listener takes routes of this namespace. */
export const allowsNamespace = (
  { allowedRoutes }: ListenerSpec,
  gatewayNamespace: string,
  routeNamespace: string,
  labelsOf: NamespaceLabels,
): boolean => {
  const { from, selector } = allowedRoutes.namespaces;
  if (from === 'All') return true;
  if (from === 'Same') return gatewayNamespace === routeNamespace;
  return selector !== undefined && matchesSelector(selector, labelsOf(routeNamespace));
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
