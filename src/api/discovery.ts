// What the API serves, as clients ask for it first: aggregated discovery in one answer, and the classic documents.
import type { Kind } from '../kinds/kind.ts';
import type { GroupVersion, KindIndex, ServedKind } from './kind-index.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const READ_VERBS = ['get', 'list', 'watch'];
const STATUS_VERBS = ['get', 'patch', 'update'];

interface Subresource {
  readonly name: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly verbs: readonly string[];
}

interface DiscoveredResource {
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
}

interface DiscoveredVersion {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly DiscoveredResource[];
}

const subresourcesOf = (kind: ServedKind): Subresource[] => {
  const { group, version } = kind;
  const own = { group, version, kind: kind.kind };
  const found: Subresource[] = [];
  const verbs = kind.definition.readOnly ? ['get'] : STATUS_VERBS;
  if (kind.definition.statusSubresource) found.push({ name: 'status', kind: own, verbs });
  if (group === '' && kind.kind === 'Namespace') found.push({ name: 'finalize', kind: own, verbs: ['update'] });
  if (group === '' && kind.kind === 'ServiceAccount') {
    const token = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };
    found.push({ name: 'token', kind: token, verbs: ['create'] });
  }
  if (group === '' && kind.kind === 'Pod') found.push({ name: 'log', kind: own, verbs: ['get'] });
  return found;
};

/** Names for several kinds at once, as `kubectl get all` and `kubectl get istio-io` use them. */
export const categoriesOf = ({ group, kind }: Pick<Kind, 'group' | 'kind'>): string[] => {
  if (group === '' && (kind === 'Service' || kind === 'Pod')) return ['all'];
  if (group === 'apps') return ['all'];
  if (group === 'gateway.networking.k8s.io') return ['gateway-api'];
  return group.endsWith('.istio.io') ? ['istio-io', group.replaceAll('.', '-')] : [];
};

const resourceOf = (kind: ServedKind): DiscoveredResource => ({
  plural: kind.plural,
  singular: kind.definition.singular,
  namespaced: kind.definition.namespaced,
  kind: kind.kind,
  verbs: kind.definition.readOnly ? READ_VERBS : VERBS,
  shortNames: kind.definition.shortNames,
  categories: categoriesOf(kind),
  subresources: subresourcesOf(kind),
});

const virtual = (plural: string, kind: string, verbs: readonly string[], namespaced = false): DiscoveredResource => ({
  plural,
  singular: kind.toLowerCase(),
  namespaced,
  kind,
  verbs,
  shortNames: plural === 'events' ? ['ev'] : [],
  categories: [],
  subresources: [],
});

/** Groups that are answered without a kind of their own. */
const VIRTUAL: readonly DiscoveredVersion[] = [
  {
    group: 'authentication.k8s.io',
    version: 'v1',
    resources: [virtual('selfsubjectreviews', 'SelfSubjectReview', ['create'])],
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    resources: [
      virtual('selfsubjectaccessreviews', 'SelfSubjectAccessReview', ['create']),
      virtual('selfsubjectrulesreviews', 'SelfSubjectRulesReview', ['create']),
    ],
  },
];

// `kubectl describe` asks for events; there are none, and this says so.
const EVENTS = virtual('events', 'Event', ['get', 'list', 'watch'], true);

const discovered = ({ group, version, kinds }: GroupVersion): DiscoveredVersion => {
  const resources = kinds.map(resourceOf);
  return { group, version, resources: group === '' ? [...resources, EVENTS] : resources };
};

export class Discovery {
  readonly #groups = new Map<string, DiscoveredVersion[]>();

  constructor(index: KindIndex) {
    for (const group of ['', ...index.groups()]) {
      const versions = index.versions(group).map(discovered);
      this.#groups.set(group, versions.length > 0 ? versions : [{ group, version: 'v1', resources: [EVENTS] }]);
    }
    for (const version of VIRTUAL) {
      if (!this.#groups.has(version.group)) this.#groups.set(version.group, [version]);
    }
  }

  /** Aggregated: everything below /api or /apis at once. */
  aggregated(root: 'api' | 'apis', version: string) {
    const groups = [...this.#groups].filter(([group]) => (group === '') === (root === 'api'));
    const items = groups.map(([group, versions]) => ({
      metadata: group ? { name: group, creationTimestamp: null } : { creationTimestamp: null },
      versions: versions.map((one) => ({
        version: one.version,
        resources: one.resources.map((resource) => aggregatedResource(one, resource)),
        freshness: 'Current',
      })),
    }));
    return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
  }

  /** GET /api */
  coreVersions() {
    const versions = this.#groups.get('')!.map((one) => one.version);
    return { kind: 'APIVersions', apiVersion: 'v1', versions, serverAddressByClientCIDRs: [] };
  }

  /** GET /apis */
  groupList() {
    const groups = [...this.#groups.keys()].filter((group) => group !== '').map((group) => this.group(group));
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  /** GET /apis/<group> */
  group(name: string) {
    const found = this.#groups.get(name);
    if (!found || name === '') return undefined;
    const versions = found.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
    return { kind: 'APIGroup', apiVersion: 'v1', name, versions, preferredVersion: versions[0] };
  }

  /** GET /api/v1, GET /apis/<group>/<version> */
  resources(group: string, version: string) {
    const found = this.#groups.get(group)?.find((one) => one.version === version);
    if (!found) return undefined;
    const resources = found.resources.flatMap((resource) => classicResources(resource));
    const groupVersion = group ? `${group}/${version}` : version;
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
  }

  /** Every group and version, for messages and OpenAPI. */
  served(): string[] {
    return [...this.#groups.values()].flat().map(({ group, version }) => (group ? `${group}/${version}` : version));
  }
}

const aggregatedResource = ({ group, version }: DiscoveredVersion, resource: DiscoveredResource) => ({
  resource: resource.plural,
  responseKind: { group, version, kind: resource.kind },
  scope: resource.namespaced ? 'Namespaced' : 'Cluster',
  singularResource: resource.singular,
  verbs: resource.verbs,
  ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
  ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
  ...(resource.subresources.length > 0
    ? {
        subresources: resource.subresources.map(({ name, kind, verbs }) => ({
          subresource: name,
          responseKind: kind,
          verbs,
        })),
      }
    : {}),
});

const classicResources = (resource: DiscoveredResource) => [
  {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
  },
  ...resource.subresources.map(({ name, kind, verbs }) => ({
    name: `${resource.plural}/${name}`,
    singularName: '',
    namespaced: resource.namespaced,
    group: kind.group,
    version: kind.version,
    kind: kind.kind,
    verbs,
  })),
];
