// Sorts the resources by kind and checks each once; what can't be used is a problem and left out. First step of compile.
import { findKind, unknownKindHint, unknownKindMessage } from '../kinds/registry.ts';
import { validateResource } from '../kinds/validate.ts';
import { differenceOf, openMap, updateSorted } from '../lib/lists.ts';
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

/** Checks what is new; lists of kinds of which nothing changed stay the same. */
export const openInputs = (): ((resources: Iterable<Resource>) => Inputs) => {
  const checkEach = openMap<Resource, Checked>();
  const byKind = new Map<string, readonly Input[]>();
  let last: readonly Checked[] = [];
  let problems: readonly Problem[] = [];
  return (resources) => {
    const all = checkEach([...resources], check);
    const { gone, come } = differenceOf(last, all);
    last = all;
    const changed = [...gone, ...come];
    for (const kind of new Set(changed.map((checked) => checked.kind))) {
      const inputsOf = (some: readonly Checked[]) =>
        some.flatMap(({ kind: own, input }) => (own === kind && input ? [input] : []));
      byKind.set(kind, updateSorted(byKind.get(kind) ?? EMPTY, inputsOf(gone), inputsOf(come), byKey));
    }
    if (changed.some((checked) => checked.problems.length > 0)) problems = all.flatMap((checked) => checked.problems);
    return {
      of: <Spec>(kind: string) => (byKind.get(kind) ?? EMPTY) as readonly Input<Spec>[],
      problems,
    };
  };
};

const byKey = (a: Input, b: Input): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

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
  const { resource: valid, problems, warnings } = validateResource(kind, stored, 'stored');
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
export const byAge = (a: Input, b: Input): number => a.createdMs - b.createdMs || byKey(a, b);

const createdMs = ({ metadata }: Resource): number => {
  const parsed = Date.parse(metadata.creationTimestamp ?? '');
  return Number.isNaN(parsed) ? Number.MAX_SAFE_INTEGER : parsed;
};
