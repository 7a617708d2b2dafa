// Attaches routes to their parents, Gateways and Services, and words their statuses. Used by routing.ts.

import { CONTROLLER_NAME } from '../kinds/gateway-class/schema.ts';
import { GATEWAY_GROUP, type ParentRef, type RouteParentStatus, type RouteStatus } from '../kinds/route-parts.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import type { Attachment, GatewayPart } from './gateways.ts';
import { attachedHostnames, coversHostname } from './hostnames.ts';
import { allowsNamespace, type NamespaceLabels } from './listeners.ts';
import { type CompiledRoute, isStream } from './routes.ts';
import type { ServiceShape } from './services.ts';

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
    if (!accepted) return [];
    const refused = accepted.status === 'True' && route.accepted.status !== 'True';
    return [{ parentRef, accepted: refused ? route.accepted : accepted }];
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
  const takesKind = named.filter(({ checked }) => checked.supportedKinds.some(({ kind }) => kind === route.kind.kind));
  const allowed = takesKind.filter(({ checked }) =>
    allowsNamespace(checked.spec, gateway.input.namespace, namespace, namespaceLabels),
  );
  if (allowed.length === 0) {
    const takes = named.map(({ checked }) => `${checked.spec.name} (${checked.spec.protocol})`).join(', ');
    const why =
      takesKind.length > 0
        ? `${route.kind.kind}s of namespace ${namespace}; its allowedRoutes say which`
        : `${route.kind.kind}s; looked at: ${takes}`;
    return no('Accepted', 'NotAllowedByListeners', `no listener of Gateway ${key} allows ${why}`);
  }
  const matching = allowed
    .map((listener) => ({ listener, hostnames: attachedHostnames(listener.checked.hostname, spec.hostnames) }))
    .filter(({ hostnames }) => hostnames.length > 0);
  const rivals = matching.map(({ listener, hostnames }) => rivalOf(route, hostnames, listener.attached));
  const attached = matching.filter((_, i) => !rivals[i]);
  const [rival] = rivals;
  if (rival && attached.length === 0) return no('Accepted', 'HostnameConflict', rivalMessage(rival));
  const older = attached.map(({ listener, hostnames }) => olderOwner(route, hostnames, listener.attached));
  for (const { listener, hostnames } of attached) {
    // One route may name a Gateway twice, by two of its sections.
    if (!listener.attached.some((other) => other.route === route)) listener.attached.push({ route, hostnames });
  }
  const [first] = older;
  if (first && older.every((owner) => owner)) {
    const message = `valid, but ${first.kind.kind} ${first.input.key}, which is older, has all that arrives here`;
    return yes('Accepted', 'Accepted', message);
  }
  return attached.length > 0
    ? yes('Accepted', 'Accepted')
    : no('Accepted', 'NoMatchingListenerHostname', `no listener of Gateway ${key} has one of the route's hostnames`);
};

/** The API wants one kind of route for requests to a host name: that of the oldest. */
const rivalOf = (
  route: CompiledRoute,
  hostnames: readonly string[],
  attached: readonly Attachment[],
): CompiledRoute | undefined =>
  attached.find(
    (other) =>
      isRival(route, other.route) &&
      other.hostnames.some((a) => hostnames.some((b) => coversHostname(a, b) || coversHostname(b, a))),
  )?.route;

const isRival = (route: CompiledRoute, other: CompiledRoute): boolean =>
  other.kind !== route.kind && !isStream(route) && !isStream(other) && other.accepted.status === 'True';

const rivalMessage = ({ kind, input }: CompiledRoute): string =>
  `${kind.kind} ${input.key}, which is older, has a host name of it; routes of two kinds can't share one`;

/** Of routes that want the same connections or datagrams the oldest has all; routes are attached in order of age. */
const olderOwner = (
  route: CompiledRoute,
  hostnames: readonly string[],
  attached: readonly Attachment[],
): CompiledRoute | undefined => {
  if (!isStream(route)) return undefined;
  const owners = hostnames.map((name) => attached.find((other) => other.hostnames.includes(name))?.route);
  return owners.every((owner) => owner && owner !== route) ? owners[0] : undefined;
};

const matchesSection = (ref: ParentRef, name: string, port: number): boolean =>
  (ref.sectionName === undefined || ref.sectionName === name) && (ref.port === undefined || ref.port === port);

const attachToService = (route: CompiledRoute, ref: ParentRef, { services, serviceRoutes }: Parents): Verdict => {
  const { namespace } = route.input;
  if (isStream(route)) {
    return no('Accepted', 'NotSupported', `a ${route.kind.kind} can't have a Service as its parent; use a Gateway`);
  }
  if ((ref.namespace ?? namespace) !== namespace) {
    const message = `a route for calls to Service ${ref.namespace}/${ref.name} must be in namespace ${ref.namespace}`;
    return no('Accepted', 'NotSupported', message);
  }
  const key = `${namespace}/${ref.name}`;
  const service = services.get(key);
  if (!service) return no('Accepted', 'NoMatchingParent', `Service ${key} does not exist`);
  const ports = service.ports.filter(
    ({ name, port, protocol }) => protocol !== 'udp' && matchesSection(ref, name, port),
  );
  if (ports.length === 0) {
    const what = ref.sectionName ? `no port named ${ref.sectionName}` : `no port ${ref.port}`;
    return no('Accepted', 'NoMatchingParent', `Service ${key} has ${what}`);
  }
  const rival = ports
    .flatMap(({ port }) => serviceRoutes.get(`${key} ${port}`) ?? [])
    .find((other) => isRival(route, other));
  if (rival) return no('Accepted', 'HostnameConflict', rivalMessage(rival));
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
): RouteStatus => {
  const { parents: written } = (input.stored.status ?? {}) as Partial<RouteStatus>;
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
