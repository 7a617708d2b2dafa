// The Gateway API part of compile: classes, Gateways and routes together, because each one's status depends on the others.

import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import type { ClientTrafficPolicySpec } from '../kinds/client-traffic-policy/types.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import { CONTROLLER_NAME, type GatewayClassSpec } from '../kinds/gateway-class/schema.ts';
import type { ReferenceGrantSpec } from '../kinds/reference-grant/schema.ts';
import type { RouteSpec } from '../kinds/route-parts.ts';
import type { BackendTraffic, MeshGateway } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { Condition } from '../model/resource.ts';
import type { Route } from '../model/route.ts';
import { attachRoute, type Parents, type ParentVerdict, routeStatus } from './attach.ts';
import { openAuthorities } from './authorities.ts';
import { type BackendPolicies, openBackendPolicies } from './backend-policies.ts';
import { openBackends } from './backends.ts';
import { openClientPolicies } from './client-policies.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import { checkGateways, type GatewayPart, gatewayStatus, meshGatewayOf, type Presence } from './gateways.ts';
import { byAge, type Input } from './input.ts';
import { keepEqual } from './keep.ts';
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
  /** In the order of `routeKinds`. */
  readonly routes: readonly (readonly Input<RouteSpec>[])[];
  readonly grants: readonly Input<ReferenceGrantSpec>[];
  readonly secrets: readonly Input[];
  readonly configMaps: readonly Input[];
  readonly clientPolicies: readonly Input<ClientTrafficPolicySpec>[];
  readonly backendPolicies: readonly Input<BackendTrafficPolicySpec>[];
  readonly namespaces: readonly Input[];
  /** Of Services, not of ServiceEntries. */
  readonly services: readonly ServiceShape[];
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

export const openRouting = () => {
  const compileRoutes = openRoutes();
  const readCertificate = openCertificates();
  let gateways: ReadonlyMap<string, MeshGateway> = new Map();
  let backendTraffic: ReadonlyMap<string, BackendTraffic> = new Map();
  let serviceRoutes: ReadonlyMap<string, readonly Route[]> = new Map();
  return (inputs: RoutingInputs, time: Presence): Routing => {
    const grants = openGrants(inputs.grants);
    const services = new Map(inputs.services.map((shape) => [shape.key, shape]));
    const secrets = new Map(inputs.secrets.map((input) => [input.key, input]));
    const certificate = (key: string) => {
      const secret = secrets.get(key);
      return secret && readCertificate(secret);
    };
    const owned = ownGateways(inputs);
    const authorities = openAuthorities(inputs.configMaps, inputs.secrets, grants);
    const clients = openClientPolicies({
      policies: inputs.clientPolicies,
      gateways: owned.own,
      foreign: owned.foreign,
      authorities,
    });
    const parts = checkGateways(owned.own, { grants, certificate, authorities, clients });
    const lists = routeKinds.map((kind, i) => ({ kind, inputs: inputs.routes[i] ?? [] }));
    const compiled = compileRoutes(lists, openBackends(services, grants));
    const parents = openParents(parts, owned.foreign, services, inputs.namespaces);
    const attached = [...compiled]
      .sort((a, b) => byAge(a.input, b.input))
      .map((route) => ({ route, verdicts: attachRoute(route, parents) }));
    const backendPolicies = openBackendPolicies({
      policies: inputs.backendPolicies,
      gateways: parts,
      foreign: owned.foreign,
      routes: compiled,
    });
    gateways = keepEqual(gateways, meshGateways(parts, backendPolicies.apply));
    backendTraffic = keepEqual(backendTraffic, backendPolicies.traffic);
    serviceRoutes = keepEqual(serviceRoutes, sortServiceRoutes(parents.serviceRoutes));
    return {
      gateways,
      backendTraffic,
      serviceRoutes,
      statuses: changedOnly([
        ...inputs.classes.filter(isOwnClass).map((input) => ({ input, status: classStatus(input, time.nowMs) })),
        ...parts.map((part) => ({ input: part.input, status: gatewayStatus(part, time) })),
        ...clients.statuses(time.nowMs),
        ...backendPolicies.statuses(time.nowMs),
        ...attached
          .filter(({ route, verdicts }) => verdicts.length > 0 || route.input.stored.status !== undefined)
          .map(({ route, verdicts }) => ({ input: route.input, status: routeStatus(route, verdicts, time.nowMs) })),
      ]),
      problems: [
        ...owned.problems,
        ...parts.flatMap(gatewayProblems),
        ...clients.problems,
        ...backendPolicies.problems,
        ...attached.flatMap(routeProblems),
      ],
    };
  };
};

