// Attaches a route to its parents, Gateways, ListenerSets and Services, and words its status. Used by attachments.ts and routing.ts.

import { CONTROLLER_NAME } from '../kinds/gateway-class/schema.ts';
import { GATEWAY_GROUP, type ParentRef, type RouteParentStatus, type RouteStatus } from '../kinds/route-parts.ts';
import { conditionsOf, no, type Verdict, yes } from './conditions.ts';
import type { ServedListener } from './gateways.ts';
import { attachedHostnames, bySpecificity, coversHostname } from './hostnames.ts';
import { keepEqual, keepMap, sameItems } from './keep.ts';
import type { Attachment } from './listener-hosts.ts';
import { allowsNamespace, type NamespaceLabels } from './listeners.ts';
import { type CompiledRoute, isStream } from './routes.ts';
import type { ServiceShape } from './services.ts';

/** Listeners that routes name together: a Gateway's own, or a ListenerSet's. */
export interface ListenerGroup {
  readonly namespace: string;
  readonly listeners: readonly ServedListener[];
}

export interface Parents {
  /** By `Kind namespace/name`. */
  readonly groups: ReadonlyMap<string, ListenerGroup>;
  /** Those of other controllers, by `Kind namespace/name`: their routes are none of ours. */
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

/** A route, and what those of its parents say that don't belong to other controllers. */
export interface AttachedRoute {
  readonly route: CompiledRoute;
  readonly verdicts: readonly ParentVerdict[];
}

/** What a parent says of a route whatever other routes it has: no, or where the route fits. */
export type Fit = Verdict | { readonly group?: string; readonly places: readonly Place[] };

/** A listener by its place in its group, and the names under which the route is reached there. */
export interface Place {
  readonly listener: number;
  readonly attachment: Attachment;
}

export interface Fitted {
  readonly route: CompiledRoute;
  /** Of each parent, all that its fit depends on. */
  seen: readonly unknown[];
  fits: readonly (Fit | undefined)[];
  /** The same object as at the last run while nothing else is said. */
  attached: AttachedRoute;
}

/** By group: what tells whether it is as it was. */
export type Identities = ReadonlyMap<string, readonly unknown[]>;

export const identitiesOf = ({ groups, namespaceLabels }: Parents, before: Identities): Identities =>
  keepMap(
    before,
    new Map(
      [...groups].map(([id, { namespace, listeners }]) => {
        const identity = [namespaceLabels, namespace, ...listeners.map(({ checked }) => checked)];
        return [id, keepEqual(before.get(id), identity)];
      }),
    ),
  );

export interface Run {
  readonly parents: Parents;
  readonly identities: Identities;
  /** What is attached to a listener or a port of a Service, by kind of route. */
  readonly byKind: Map<unknown, ByKind>;
}

/** Works out where a route fits, unless that is known. */
export const fit = (one: Fitted, run: Run): void => {
  const { route } = one;
  const refs = route.input.spec.parentRefs ?? [];
  const seen = refs.map((ref) => identityOf(route, ref, run));
  if (seen.length > 0 && sameItems(one.seen, seen)) return;
  one.seen = seen;
  one.fits = refs.map((ref) => fitOf(route, ref, run.parents));
};

/** Attaches a route where it fits; without `run`, nothing that is there may be in its way, and it is put there by others. */
export const settle = (one: Fitted, run: Run | undefined): void => {
  const { route, fits, attached } = one;
  const { parentRefs = [] } = route.input.spec;
  const before = attached.verdicts;
  let [verdicts, same]: [ParentVerdict[] | undefined, number] = [undefined, 0];
  for (let i = 0; i < fits.length; i++) {
    const [fitted, parentRef] = [fits[i], parentRefs[i]!];
    if (!fitted) continue;
    const said = 'status' in fitted ? fitted : run ? attachTo(route, parentRef, fitted, run) : ATTACHED;
    const accepted = said.status === 'True' && route.accepted.status !== 'True' ? route.accepted : said;
    const last = verdicts ? undefined : before[same];
    if (last?.parentRef === parentRef && last.accepted === accepted) same++;
    else {
      verdicts ??= before.slice(0, same);
      verdicts.push({ parentRef, accepted });
    }
  }
  if (verdicts || same < before.length) one.attached = { route, verdicts: verdicts ?? before.slice(0, same) };
};

const hasListeners = ({ group, kind }: ParentRef): boolean =>
  group === GATEWAY_GROUP && (kind === 'Gateway' || kind === 'ListenerSet');

const isService = ({ group, kind }: ParentRef): boolean => group === '' && kind === 'Service';

const groupId = ({ kind, namespace, name }: ParentRef, route: CompiledRoute): string =>
  `${kind} ${namespace ?? route.input.namespace}/${name}`;

const FOREIGN = Symbol('of another controller');

const identityOf = (route: CompiledRoute, ref: ParentRef, { parents, identities }: Run): unknown => {
  if (!hasListeners(ref)) return undefined;
  const id = groupId(ref, route);
  return parents.foreign.has(id) ? FOREIGN : identities.get(id);
};

const fitOf = (route: CompiledRoute, ref: ParentRef, parents: Parents): Fit | undefined => {
  if (hasListeners(ref)) return fitListeners(route, ref, parents);
  if (isService(ref)) return { places: [] };
  return no(
    'Accepted',
    'NoMatchingParent',
    `a parent of kind ${ref.kind} is not supported; use a Gateway, a ListenerSet or a Service`,
  );
};

const attachTo = (route: CompiledRoute, ref: ParentRef, { group, places }: Exclude<Fit, Verdict>, run: Run): Verdict =>
  group === undefined
    ? attachToService(route, ref, run)
    : attachToListeners(route, places, run.parents.groups.get(group)?.listeners ?? [], run);

const fitListeners = (
  route: CompiledRoute,
  ref: ParentRef,
  { groups, foreign, namespaceLabels }: Parents,
): Fit | undefined => {
  const { namespace, spec } = route.input;
  const id = groupId(ref, route);
  if (foreign.has(id)) return undefined;
  const group = groups.get(id);
  if (!group) {
    const or = ref.kind === 'ListenerSet' ? ', or its Gateway does not' : '';
    return no('Accepted', 'NoMatchingParent', `${id} does not exist${or}`);
  }
  const named = group.listeners.filter(({ checked }) => matchesSection(ref, checked.spec.name, checked.spec.port));
  if (named.length === 0) {
    const what = ref.sectionName ? ` named ${ref.sectionName}` : ref.port ? ` on port ${ref.port}` : ' in use';
    return no('Accepted', 'NoMatchingParent', `${id} has no listener${what}`);
  }
  const takesKind = named.filter(({ checked }) => checked.supportedKinds.some(({ kind }) => kind === route.kind.kind));
  const allowed = takesKind.filter(({ checked }) =>
    allowsNamespace(checked.spec.allowedRoutes.namespaces, group.namespace, namespace, namespaceLabels),
  );
  if (allowed.length === 0) {
    const takes = named.map(({ checked }) => `${checked.spec.name} (${checked.spec.protocol})`).join(', ');
    const why =
      takesKind.length > 0
        ? `${route.kind.kind}s of namespace ${namespace}; its allowedRoutes say which`
        : `${route.kind.kind}s; looked at: ${takes}`;
    return no('Accepted', 'NotAllowedByListeners', `no listener of ${id} allows ${why}`);
  }
  const places = allowed
    .map((listener) => ({
      listener: group.listeners.indexOf(listener),
      attachment: { route, ...attachedHostnames(listener.checked.hostname, spec.hostnames) },
    }))
    .filter(({ attachment }) => attachment.hostnames.length > 0);
  if (places.length > 0) return { group: id, places };
  const message = `no listener of ${id} has one of the route's hostnames`;
  return no('Accepted', 'NoMatchingListenerHostname', message);
};

const ATTACHED = yes('Accepted', 'Accepted');

const attachToListeners = (
  route: CompiledRoute,
  places: readonly Place[],
  listeners: readonly ServedListener[],
  run: Run,
): Verdict => {
  let rival: CompiledRoute | undefined;
  let older: CompiledRoute | undefined;
  let [attached, owned] = [0, 0];
  for (const { listener, attachment } of places) {
    const { hostnames } = attachment;
    const list = listeners[listener]?.attached;
    if (!list) continue;
    const index = kindsAt(list, run);
    const found = rivalOf(route, hostnames, index);
    rival ??= found;
    if (found) continue;
    attached++;
    const owner = olderOwner(attachment, list);
    older ??= owner;
    if (owner) owned++;
    // One route may name a Gateway twice, by two of its sections; it comes after all that are older.
    // A list of this run, which nobody has seen yet.
    if (list.at(-1)?.route !== route) addTo(list as Attachment[], index, attachment);
  }
  if (rival && attached === 0) return no('Accepted', 'HostnameConflict', rivalMessage(rival));
  if (!older || owned < attached) return ATTACHED;
  const message = `valid, but ${older.kind.kind} ${older.input.key}, which is older, has all that arrives here`;
  return yes('Accepted', 'Accepted', message);
};

type ByKind = Map<CompiledRoute['kind'], Attachment[]>;

const kindsAt = (place: unknown, { byKind }: Run): ByKind => {
  let index = byKind.get(place);
  if (!index) {
    index = new Map();
    byKind.set(place, index);
  }
  return index;
};

const addTo = (list: Attachment[] | undefined, index: ByKind, attachment: Attachment): void => {
  list?.push(attachment);
  const same = index.get(attachment.route.kind);
  if (same) same.push(attachment);
  else index.set(attachment.route.kind, [attachment]);
};

/** The API wants one kind of route for requests to a host name: that of the oldest. */
const rivalOf = (route: CompiledRoute, hostnames: readonly string[], index: ByKind): CompiledRoute | undefined => {
  if (isStream(route) || index.size === (index.has(route.kind) ? 1 : 0)) return undefined;
  for (const [kind, others] of index) {
    if (kind === route.kind) continue;
    const rival = others.find(
      (other) =>
        isRival(other.route) &&
        other.hostnames.some((a) => hostnames.some((b) => coversHostname(a, b) || coversHostname(b, a))),
    );
    if (rival) return rival.route;
  }
  return undefined;
};

const isRival = (other: CompiledRoute): boolean => !isStream(other) && other.accepted.status === 'True';

const rivalMessage = ({ kind, input }: CompiledRoute): string =>
  `${kind.kind} ${input.key}, which is older, has a host name of it; routes of two kinds can't share one`;

/** Of routes that want the same connections or datagrams the one with the most specific name, then the oldest, has all. */
const olderOwner = (
  { route, hostnames, wanted }: Attachment,
  attached: readonly Attachment[],
): CompiledRoute | undefined => {
  if (!isStream(route)) return undefined;
  const hasBefore = (other: Attachment, i: number): boolean => {
    const place = other.hostnames.indexOf(hostnames[i]!);
    return place >= 0 && bySpecificity(other.wanted[place]!, wanted[i]!) <= 0;
  };
  const owners = hostnames.map((_, i) => attached.find((other) => hasBefore(other, i))?.route);
  return owners.every((owner) => owner && owner !== route) ? owners[0] : undefined;
};

const matchesSection = (ref: ParentRef, name: string, port: number): boolean =>
  (ref.sectionName === undefined || ref.sectionName === name) && (ref.port === undefined || ref.port === port);

/** Of calls in the mesh, by any of the Service's names. */
const ANY_HOSTNAME = { hostnames: ['*'], wanted: ['*'] };

const attachToService = (route: CompiledRoute, ref: ParentRef, run: Run): Verdict => {
  const { namespace } = route.input;
  const { services, serviceRoutes } = run.parents;
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
  const ids = ports.map(({ port }) => `${key} ${port}`);
  for (const id of ids) {
    const rival = rivalOf(route, ANY_HOSTNAME.hostnames, kindsAt(id, run));
    if (rival) return no('Accepted', 'HostnameConflict', rivalMessage(rival));
  }
  for (const id of route.accepted.status === 'True' ? ids : []) {
    const list = serviceRoutes.get(id) ?? [];
    if (list.at(-1) === route) continue;
    list.push(route);
    serviceRoutes.set(id, list);
    addTo(undefined, kindsAt(id, run), { route, ...ANY_HOSTNAME });
  }
  return ATTACHED;
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
