// Attaches all routes, and remembers what is attached where: of thousands, only those that changed are looked at. Used by routing.ts.

import { differenceOf, openMap, updateSorted } from '../lib/lists.ts';
import {
  type AttachedRoute,
  type Fitted,
  fit,
  type Identities,
  identitiesOf,
  type Parents,
  type Run,
  settle,
} from './attach.ts';
import { byAge } from './input.ts';
import { sameItems } from './keep.ts';
import type { Attachment } from './listener-hosts.ts';
import { type CompiledRoute, isStream } from './routes.ts';

/** What is attached to one listener. */
interface Placed {
  readonly attached: readonly Attachment[];
  /** Of all that would fit; several kinds may be in each other's way. */
  readonly kinds: ReadonlySet<CompiledRoute['kind']>;
}

type Lists = ReadonlyMap<string, Placed>;

/** What a run leaves to the next. */
interface Last {
  readonly fitted: readonly Fitted[];
  readonly identities: Identities;
  readonly foreign: readonly string[];
  readonly services: Parents['services'];
  readonly serviceRoutes: Parents['serviceRoutes'];
  readonly lists: Lists;
}

/** Takes routes in order of age. */
export const openAttachments = () => {
  const fitEach = openMap<CompiledRoute, Fitted>();
  let attachedOf = openMap<Fitted, AttachedRoute>();
  let last: Last | undefined;
  return (routes: readonly CompiledRoute[], parents: Parents): readonly AttachedRoute[] => {
    const { services, serviceRoutes } = parents;
    const identities = identitiesOf(parents, last?.identities ?? new Map());
    const run: Run = { parents, identities, byKind: new Map() };
    const foreign = [...parents.foreign];
    const fitted = fitEach(routes, (route) => ({ route, seen: [], fits: [], attached: { route, verdicts: [] } }));
    const before =
      identities === last?.identities && services === last.services && sameItems(foreign, last.foreign)
        ? last
        : undefined;
    const { gone, come } = before ? differenceOf(before.fitted, fitted) : { gone: [], come: fitted };
    for (const one of come) fit(one, run);
    const changed = before && changeLists(before.lists, gone, come);
    if (changed) {
      for (const one of come) settle(one, undefined);
      place(parents, changed);
      for (const [id, list] of before.serviceRoutes) serviceRoutes.set(id, list);
    } else {
      for (const one of fitted) settle(one, run);
      attachedOf = openMap();
    }
    const lists = changed ?? listsOf(fitted, parents);
    last = { fitted, identities, foreign, services, serviceRoutes, lists };
    return attachedOf(fitted, ({ attached }) => attached);
  };
};

const placeId = (group: string, listener: number): string => `${group} ${listener}`;

/** Where a route fits among listeners; once for each, though it may name a Gateway twice, by two of its sections. */
const placesOf = ({ fits }: Fitted): Map<string, Attachment> => {
  const places = new Map<string, Attachment>();
  for (const fitted of fits) {
    if (!fitted || 'status' in fitted || fitted.group === undefined) continue;
    for (const { listener, attachment } of fitted.places) {
      const id = placeId(fitted.group, listener);
      if (!places.has(id)) places.set(id, attachment);
    }
  }
  return places;
};

const listsOf = (fitted: readonly Fitted[], { groups }: Parents): Lists => {
  const lists = new Map<string, { attached: readonly Attachment[]; kinds: Set<CompiledRoute['kind']> }>();
  for (const [group, { listeners }] of groups) {
    for (const [i, { attached }] of listeners.entries()) lists.set(placeId(group, i), { attached, kinds: new Set() });
  }
  for (const one of fitted) for (const id of placesOf(one).keys()) lists.get(id)?.kinds.add(one.route.kind);
  return lists;
};

/** True where a route means nothing to others: all that fits beside it is of its kind. */
const isApart = (one: Fitted, places: ReadonlyMap<string, Attachment>, lists: Lists): boolean =>
  !isStream(one.route) &&
  one.fits.every((fitted) => !fitted || 'status' in fitted || fitted.group !== undefined) &&
  [...places.keys()].every((id) => [...(lists.get(id)?.kinds ?? [])].every((kind) => kind === one.route.kind));

/** The lists after routes came and went; undefined where that may change what becomes of other routes. */
const changeLists = (lists: Lists, gone: readonly Fitted[], come: readonly Fitted[]): Lists | undefined => {
  const changes = new Map<string, { gone: Attachment[]; come: Attachment[]; kinds: Set<CompiledRoute['kind']> }>();
  for (const one of [...gone, ...come]) {
    const places = placesOf(one);
    if (!isApart(one, places, lists)) return undefined;
    for (const id of places.keys()) {
      const change = changes.get(id) ?? { gone: [], come: [], kinds: new Set(lists.get(id)?.kinds) };
      changes.set(id, change);
      change.kinds.add(one.route.kind);
      if (change.kinds.size > 1) return undefined;
    }
  }
  for (const one of gone) for (const [id, attachment] of placesOf(one)) changes.get(id)?.gone.push(attachment);
  for (const one of come) for (const [id, attachment] of placesOf(one)) changes.get(id)?.come.push(attachment);
  const next = new Map(lists);
  for (const [id, change] of changes) {
    const attached = updateSorted(lists.get(id)?.attached ?? [], change.gone, change.come, byRouteAge);
    next.set(id, { attached, kinds: change.kinds });
  }
  return next;
};

const byRouteAge = (a: Attachment, b: Attachment): number => byAge(a.route.input, b.route.input);

const place = ({ groups }: Parents, lists: Lists): void => {
  for (const [group, { listeners }] of groups) {
    for (const [i, listener] of listeners.entries()) listener.attached = lists.get(placeId(group, i))?.attached ?? [];
  }
};
