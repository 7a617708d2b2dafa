// Every kind that Weft knows: one line each. api, cli, compile and control find kinds here.
import { WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';
import { groupOf } from '../model/resource.ts';
import { authorizationPolicy } from './authorization-policy/schema.ts';
import { backendTlsPolicy } from './backend-tls-policy/schema.ts';
import { backendTrafficPolicy } from './backend-traffic-policy/schema.ts';
import { clientTrafficPolicy } from './client-traffic-policy/schema.ts';
import { clusterTrustBundle } from './cluster-trust-bundle/schema.ts';
import { configMap } from './config-map/schema.ts';
import { deployment } from './deployment/schema.ts';
import { endpointSlice } from './endpoint-slice/schema.ts';
import { envoyProxy } from './envoy-proxy/schema.ts';
import { gateway } from './gateway/schema.ts';
import { gatewayClass } from './gateway-class/schema.ts';
import { grpcRoute } from './grpc-route/schema.ts';
import { httpRoute } from './http-route/schema.ts';
import { httpRouteFilter } from './http-route-filter/schema.ts';
import type { Kind } from './kind.ts';
import { lease } from './lease/schema.ts';
import { listenerSet } from './listener-set/schema.ts';
import { namespace } from './namespace/schema.ts';
import { node } from './node/schema.ts';
import { peerAuthentication } from './peer-authentication/schema.ts';
import { pod } from './pod/schema.ts';
import { referenceGrant } from './reference-grant/schema.ts';
import { secret } from './secret/schema.ts';
import { service } from './service/schema.ts';
import { serviceAccount } from './service-account/schema.ts';
import { serviceEntry } from './service-entry/schema.ts';
import { tcpRoute } from './tcp-route/schema.ts';
import { tlsRoute } from './tls-route/schema.ts';
import { udpRoute } from './udp-route/schema.ts';
import { workloadEntry } from './workload-entry/schema.ts';
import { xBackendTrafficPolicy } from './x-backend-traffic-policy/schema.ts';

/** In the order in which they must be applied: what others refer to comes first. */
export const kinds: readonly Kind[] = [
  namespace,
  serviceAccount,
  secret,
  configMap,
  clusterTrustBundle,
  node,
  deployment,
  pod,
  service,
  endpointSlice,
  lease,
  workloadEntry,
  serviceEntry,
  gatewayClass,
  gateway,
  listenerSet,
  referenceGrant,
  httpRouteFilter,
  httpRoute,
  grpcRoute,
  tlsRoute,
  tcpRoute,
  udpRoute,
  backendTlsPolicy,
  clientTrafficPolicy,
  backendTrafficPolicy,
  envoyProxy,
  xBackendTrafficPolicy,
  peerAuthentication,
  authorizationPolicy,
];

const served = (kind: Kind): readonly string[] =>
  [kind.version, ...kind.alsoServed].map((version) => (kind.group ? `${kind.group}/${version}` : version));

const byType = new Map(kinds.flatMap((kind) => served(kind).map((apiVersion) => [`${apiVersion} ${kind.kind}`, kind])));
const byGroup = new Map(kinds.map((kind) => [`${kind.group} ${kind.kind}`, kind]));

/** The apiVersion under which a kind is written by default. */
export const apiVersionOf = (kind: Kind): string => (kind.group ? `${kind.group}/${kind.version}` : kind.version);

/** The kind behind an apiVersion and kind, in any served version; undefined when Weft doesn't know it. */
export const findKind = (apiVersion: string, kind: string): Kind | undefined => byType.get(`${apiVersion} ${kind}`);

/** As findKind, but throws UNKNOWN_KIND, which names the nearest kind and what is supported. */
export const requireKind = (apiVersion: string, kind: string, at?: string): Kind => {
  const known = findKind(apiVersion, kind);
  if (known) return known;
  throw new WeftError('UNKNOWN_KIND', unknownKindMessage(apiVersion, kind), {
    hint: unknownKindHint(apiVersion, kind),
    ...(at ? { at } : {}),
  });
};

export const unknownKindMessage = (apiVersion: string, kind: string): string =>
  `kind "${kind}" in apiVersion "${apiVersion}" is not supported`;

/** The next step for an unknown kind: the right version, the nearest name, or all that is supported. */
export const unknownKindHint = (apiVersion: string, kind: string): string => {
  const sameName = byGroup.get(`${groupOf(apiVersion)} ${kind}`) ?? kinds.find((known) => known.kind === kind);
  if (sameName) return `${kind} is served as ${served(sameName).join(', ')}`;
  const near = nearestName(
    kind,
    kinds.map((known) => known.kind),
  );
  const list = kinds.map((known) => `${known.kind} (${apiVersionOf(known)})`).join(', ');
  return `${near ? `did you mean ${near}? ` : ''}supported: ${list}`;
};

/** The kind that a person means: kind, plural, singular or short name in any case, also as `plural.group`. */
export const findKindByName = (name: string): Kind | undefined => {
  const wanted = name.toLowerCase();
  const named = (kind: Kind) => [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames];
  return (
    kinds.find((kind) => named(kind).includes(wanted)) ??
    kinds.find(
      (kind) =>
        kind.group &&
        named(kind).some(
          (form) => wanted === `${form}.${kind.group}` || wanted === `${form}.${kind.version}.${kind.group}`,
        ),
    )
  );
};

/** Every name that findKindByName takes, without groups; for "did you mean" and completion. */
export const kindNames = (): string[] => kinds.flatMap((kind) => [kind.plural, kind.singular, ...kind.shortNames]);
