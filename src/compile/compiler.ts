// compile: all resources at one revision → the Mesh, statuses and problems. Pure, but for what it remembers to keep the identity of equal parts. Called by control.

import type { BackendTlsPolicySpec } from '../kinds/backend-tls-policy/schema.ts';
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import type { ClientTrafficPolicySpec } from '../kinds/client-traffic-policy/types.ts';
import { CERTIFICATES_GROUP } from '../kinds/cluster-trust-bundle/schema.ts';
import type { EnvoyProxySpec } from '../kinds/envoy-proxy/schema.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { GatewayClassSpec } from '../kinds/gateway-class/schema.ts';
import type { HttpRouteFilterSpec } from '../kinds/http-route-filter/types.ts';
import type { ListenerSetSpec } from '../kinds/listener-set/schema.ts';
import type { ReferenceGrantSpec } from '../kinds/reference-grant/schema.ts';
import type { RouteSpec } from '../kinds/route-parts.ts';
import type { XBackendTrafficPolicySpec } from '../kinds/x-backend-traffic-policy/schema.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Resource } from '../model/resource.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { openAuthorities } from './authorities.ts';
import { type BackendTlsPart, compileBackendTls } from './backend-tls.ts';
import type { GatewayAddress } from './gateway-addresses.ts';
import { headerProblems } from './header-problems.ts';
import { type Inputs, openInputs, resourceKey } from './input.ts';
import { keepEqual, openStage } from './keep.ts';
import { openMeshServices } from './mesh-services.ts';
import { openWorkloads } from './mesh-workloads.ts';
import { openGrants } from './references.ts';
import { routeKindId, routeKinds } from './route-kinds.ts';
import { openRouting, type Routing, type RoutingOptions } from './routing.ts';
import { openSecurity } from './security.ts';
import { compileServicePolicies, type ServicePolicies } from './service-policies.ts';
import { openSnapshots } from './snapshot.ts';
import { changedOnly, istioStatusOf, type Status } from './statuses.ts';

export interface CompilerOptions extends RoutingOptions {
  readonly trustDomain: string;
  /** Policies of this namespace are for the whole mesh; `weft-system` unless told otherwise. */
  readonly rootNamespace?: string;
}

export interface CompileOptions {
  readonly revision: number;
  /** Milliseconds since the epoch, for conditions that change now. */
  readonly nowMs: number;
  /** The gateways that are connected. */
  readonly gatewayAddresses?: readonly GatewayAddress[];
  /** True while gateways may still come back after a start: Gateways then keep the addresses that they have. */
  readonly settling?: boolean;
}

/** A status that differs from what the resource has. */
export interface StatusPatch {
  /** The resource as it was compiled. */
  readonly resource: Resource;
  readonly status: unknown;
}

export interface Compiled {
  readonly mesh: Mesh;
  /** By resourceKey; only those that changed. */
  readonly statuses: ReadonlyMap<string, StatusPatch>;
  readonly problems: readonly Problem[];
}

export interface Compiler {
  /** What is equal to the last run's is the same object: endpoints, services, workloads, gateways, policies, maps. */
  compile(resources: Iterable<Resource>, options: CompileOptions): Compiled;
  /** What one proxy must do; the same object until something changes for it. */
  snapshotFor(mesh: Mesh, node: ProxyNode): Snapshot;
}

