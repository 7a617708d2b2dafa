// The Gateway API part of compile: classes, Gateways and routes together, because each one's status depends on the others.

import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import type { ClientTrafficPolicySpec } from '../kinds/client-traffic-policy/types.ts';
import type { EnvoyProxySpec } from '../kinds/envoy-proxy/schema.ts';
import type { GatewaySpec, ListenerSpec } from '../kinds/gateway/types.ts';
import { SUPPORTED_FEATURES } from '../kinds/gateway-class/features.ts';
import { CONTROLLER_NAME, type GatewayClassSpec } from '../kinds/gateway-class/schema.ts';
import type { HttpRouteFilterSpec } from '../kinds/http-route-filter/types.ts';
import type { ReferenceGrantSpec } from '../kinds/reference-grant/schema.ts';
import type { RouteSpec } from '../kinds/route-parts.ts';
import type { Cidr } from '../lib/cidr.ts';
import { openMap, openSorted } from '../lib/lists.ts';
import type { BackendTraffic, MeshGateway } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { Condition } from '../model/resource.ts';
import type { Route } from '../model/route.ts';
import { openAddressPool } from './address-pool.ts';
import { type AttachedRoute, type ListenerGroup, type Parents, routeStatus } from './attach.ts';
import { openAttachments } from './attachments.ts';
import { openAuthorities } from './authorities.ts';
import { type BackendPolicies, openBackendPolicies } from './backend-policies.ts';
import { type Backends, openBackends } from './backends.ts';
import { openClientPolicies } from './client-policies.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import { openParameters, type Parameters } from './envoy-proxies.ts';
import { type Extensions, openExtensions } from './extensions.ts';
import { openGatewayStatuses, type Presence } from './gateway-status.ts';
import {
  checkGateways,
  type GatewayPart,
  keepGateway,
  meshGatewayOf,
  type ServedListener,
  withoutRoutes,
} from './gateways.ts';
import { byAge, type Input } from './input.ts';
import { keepEqual, keepMap, openStage } from './keep.ts';
import { type ListenerSetInput, parentOf } from './listener-sets.ts';
import type { NamespaceLabels } from './listeners.ts';
import { notSupported, problemOf, warning } from './problem.ts';
import { openCertificates, openGrants } from './references.ts';
import { routeKinds } from './route-kinds.ts';
import { sortRoutes } from './route-order.ts';
import { type CompiledRoute, openRoutes } from './routes.ts';
import type { ServiceShape } from './services.ts';
import { changedOnly, type Status } from './statuses.ts';

export interface RoutingInputs {
  readonly classes: readonly Input<GatewayClassSpec>[];
  readonly gateways: readonly Input<GatewaySpec>[];
  readonly listenerSets: readonly ListenerSetInput[];
  /** In the order of `routeKinds`. */
  readonly routes: readonly (readonly Input<RouteSpec>[])[];
  readonly grants: readonly Input<ReferenceGrantSpec>[];
  readonly secrets: readonly Input[];
  readonly configMaps: readonly Input[];
  readonly trustBundles: readonly Input[];
  readonly clientPolicies: readonly Input<ClientTrafficPolicySpec>[];
  readonly backendPolicies: readonly Input<BackendTrafficPolicySpec>[];
  readonly envoyProxies: readonly Input<EnvoyProxySpec>[];
  readonly routeFilters: readonly Input<HttpRouteFilterSpec>[];
  readonly namespaces: readonly Input[];
  /** Of Services, not of ServiceEntries. */
  readonly services: readonly ServiceShape[];
  /** By `namespace/name` of the Service. */
  readonly sessions: ReadonlyMap<string, SessionPersistence>;
}

export interface Routing {
  readonly gateways: ReadonlyMap<string, MeshGateway>;
  /** By `namespace/name` of the BackendTrafficPolicy. */
  readonly backendTraffic: ReadonlyMap<string, BackendTraffic>;
  /** By `namespace/name port` of the Service. */
  readonly serviceRoutes: ReadonlyMap<string, readonly Route[]>;
  /** Those that changed. */
  readonly statuses: readonly Status[];
  readonly problems: readonly Problem[];
}

const NO_INPUTS: readonly Input[] = [];

export interface RoutingOptions {
  /** For Gateways that ask for none. */
  readonly gatewayAddresses?: Cidr;
  /** For those that ask for one that only the cluster reaches. */
  readonly clusterAddresses?: Cidr;
  readonly rateLimitFailClosed?: boolean | undefined;
}

