// Which workloads a service's selector picks, by an index over the labels that selectors use. Used by compile for Services and ServiceEntries.
import type { WorkloadPart } from './workloads.ts';

type Labels = Readonly<Record<string, string>>;

export const matchesLabels = (wanted: Labels, labels: Labels): boolean => {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false;
  return true;
};

/** The key by which a selector is looked up: any of its own will do, as long as it is always the same. */
const indexKey = (selector: Labels): string | undefined => {
  for (const key in selector) return key;
  return undefined;
};

export interface Selection {
  /** Workloads of the namespace whose labels contain the selector; an empty selector picks none. */
  select(namespace: string, selector: Labels): readonly WorkloadPart[];
}

/** Indexes the workloads once for all selectors: looking through every workload for every service would be quadratic. */
export const openSelection = (workloads: readonly WorkloadPart[], selectors: readonly Labels[]): Selection => {
  const keys = new Set(selectors.map(indexKey).filter((key) => key !== undefined));
  const index = new Map<string, Map<string, Map<string, WorkloadPart[]>>>();
  for (const workload of workloads) {
    for (const key of keys) {
      const value = workload.labels[key];
      if (value === undefined) continue;
      const byKey = mapAt(index, workload.namespace);
      const byValue = mapAt(byKey, key);
      const list = byValue.get(value);
      if (list) list.push(workload);
      else byValue.set(value, [workload]);
    }
  }
  return {
    select(namespace, selector) {
      const key = indexKey(selector);
      if (key === undefined) return [];
      const candidates = index.get(namespace)?.get(key)?.get(selector[key]!) ?? [];
      return candidates.filter(({ labels }) => matchesLabels(selector, labels));
    },
  };
};

const mapAt = <V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> => {
  let inner = map.get(key);
  if (!inner) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
};