const isOwnClass = ({ spec }: Input<GatewayClassSpec>): boolean => spec.controllerName === CONTROLLER_NAME;

/** The features of the Gateway API that Weft has, as its conformance suite names them. */
const FEATURES = [
  'BackendTLSPolicy',
  'BackendTLSPolicySANValidation',
  'GRPCRoute',
  'Gateway',
  'GatewayFrontendClientCertificateValidation',
  'GatewayFrontendClientCertificateValidationInsecureFallback',
  'GatewayPort8080',
  'HTTPRoute',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteDestinationPortMatching',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'Mesh',
  'ReferenceGrant',
  'TCPRoute',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
].map((name) => ({ name }));

const classStatus = ({ spec, resource, stored }: Input<GatewayClassSpec>, nowMs: number): unknown => {
  const verdict = spec.parametersRef
    ? no('Accepted', 'InvalidParameters', 'spec.parametersRef is not supported')
    : yes('Accepted', 'Accepted');
  const before = (stored.status ?? {}) as { conditions?: readonly Condition[] };
  return { conditions: conditionsOf([verdict], before.conditions, resource, nowMs), supportedFeatures: FEATURES };
};

const ownGateways = ({ classes, gateways }: RoutingInputs) => {
  const byName = new Map(classes.map((input) => [input.name, input]));
  const own: Input<GatewaySpec>[] = [];
  const foreign = new Set<string>();
  const problems: Problem[] = [];
  for (const input of gateways) {
    const found = byName.get(input.spec.gatewayClassName);
    if (found && isOwnClass(found) && !found.spec.parametersRef) own.push(input);
    else foreign.add(input.key);
    if (!found) {
      const message = `GatewayClass ${input.spec.gatewayClassName} does not exist`;
      const hint = "Weft's own class is named weft";
      problems.push(problemOf(input, 'CLASS_NOT_FOUND', message, { path: 'spec.gatewayClassName', hint }));
    }
  }
  return { own, foreign, problems };
};

const openParents = (
  parts: readonly GatewayPart[],
  foreign: ReadonlySet<string>,
  services: ReadonlyMap<string, ServiceShape>,
  namespaces: readonly Input[],
): Parents => {
  const labels = new Map(namespaces.map(({ name, resource }) => [name, resource.metadata.labels]));
  return {
    gateways: new Map(parts.map((part) => [part.input.key, part])),
    foreign,
    services,
    namespaceLabels: (name) => ({ ...labels.get(name), 'kubernetes.io/metadata.name': name }),
    serviceRoutes: new Map(),
  };
};

const meshGateways = (parts: readonly GatewayPart[], apply: BackendPolicies['apply']): Map<string, MeshGateway> => {
  const found = new Map<string, MeshGateway>();
  for (const part of parts) {
    const gateway = meshGatewayOf(part, apply);
    if (gateway) found.set(part.input.key, gateway);
  }
  return found;
};

const sortServiceRoutes = (byPort: ReadonlyMap<string, readonly CompiledRoute[]>): Map<string, readonly Route[]> =>
  new Map([...byPort].map(([key, routes]) => [key, sortRoutes(routes.map((route) => route.routes))]));

const gatewayProblems = ({ input, accepted, listeners }: GatewayPart): Problem[] => {
  const { allowedListeners, defaultScope } = input.spec;
  const found: Problem[] = [];
  if (accepted.status !== 'True') found.push(problemOf(input, 'GATEWAY_NOT_ACCEPTED', accepted.message));
  for (const [i, { checked }] of listeners.entries()) {
    const bad = checked.verdicts.find(isBad);
    if (bad) {
      const message = `listener ${checked.spec.name}: ${bad.message}`;
      found.push(problemOf(input, 'LISTENER_NOT_PROGRAMMED', message, { path: `spec.listeners[${i}]` }));
    }
  }
  if (allowedListeners && (allowedListeners.namespaces?.from ?? 'None') !== 'None') {
    found.push(warning(notSupported(input, 'spec.allowedListeners', 'attaching ListenerSets')));
  }
  if (defaultScope && defaultScope !== 'None') {
    found.push(
      warning(notSupported(input, 'spec.defaultScope', 'a default Gateway', 'name the Gateway in parentRefs')),
    );
  }
  return found;
};

const isBad = ({ type, status }: Verdict): boolean => (type === 'Conflicted' ? status === 'True' : status !== 'True');

const routeProblems = ({
  route,
  verdicts,
}: {
  readonly route: CompiledRoute;
  readonly verdicts: readonly ParentVerdict[];
}): Problem[] => {
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