export const openRouting = ({ gatewayAddresses, clusterAddresses, rateLimitFailClosed = false }: RoutingOptions) => {
  const pool = openAddressPool(gatewayAddresses, clusterAddresses);
  const compileRoutes = openRoutes();
  const backendsStage = openStage<Backends>();
  const servicesStage = openStage<ReadonlyMap<string, ServiceShape>>();
  const extensionsStage = openStage<Extensions>();
  const labelsStage = openStage<NamespaceLabels>();
  const partsStage = openStage<readonly GatewayPart[]>();
  const statusesOf = openGatewayStatuses();
  const sortByAge = openSorted<CompiledRoute>(
    (a, b) => byAge(a.input, b.input) || routeKinds.indexOf(a.kind) - routeKinds.indexOf(b.kind),
  );
  const attachRoutes = openAttachments();
  const tellEach = openMap<AttachedRoute, Telling>();
  const readCertificate = openCertificates();
  let gateways: ReadonlyMap<string, MeshGateway> = new Map();
  let backendTraffic: ReadonlyMap<string, BackendTraffic> = new Map();
  let serviceRoutes: ReadonlyMap<string, readonly Route[]> = new Map();
  return (inputs: RoutingInputs, time: Presence): Routing => {
    const grants = openGrants(inputs.grants);
    const services = servicesStage(
      [inputs.services],
      () => new Map(inputs.services.map((shape) => [shape.key, shape])),
    );
    const secrets = new Map(inputs.secrets.map((input) => [input.key, input]));
    const certificate = (key: string) => {
      const secret = secrets.get(key);
      return secret && readCertificate(secret);
    };
    const parameters = openParameters(inputs.envoyProxies, inputs.classes);
    const owned = ownGateways(inputs, parameters);
    const addressed = pool(owned.own);
    const authorities = openAuthorities([...inputs.configMaps, ...inputs.secrets, ...inputs.trustBundles], grants);
    const clients = openClientPolicies({
      policies: inputs.clientPolicies,
      gateways: addressed.gateways,
      foreign: owned.foreign,
      authorities,
    });
    const namespaceLabels = labelsStage([inputs.namespaces], () => openNamespaceLabels(inputs.namespaces));
    const texts = inputs.routeFilters.length > 0 ? inputs.configMaps : NO_INPUTS;
    const extensions = extensionsStage([inputs.routeFilters, texts], () => openExtensions(inputs.routeFilters, texts));
    const backends = backendsStage([inputs.services, inputs.grants, [extensions, inputs.sessions]], () =>
      openBackends(services, grants, extensions, inputs.sessions),
    );
    const backend = backends.resolve;
    const lookups = { parameters, grants, certificate, authorities, clients, namespaceLabels, backend };
    const { classes, listenerSets, clientPolicies, namespaces } = inputs;
    const checkedBy = [
      classes,
      listenerSets,
      inputs.grants,
      inputs.secrets,
      inputs.configMaps,
      inputs.trustBundles,
      clientPolicies,
      namespaces,
      inputs.envoyProxies,
    ];
    const asksServers = [...addressed.gateways, ...listenerSets].some(hasFilters);
    const given = [...addressed.without.keys(), asksServers && backends];
    const checked = partsStage([addressed.gateways, given, ...checkedBy], () =>
      checkGateways(addressed, listenerSets, lookups),
    );
    const parts = checked.map(withoutRoutes);
    const lists = routeKinds.map((kind, i) => ({ kind, inputs: inputs.routes[i] ?? [] }));
    const compiled = compileRoutes(lists, backends);
    const parents: Parents = {
      groups: groupsOf(parts),
      foreign: foreignParents(owned.foreign, inputs.listenerSets),
      services,
      namespaceLabels,
      serviceRoutes: new Map(),
    };
    const told = tellEach(attachRoutes(sortByAge(compiled), parents), (attached) =>
      tellOf(attached, time.nowMs),
    ).filter((telling) => telling !== NOTHING);
    const backendPolicies = openBackendPolicies({
      policies: inputs.backendPolicies,
      gateways: parts,
      foreign: owned.foreign,
      routes: compiled,
      rateLimitFailClosed,
    });
    gateways = keepMap(gateways, meshGateways(parts, backendPolicies.apply, gateways));
    backendTraffic = keepEqual(backendTraffic, backendPolicies.traffic);
    serviceRoutes = keepEqual(serviceRoutes, sortServiceRoutes(parents.serviceRoutes));
    return {
      gateways,
      backendTraffic,
      serviceRoutes,
      statuses: [
        ...changedOnly([
          ...inputs.classes
            .filter(isOwnClass)
            .map((input) => ({ input, status: classStatus(input, parameters, time.nowMs) })),
          ...clients.statuses(time.nowMs),
          ...backendPolicies.statuses(time.nowMs),
        ]),
        ...parts.flatMap((part) => statusesOf(part, time)),
        ...told.flatMap(({ statuses }) => statuses),
      ],
      problems: [
        ...owned.problems,
        ...lostListenerSets(inputs),
        ...parts.flatMap(gatewayProblems),
        ...clients.problems,
        ...backendPolicies.problems,
        ...told.flatMap(({ problems }) => problems),
      ],
    };
  };
};

