// Finds kinds by the names that REST paths use. Built once from the registry.
import type { Kind } from '../kinds/kind.ts';
import type { Subject } from './status.ts';

/** A kind in the version that the caller uses. */
export interface ServedKind extends Subject {
  readonly definition: Kind;
  readonly version: string;
  readonly apiVersion: string;
}

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly kinds: readonly ServedKind[];
}

export const apiVersionOf = (group: string, version: string): string => (group ? `${group}/${version}` : version);

const servedVersions = (kind: Kind): readonly string[] => [kind.version, ...kind.alsoServed];

const serve = (kind: Kind, version: string): ServedKind => ({
  definition: kind,
  group: kind.group,
  plural: kind.plural,
  kind: kind.kind,
  version,
  apiVersion: apiVersionOf(kind.group, version),
});

// Kubernetes' order: stable before beta before alpha, higher numbers first.
const rankOf = (version: string): number => {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return 0;
  const level = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
  return level * 1_000_000 + Number(match[1]) * 1000 + Number(match[3] ?? 0);
};

export class KindIndex {
  readonly #groups = new Map<string, GroupVersion[]>();
  readonly kinds: readonly Kind[];

  constructor(kinds: readonly Kind[]) {
    this.kinds = kinds;
    for (const kind of kinds) {
      for (const version of servedVersions(kind)) {
        const versions = this.#groups.get(kind.group) ?? [];
        this.#groups.set(kind.group, versions);
        const found = versions.find((candidate) => candidate.version === version);
        if (found) (found.kinds as ServedKind[]).push(serve(kind, version));
        else versions.push({ group: kind.group, version, kinds: [serve(kind, version)] });
      }
    }
    for (const versions of this.#groups.values()) versions.sort((a, b) => rankOf(b.version) - rankOf(a.version));
  }

  /** Named groups, in the registry's order; without the core group. */
  groups(): string[] {
    return [...this.#groups.keys()].filter((group) => group !== '');
  }

  /** Of a group, the preferred version first; empty for an unknown group. */
  versions(group: string): readonly GroupVersion[] {
    return this.#groups.get(group) ?? [];
  }

  version(group: string, version: string): GroupVersion | undefined {
    return this.versions(group).find((candidate) => candidate.version === version);
  }

  find(group: string, version: string, plural: string): ServedKind | undefined {
    return this.version(group, version)?.kinds.find((kind) => kind.plural === plural);
  }

  /** A kind of the core group, in its own version. */
  core(name: string): ServedKind | undefined {
    return this.versions('')
      .flatMap((version) => version.kinds)
      .find((kind) => kind.kind === name);
  }
}
