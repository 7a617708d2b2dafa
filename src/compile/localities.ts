// Which endpoints come first for a proxy that knows where it is: those of its zone, then of its region, then others. Used by snapshot.ts.
import type { Endpoint, EndpointSet, Locality } from '../model/snapshot.ts';
import { localityOf } from './workloads.ts';

export interface Priorities {
  /** The same sets, each endpoint with its priority; the same object for the same sets and place. */
  apply(sets: ReadonlyMap<string, EndpointSet>, place: string | undefined): ReadonlyMap<string, EndpointSet>;
}

type Sets = ReadonlyMap<string, EndpointSet>;

interface Place {
  readonly locality: Locality;
  readonly sets: WeakMap<Sets, Sets>;
  readonly each: WeakMap<EndpointSet, EndpointSet>;
}

// As many as there are zones; more, and they are worked out anew.
const MAX_PLACES = 1000;

export const openPriorities = (): Priorities => {
  const places = new Map<string, Place>();
  const placeOf = (name: string): Place | undefined => {
    const { locality } = localityOf(name);
    const found = places.get(name) ?? (locality && { locality, sets: new WeakMap(), each: new WeakMap() });
    if (found && places.size < MAX_PLACES) places.set(name, found);
    return found;
  };
  return {
    apply(sets, name) {
      const place = name === undefined ? undefined : placeOf(name);
      if (!place) return sets;
      const known = place.sets.get(sets);
      if (known) return known;
      const applied = new Map([...sets].map(([key, set]) => [key, applyTo(set, place)]));
      const result = [...applied].every(([key, set]) => sets.get(key) === set) ? sets : applied;
      place.sets.set(sets, result);
      return result;
    },
  };
};

const applyTo = (set: EndpointSet, { locality, each }: Place): EndpointSet => {
  // Who gives zones weights has them used side by side.
  if (set.zoneWeights) return set;
  const known = each.get(set);
  if (known) return known;
  const distances = set.endpoints.map((endpoint) => distanceOf(endpoint.locality, locality));
  // Without gaps: what is nearest comes first, however far that is.
  const order = [...new Set(distances)].sort((a, b) => a - b);
  const withPriority = (endpoint: Endpoint, i: number): Endpoint => {
    const priority = order.indexOf(distances[i]!);
    return priority === 0 ? endpoint : { ...endpoint, priority };
  };
  const result = order.length < 2 ? set : { ...set, endpoints: set.endpoints.map(withPriority) };
  each.set(set, result);
  return result;
};

/** An EndpointSlice names a zone alone, and such a zone is in any region. */
const distanceOf = (of: Locality | undefined, from: Locality): number => {
  if (!of) return 2;
  const isRegion = of.region === from.region || of.region === '' || from.region === '';
  if (isRegion && of.zone !== '' && of.zone === from.zone) return 0;
  return of.region !== '' && of.region === from.region ? 1 : 2;
};