export const openCompiler = ({
  trustDomain,
  rootNamespace = 'weft-system',
  ...routingOptions
}: CompilerOptions): Compiler => {
  const readInputs = openInputs();
  const workloads = openWorkloads(trustDomain);
  const services = openMeshServices();
  const routing = openRouting(routingOptions);
  const routingStage = openStage<Routing>();
  const security = openSecurity({ trustDomain, rootNamespace });
  const snapshots = openSnapshots();
  const backendTlsStage = openStage<BackendTlsPart>();
  const servicePoliciesStage = openStage<ServicePolicies>();
  let sessions: ServicePolicies['sessions'] = new Map();
  let backendTls: Mesh['backendTls'] = new Map();
  return {
    compile(resources, { revision, nowMs, gatewayAddresses = [], settling = false }) {
      const inputs = readInputs(resources);
      const parts = workloads.read(inputs);
      const found = services.read(inputs, parts);
      const shapes = found.own.map(({ shape }) => shape);
      const servicePolicies = inputs.of<XBackendTrafficPolicySpec>('gateway.networking.x-k8s.io/XBackendTrafficPolicy');
      const forServices = servicePoliciesStage([servicePolicies, servicePolicies.length > 0 ? shapes : []], () =>
        compileServicePolicies(servicePolicies, new Set(shapes.map(({ key }) => key)), nowMs),
      );
      sessions = keepEqual(sessions, forServices.sessions);
      const routingInputs = {
        classes: inputs.of<GatewayClassSpec>('gateway.networking.k8s.io/GatewayClass'),
        gateways: inputs.of<GatewaySpec>('gateway.networking.k8s.io/Gateway'),
        listenerSets: inputs.of<ListenerSetSpec>('gateway.networking.k8s.io/ListenerSet'),
        routes: routeKinds.map(({ kind }) => inputs.of<RouteSpec>(routeKindId(kind))),
        grants: inputs.of<ReferenceGrantSpec>('gateway.networking.k8s.io/ReferenceGrant'),
        secrets: inputs.of('Secret'),
        configMaps: inputs.of('ConfigMap'),
        trustBundles: inputs.of(`${CERTIFICATES_GROUP}/ClusterTrustBundle`),
        clientPolicies: inputs.of<ClientTrafficPolicySpec>('gateway.envoyproxy.io/ClientTrafficPolicy'),
        envoyProxies: inputs.of<EnvoyProxySpec>('gateway.envoyproxy.io/EnvoyProxy'),
        backendPolicies: inputs.of<BackendTrafficPolicySpec>('gateway.envoyproxy.io/BackendTrafficPolicy'),
        routeFilters: inputs.of<HttpRouteFilterSpec>('gateway.envoyproxy.io/HTTPRouteFilter'),
        namespaces: inputs.of('Namespace'),
        services: shapes,
        sessions,
      };
      const known = gatewayAddresses.map(
        ({ gateway = '', address, refusals = [] }) => `${gateway} ${address} ${refusals.join('\n')}`,
      );
      const { routes, sessions: _, ...others } = routingInputs;
      const routed = routingStage([...routes, ...Object.values(others), known, [settling, sessions]], () =>
        routing(routingInputs, { nowMs, addresses: gatewayAddresses, settling }),
      );
      const all = services.assemble(found.all, routed.serviceRoutes, forServices.budgets, sessions);
      const tlsPolicies = inputs.of<BackendTlsPolicySpec>('gateway.networking.k8s.io/BackendTLSPolicy');
      const { secrets, configMaps, trustBundles, grants } = routingInputs;
      const tls = backendTlsStage(
        [tlsPolicies, secrets, configMaps, trustBundles, grants, [routed.gateways, tlsPolicies.length > 0 && all]],
        () =>
          compileBackendTls({
            policies: tlsPolicies,
            services: all,
            gateways: routed.gateways,
            authorities: openAuthorities([...configMaps, ...secrets, ...trustBundles], openGrants(grants)),
            nowMs,
          }),
      );
      backendTls = keepEqual(backendTls, tls.backendTls);
      const secured = security(inputs, found.own, nowMs);
      const mesh: Mesh = {
        revision,
        trustDomain,
        services: all,
        workloads: workloads.assemble(parts, found.all),
        gateways: routed.gateways,
        backendTls,
        backendTraffic: routed.backendTraffic,
        policies: secured.policies,
        peerModes: secured.peerModes,
      };
      return {
        mesh,
        statuses: patchesOf([
          ...routed.statuses,
          ...tls.statuses,
          ...forServices.statuses,
          ...secured.statuses,
          ...entryStatuses(found.entryProblems, inputs, nowMs),
        ]),
        problems: [
          ...inputs.problems,
          ...parts.flatMap(({ problems }) => problems),
          ...found.problems,
          ...routed.problems,
          ...tls.problems,
          ...forServices.problems,
          ...headerProblems(routingInputs.backendPolicies, routed.gateways, all),
          ...secured.problems,
        ],
      };
    },
    snapshotFor: (mesh, node) => snapshots.snapshotFor(mesh, node),
  };
};

const entryStatuses = (problems: readonly Problem[], inputs: Inputs, nowMs: number): Status[] =>
  changedOnly(
    inputs.of('networking.istio.io/ServiceEntry').map((input) => {
      const own = problems.filter(
        ({ resource }) => resource?.name === input.name && (resource.namespace ?? 'default') === input.namespace,
      );
      return istioStatusOf(input, own, nowMs);
    }),
  );

const patchesOf = (statuses: readonly Status[]): Map<string, StatusPatch> =>
  new Map(statuses.map(({ input, status }) => [resourceKey(input.stored), { resource: input.stored, status }]));
