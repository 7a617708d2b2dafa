// One inspection out of those of all workers: what each counts is added up. Called by group.ts.
import type {
  ClusterInspection,
  DirectionInspection,
  EndpointInspection,
  ListenerInspection,
  ProxyState,
} from '../admin/inspection.ts';
import { addHistograms } from '../histogram.ts';
import type { WorkerInspection } from './messages.ts';

/** Numbers are added, lists of numbers and objects of numbers part by part; all else is as in the first. */
const addUp = (a: unknown, b: unknown): unknown => {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (Array.isArray(a) && Array.isArray(b)) return a.map((value, i) => addUp(value, b[i]));
  if (typeof a === 'object' && a && typeof b === 'object' && b) {
    return Object.fromEntries(
      Object.entries(a).map(([key, value]) => [key, addUp(value, (b as typeof a)[key as never])]),
    );
  }
  return a;
};

const mergeLists = <T>(lists: readonly (readonly T[])[], keyOf: (one: T) => string, add: (a: T, b: T) => T): T[] => {
  const merged = new Map<string, T>();
  for (const one of lists.flat()) {
    const key = keyOf(one);
    const known = merged.get(key);
    merged.set(key, known === undefined ? one : add(known, one));
  }
  return [...merged.values()];
};

const addListeners = (a: ListenerInspection, b: ListenerInspection): ListenerInspection => ({
  ...a,
  active: a.active + b.active,
  total: a.total + b.total,
  overflows: a.overflows + b.overflows,
});

const addEndpoints = (a: EndpointInspection, b: EndpointInspection): EndpointInspection => ({
  ...(addUp(a, b) as EndpointInspection),
  endpoint: a.endpoint,
});

const endpointKey = ({ endpoint }: EndpointInspection): string => `${endpoint.address} ${endpoint.port}`;

const addClusters = (a: ClusterInspection, b: ClusterInspection): ClusterInspection => ({
  ...a,
  endpoints: mergeLists([a.endpoints, b.endpoints], endpointKey, addEndpoints),
  ejections: a.ejections + b.ejections,
  attempts: a.attempts + b.attempts,
  active: a.active + b.active,
  counts: addUp(a.counts, b.counts) as ClusterInspection['counts'],
  times: addHistograms(a.times, b.times),
});

const addDirections = (a: DirectionInspection, b: DirectionInspection): DirectionInspection => ({
  ...(addUp(a, b) as DirectionInspection),
  times: addHistograms(a.times, b.times),
});

const STATES: readonly ProxyState[] = ['LIVE', 'PRE_INITIALIZING', 'DRAINING'];

/** At least one; its state is that of the one that is furthest from serving. */
export const mergeInspections = (all: readonly WorkerInspection[]): WorkerInspection => ({
  state: STATES.findLast((state) => all.some((one) => one.state === state))!,
  uptimeMs: Math.max(...all.map(({ uptimeMs }) => uptimeMs)),
  concurrency: all.length,
  connections: all.reduce((sum, { connections }) => sum + connections, 0),
  listeners: mergeLists(
    all.map(({ listeners }) => listeners),
    ({ name }) => name,
    addListeners,
  ),
  clusters: mergeLists(
    all.map(({ clusters }) => clusters),
    ({ cluster }) => cluster.name,
    addClusters,
  ),
  directions: mergeLists(
    all.map(({ directions }) => directions),
    ({ direction }) => direction,
    addDirections,
  ),
});