const hasFilters = ({ spec }: Input<{ readonly listeners: readonly ListenerSpec[] }>): boolean =>
  spec.listeners.some(({ filters }) => filters?.requests?.length);

const isOwnClass = ({ spec }: Input<GatewayClassSpec>): boolean => spec.controllerName === CONTROLLER_NAME;

const classStatus = (input: Input<GatewayClassSpec>, parameters: Parameters, nowMs: number): unknown => {
  const { resource, stored } = input;
  const refusal = parameters.ofClass(input)?.refusal;
  const verdict =
    refusal === undefined
      ? yes('Accepted', 'Accepted')
      : no('Accepted', 'InvalidParameters', `spec.parametersRef: ${refusal}`);
  const before = (stored.status ?? {}) as { conditions?: readonly Condition[] };
  return {
    conditions: conditionsOf([verdict], before.conditions, resource, nowMs),
    supportedFeatures: SUPPORTED_FEATURES,
  };
};

const ownGateways = ({ classes, gateways }: RoutingInputs, parameters: Parameters) => {
  const byName = new Map(classes.map((input) => [input.name, input]));
  const own: Input<GatewaySpec>[] = [];
  const foreign = new Set<string>();
  const problems: Problem[] = [];
  for (const input of gateways) {
    const found = byName.get(input.spec.gatewayClassName);
    if (found && isOwnClass(found) && parameters.ofClass(found)?.refusal === undefined) own.push(input);
    else foreign.add(input.key);
    if (!found) {
      const message = `GatewayClass ${input.spec.gatewayClassName} does not exist`;
      const hint = "Weft's own class is named weft";
      problems.push(problemOf(input, 'CLASS_NOT_FOUND', message, { path: 'spec.gatewayClassName', hint }));
    }
  }
  return { own, foreign, problems };
};

/** What belongs to other controllers: their Gateways, and the ListenerSets of those. */
const foreignParents = (gateways: ReadonlySet<string>, sets: readonly ListenerSetInput[]): Set<string> =>
  new Set([
    ...[...gateways].map((key) => `Gateway ${key}`),
    ...sets.filter((set) => gateways.has(parentOf(set) ?? '')).map(({ key }) => `ListenerSet ${key}`),
  ]);

/** A ListenerSet that is not allowed has no listener. */
const groupsOf = (parts: readonly GatewayPart[]): Map<string, ListenerGroup> => {
  const groups = new Map<string, ListenerGroup>();
  for (const { input, listeners, sets } of parts) {
    groups.set(`Gateway ${input.key}`, { namespace: input.namespace, listeners });
    for (const set of sets) {
      groups.set(`ListenerSet ${set.input.key}`, { namespace: set.input.namespace, listeners: set.listeners });
    }
  }
  return groups;
};

const openNamespaceLabels = (namespaces: readonly Input[]): NamespaceLabels => {
  const labels = new Map(namespaces.map(({ name, resource }) => [name, resource.metadata.labels]));
  return (name) => ({ ...labels.get(name), 'kubernetes.io/metadata.name': name });
};

/** What there is to say of a route: its status where it changes, and its problems. */
interface Telling {
  readonly statuses: readonly Status[];
  readonly problems: readonly Problem[];
}

/** Of most there is nothing to say. */
const NOTHING: Telling = { statuses: [], problems: [] };

const tellOf = (attached: AttachedRoute, nowMs: number): Telling => {
  const telling = { statuses: changedOnly(routeStatuses(attached, nowMs)), problems: routeProblems(attached) };
  return telling.statuses.length + telling.problems.length > 0 ? telling : NOTHING;
};

