// Attaches HTTPRoutes to their parents, Gateways and Services, and words their statuses. Used by routing.ts.

import { CONTROLLER_NAME } from '../kinds/gateway-class/schema.ts';
import type { HttpRouteStatus, ParentRef, RouteParentStatus } from '../kinds/http-route/types.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import type { GatewayPart } from './gateways.ts';
import { attachedHostnames } from './hostnames.ts';
import type { CompiledRoute } from './http-routes.ts';
import { allowsNamespace, type NamespaceLabels } from './listeners.ts';
import type { ServiceShape } from './services.ts';

const GATEWAY_GROUP = 'gateway.networking.k8s.io';

export interface Parents {
  readonly gateways: ReadonlyMap<string, GatewayPart>;
  /** Gateways of other controllers: their routes are none of ours. */
  readonly foreign: ReadonlySet<string>;
  readonly services: ReadonlyMap<string, ServiceShape>;
  readonly namespaceLabels: NamespaceLabels;
  /** By `namespace/name port`; filled here. */
  readonly serviceRoutes: Map<string, CompiledRoute[]>;
}

export interface ParentVerdict {
  readonly parentRef: ParentRef;
  readonly accepted: Verdict;
}

/** What each parent says; parents that belong to other controllers are left out. */
export const attachRoute = (route: CompiledRoute, parents: Parents): ParentVerdict[] =>
  (route.input.spec.parentRefs ?? []).flatMap((parentRef) => {
    const accepted = attachTo(route, parentRef, parents);
    return accepted ? [{ parentRef, accepted: accepted.status === 'True' ? route.accepted : accepted }] : [];
  });

const attachTo = (route: CompiledRoute, ref: ParentRef, parents: Parents): Verdict | undefined => {
  if (ref.group === GATEWAY_GROUP && ref.kind === 'Gateway') return attachToGateway(route, ref, parents);
  if (ref.group === '' && ref.kind === 'Service') return attachToService(route, ref, parents);
  return no(
    'Accepted',
    'NoMatchingParent',
    `a parent of kind ${ref.kind} is not supported; use a Gateway or a Service`,
  );
};

const attachToGateway = (
  route: CompiledRoute,
  ref: ParentRef,
  { gateways, foreign, namespaceLabels }: Parents,
): Verdict | undefined => {
  const { namespace, spec } = route.input;
  const key = `${ref.namespace ?? namespace}/${ref.name}`;
  if (foreign.has(key)) return undefined;
  const gateway = gateways.get(key);
  if (!gateway) return no('Accepted', 'NoMatchingParent', `Gateway ${key} does not exist`);
  const named = gateway.listeners.filter(({ checked }) => matchesSection(ref, checked.spec.name, checked.spec.port));
  if (named.length === 0) {
    const what = ref.sectionName ? `no listener named ${ref.sectionName}` : `no listener on port ${ref.port}`;
    return no('Accepted', 'NoMatchingParent', `Gateway ${key} has ${what}`);
  }
  const allowed = named.filter(
    ({ checked }) =>
      checked.supportedKinds.length > 0 &&
      allowsNamespace(checked.spec, gateway.input.namespace, namespace, namespaceLabels),
  );
  if (allowed.length === 0) {
    return no(
      'Accepted',
      'NotAllowedByListeners',
      `no listener of Gateway ${key} allows HTTPRoutes of namespace ${namespace}`,
    );
  }
  let attached = false;
  for (const listener of allowed) {
    const hostnames = attachedHostnames(listener.checked.hostname, spec.hostnames);
    if (hostnames.length === 0) continue;
    attached = true;
    // One route may name a Gateway twice, by two of its sections.
    if (!listener.attached.some((other) => other.route === route)) listener.attached.push({ route, hostnames });
  }
  return attached
    ? yes('Accepted', 'Accepted')
    : no('Accepted', 'NoMatchingListenerHostname', `no listener of Gateway ${key} has one of the route's hostnames`);
};

const matchesSection = (ref: ParentRef, name: string, port: number): boolean =>
  (ref.sectionName === undefined || ref.sectionName === name) && (ref.port === undefined || ref.port === port);

const attachToService = (route: CompiledRoute, ref: ParentRef, { services, serviceRoutes }: Parents): Verdict => {
  const { namespace } = route.input;
  if ((ref.namespace ?? namespace) !== namespace) {
    const message = `a route for calls to Service ${ref.namespace}/${ref.name} must be in namespace ${ref.namespace}`;
    return no('Accepted', 'NotSupported', message);
  }
  const key = `${namespace}/${ref.name}`;
  const service = services.get(key);
  if (!service) return no('Accepted', 'NoMatchingParent', `Service ${key} does not exist`);
  const ports = service.ports.filter(({ name, port }) => matchesSection(ref, name, port));
  if (ports.length === 0) {
    const what = ref.sectionName ? `no port named ${ref.sectionName}` : `no port ${ref.port}`;
    return no('Accepted', 'NoMatchingParent', `Service ${key} has ${what}`);
  }
  for (const { port } of route.accepted.status === 'True' ? ports : []) {
    const id = `${key} ${port}`;
    const list = serviceRoutes.get(id) ?? [];
    if (!list.includes(route)) list.push(route);
    serviceRoutes.set(id, list);
  }
  return yes('Accepted', 'Accepted');
};

/** The status of a route; what other controllers wrote about their parents stays. */
export const routeStatus = (
  { input, resolvedRefs }: CompiledRoute,
  verdicts: readonly ParentVerdict[],
  nowMs: number,
): HttpRouteStatus => {
  const { parents: written } = (input.stored.status ?? {}) as Partial<HttpRouteStatus>;
  const before = Array.isArray(written) ? (written as readonly RouteParentStatus[]) : [];
  const own = before.filter((parent) => parent?.controllerName === CONTROLLER_NAME);
  return {
    parents: [
      ...before.filter((parent) => parent?.controllerName !== CONTROLLER_NAME),
      ...verdicts.map(({ parentRef, accepted }) => {
        const last = own.find((parent) => sameParent(parent.parentRef, parentRef));
        const conditions = conditionsOf([accepted, resolvedRefs], last?.conditions, input.resource, nowMs);
        return { parentRef, controllerName: CONTROLLER_NAME, conditions };
      }),
    ],
  };
};

const sameParent = (a: ParentRef | undefined, b: ParentRef): boolean =>
  a !== undefined &&
  a.group === b.group &&
  a.kind === b.kind &&
  a.name === b.name &&
  a.namespace === b.namespace &&
  a.sectionName === b.sectionName &&
  a.port === b.port;
