// Sorts the resources by kind and checks each once; what can't be used is a problem and left out. First step of compile.
import { findKind, unknownKindHint, unknownKindMessage } from '../kinds/registry.ts';
import { validateResource } from '../kinds/validate.ts';
import type { Problem } from '../model/problem.ts';
import { groupOf, type Resource } from '../model/resource.ts';
import { keepEqual } from './keep.ts';

/** One resource that passed its checks, with defaults. The same object as long as the resource is. */
export interface Input<Spec = unknown> {
  /** `namespace/name`, or `name` for what has no namespace. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly spec: Spec;
  readonly resource: Resource;
  /** The stored object, for the status it has now. */
  readonly stored: Resource;
  /** When it was created; what doesn't say so is younger than all that does. */
  readonly createdMs: number;
}

interface Checked {
  readonly kind: string;
  readonly input?: Input;
  readonly problems: readonly Problem[];
}

export interface Inputs {
  /** By `group/Kind`, in order of key. */
  of<Spec>(kind: string): readonly Input<Spec>[];
  readonly problems: readonly Problem[];
}

const EMPTY: readonly Input[] = [];

/** Keeps what it checked, by the identity of the resource. */
export const openInputs = (): ((resources: Iterable<Resource>) => Inputs) => {
  const seen = new WeakMap<Resource, Checked>();
  return (resources) => {
    const byKind = new Map<string, Input[]>();
    const problems: Problem[] = [];
    for (const resource of resources) {
      let checked = seen.get(resource);
      if (!checked) {
        checked = check(resource);
        seen.set(resource, checked);
      }
      if (checked.problems.length > 0) problems.push(...checked.problems);
      if (!checked.input) continue;
      const list = byKind.get(checked.kind);
      if (list) list.push(checked.input);
      else byKind.set(checked.kind, [checked.input]);
    }
    for (const list of byKind.values()) sortByKey(list);
    return {
      of: <Spec>(kind: string) => (byKind.get(kind) ?? EMPTY) as readonly Input<Spec>[],
      problems,
    };
  };
};

/** Sorts only what isn't sorted: a store's list mostly is, and 10,000 comparisons of strings cost milliseconds. */
const sortByKey = (list: Input[]): void => {
  for (let i = 1; i < list.length; i++) {
    if (list[i - 1]!.key > list[i]!.key) {
      list.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      return;
    }
  }
};

const check = (stored: Resource): Checked => {
  const { apiVersion, kind: name } = stored ?? {};
  const kind = typeof apiVersion === 'string' && typeof name === 'string' ? findKind(apiVersion, name) : undefined;
  if (!kind) {
    const about = aboutUnknown(stored);
    return {
      kind: '',
      problems: [
        {
          code: 'UNKNOWN_KIND',
          severity: 'error',
          message: unknownKindMessage(about.apiVersion, about.kind),
          resource: about,
          hint: unknownKindHint(about.apiVersion, about.kind),
        },
      ],
    };
  }
  const { resource: valid, problems, warnings } = validateResource(kind, stored);
  // Mostly nothing changes: then there is one copy of it in memory, not two.
  const resource = keepEqual(stored, valid);
  const id = kind.group ? `${kind.group}/${kind.kind}` : kind.kind;
  if (problems.length > 0) return { kind: id, problems: [...problems, ...warnings] };
  const { namespace = kind.namespaced ? 'default' : '', name: called } = resource.metadata;
  const input = {
    key: namespace ? `${namespace}/${called}` : called,
    namespace,
    name: called,
    spec: resource.spec ?? {},
    resource,
    stored,
    createdMs: createdMs(resource),
  };
  return { kind: id, input, problems: warnings };
};

const aboutUnknown = (stored: unknown): NonNullable<Problem['resource']> => {
  const { apiVersion, kind, metadata } = (
    typeof stored === 'object' && stored !== null ? stored : {}
  ) as Partial<Resource>;
  const namespace = metadata?.namespace;
  return {
    apiVersion: String(apiVersion ?? ''),
    kind: String(kind ?? ''),
    name: String(metadata?.name ?? ''),
    ...(typeof namespace === 'string' ? { namespace } : {}),
  };
};

/** `group/Kind/namespace/name`: what tells resources apart over all kinds. */
export const resourceKey = ({ apiVersion, kind, metadata }: Resource): string =>
  `${groupOf(apiVersion)}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;

/** Older first, then by name: the Gateway API's order among equals. */
export const byAge = (a: Input, b: Input): number =>
  a.createdMs - b.createdMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** Sorts by age; what was sorted at the last call is only merged with what is new. */
export const openByAge = <T>(inputOf: (item: T) => Input): ((items: readonly T[]) => readonly T[]) => {
  let sorted: readonly T[] = [];
  let known: ReadonlySet<T> = new Set();
  const compare = (a: T, b: T) => byAge(inputOf(a), inputOf(b));
  return (items) => {
    const wanted = new Set(items);
    const fresh = items.filter((item) => !known.has(item));
    if (fresh.length > 0 || wanted.size !== known.size) {
      const kept = sorted.filter((item) => wanted.has(item));
      sorted = mergeSorted(kept, fresh.sort(compare), compare);
      known = wanted;
    }
    return sorted;
  };
};

const mergeSorted = <T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): T[] => {
  const merged: T[] = [];
  let next = 0;
  for (const item of a) {
    while (next < b.length && compare(b[next]!, item) < 0) merged.push(b[next++]!);
    merged.push(item);
  }
  return merged.concat(b.slice(next));
};

const createdMs = ({ metadata }: Resource): number => {
  const parsed = Date.parse(metadata.creationTimestamp ?? '');
  return Number.isNaN(parsed) ? Number.MAX_SAFE_INTEGER : parsed;
};