const routeStatuses = ({ route, verdicts }: AttachedRoute, nowMs: number): Status[] =>
  verdicts.length > 0 || route.input.stored.status !== undefined
    ? [{ input: route.input, status: routeStatus(route, verdicts, nowMs) }]
    : [];

const meshGateways = (
  parts: readonly GatewayPart[],
  apply: BackendPolicies['apply'],
  before: ReadonlyMap<string, MeshGateway>,
): Map<string, MeshGateway> => {
  const found = new Map<string, MeshGateway>();
  for (const part of parts) {
    const last = before.get(part.input.key);
    const gateway = meshGatewayOf(part, apply, last);
    if (gateway) found.set(part.input.key, keepGateway(last, gateway));
  }
  return found;
};

const sortServiceRoutes = (byPort: ReadonlyMap<string, readonly CompiledRoute[]>): Map<string, readonly Route[]> =>
  new Map([...byPort].map(([key, routes]) => [key, sortRoutes(routes.map((route) => route.routes))]));

const gatewayProblems = ({ input, accepted, withoutAddress, listeners, sets, backend }: GatewayPart): Problem[] => {
  const { defaultScope } = input.spec;
  const found: Problem[] = [];
  if (accepted.status !== 'True') found.push(problemOf(input, 'GATEWAY_NOT_ACCEPTED', accepted.message));
  if (withoutAddress) found.push(problemOf(input, 'GATEWAY_NOT_ACCEPTED', withoutAddress));
  if (backend?.problem) {
    const path = 'spec.tls.backend.clientCertificateRef';
    found.push(problemOf(input, 'CERTIFICATE_NOT_FOUND', backend.problem.message, { path }));
  }
  found.push(...listenerProblems(input, listeners));
  for (const set of sets) {
    if (set.accepted.status !== 'True')
      found.push(problemOf(set.input, 'LISTENERSET_NOT_ACCEPTED', set.accepted.message));
    found.push(...listenerProblems(set.input, set.listeners));
  }
  if (defaultScope && defaultScope !== 'None') {
    found.push(
      warning(notSupported(input, 'spec.defaultScope', 'a default Gateway', 'name the Gateway in parentRefs')),
    );
  }
  return found;
};

const lostListenerSets = ({ gateways, listenerSets }: RoutingInputs): Problem[] => {
  const keys = new Set(gateways.map(({ key }) => key));
  return listenerSets.flatMap((input) => {
    const parent = parentOf(input);
    if (parent !== undefined && keys.has(parent)) return [];
    const message = parent ? `Gateway ${parent} does not exist` : 'its parent is no Gateway';
    return [problemOf(input, 'LISTENERSET_NOT_ACCEPTED', message, { path: 'spec.parentRef' })];
  });
};

const listenerProblems = (input: Input, listeners: readonly ServedListener[]): Problem[] =>
  listeners.flatMap(({ checked: { spec, verdicts } }, i) => {
    const path = `spec.listeners[${i}]`;
    const found: Problem[] = [];
    if (Object.keys(spec.tls?.options ?? {}).length > 0)
      found.push(warning(notSupported(input, `${path}.tls.options`, 'any option', 'the rest of the listener holds')));
    const bad = verdicts.find(isBad);
    if (bad) found.push(problemOf(input, 'LISTENER_NOT_PROGRAMMED', `listener ${spec.name}: ${bad.message}`, { path }));
    return found;
  });

const isBad = ({ type, status }: Verdict): boolean => (type === 'Conflicted' ? status === 'True' : status !== 'True');

const routeProblems = ({ route, verdicts }: AttachedRoute): Problem[] => {
  const { input, kind, resolvedRefs, unsupported } = route;
  const found = unsupported.map(({ path, what }) =>
    notSupported(input, path, what, 'remove it; until then the whole route is left out'),
  );
  for (const [i, { accepted }] of verdicts.entries()) {
    if (accepted.status === 'True' || accepted === route.accepted) continue;
    found.push(problemOf(input, 'ROUTE_NOT_ACCEPTED', accepted.message, { path: `spec.parentRefs[${i}]` }));
  }
  if (resolvedRefs.status !== 'True') {
    found.push(problemOf(input, 'BACKEND_NOT_FOUND', resolvedRefs.message, { path: 'spec.rules', hint: kind.lost }));
  }
  if (input.spec.useDefaultGateways && input.spec.useDefaultGateways !== 'None') {
    found.push(
      warning(notSupported(input, 'spec.useDefaultGateways', 'a default Gateway', 'name the Gateway in parentRefs')),
    );
  }
  return found;
};
