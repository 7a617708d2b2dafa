// What `weft apply` will do: the manifests with their namespaces, in the order of kinds, and what speaks against it.
import type { ResourceType } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import type { Manifest, ManifestProblem } from '../kinds/yaml.ts';
import { groupOf, type Resource } from '../model/resource.ts';

export interface Planned {
  readonly kind: Kind;
  /** The kind at the version that the manifest is written in. */
  readonly type: ResourceType;
  /** As written, with the namespace set. */
  readonly resource: Resource;
  readonly file: string;
  readonly line: number;
}

export interface PlanOptions {
  readonly namespace: string;
  /** Whether the namespace was given on the command line: then manifests may not name another. */
  readonly isExplicit: boolean;
  /** In the order in which they must be applied. */
  readonly kinds: readonly Kind[];
}

const versionOf = (apiVersion: string): string =>
  apiVersion.slice(groupOf(apiVersion) ? groupOf(apiVersion).length + 1 : 0);

/** The resource of a manifest as it was written, in the namespace that it belongs to. */
export const planOne = (manifest: Manifest, namespace: string): Planned => {
  const { kind, file, line } = manifest;
  const written = manifest.source as unknown as Resource;
  const { namespace: own, ...metadata } = written.metadata;
  return {
    kind,
    type: { ...kind, version: versionOf(written.apiVersion) },
    resource: { ...written, metadata: kind.namespaced ? { ...metadata, namespace: own ?? namespace } : metadata },
    file,
    line,
  };
};

const keyOf = ({ kind, resource }: Planned): string =>
  `${kind.group}/${kind.plural}/${resource.metadata.namespace ?? ''}/${resource.metadata.name}`;

/** The plan, and every reason against it. */
export const checkManifests = (
  manifests: readonly Manifest[],
  options: PlanOptions,
): { plan: Planned[]; problems: ManifestProblem[] } => {
  const problems: ManifestProblem[] = [];
  const first = new Map<string, Planned>();
  const plan: Planned[] = [];
  for (const manifest of manifests) {
    const refuse = (code: string, message: string, hint: string) =>
      problems.push({ code, severity: 'error', message, hint, file: manifest.file, line: manifest.line, column: 1 });
    const { metadata } = manifest.resource;
    if (!metadata.name) {
      if (metadata.generateName) refuse('NAME_REQUIRED', 'apply needs a fixed name', 'replace generateName by name');
      continue;
    }
    const planned = planOne(manifest, options.namespace);
    const { namespace } = planned.resource.metadata;
    if (options.isExplicit && manifest.kind.namespaced && namespace !== options.namespace) {
      refuse(
        'NAMESPACE_MISMATCH',
        `the manifest is for namespace ${namespace}, not ${options.namespace}`,
        'leave out -n',
      );
    }
    const earlier = first.get(keyOf(planned));
    if (earlier) {
      const what = `${manifest.kind.kind} ${metadata.name}`;
      refuse('DEFINED_TWICE', `${what} is defined at ${earlier.file}:${earlier.line} already`, 'remove one of them');
    } else {
      first.set(keyOf(planned), planned);
    }
    plan.push(planned);
  }
  const rank = new Map(options.kinds.map((kind, i) => [kind, i]));
  plan.sort((a, b) => (rank.get(a.kind) ?? 0) - (rank.get(b.kind) ?? 0));
  return { plan, problems };
};
