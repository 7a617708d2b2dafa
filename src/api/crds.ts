// The kinds that are no built-ins of Kubernetes, as CustomResourceDefinitions: read-only objects that api.ts serves beside the store's.
import { createHash } from 'node:crypto';
import type { Kind, Schema } from '../kinds/kind.ts';
import { flag, item, list, object, text } from '../kinds/schema.ts';
import { schemaOf } from '../kinds/validate.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import type { Resource } from '../model/resource.ts';
import { openMemoryStore } from '../store/memory.ts';
import { type Store, storeKey } from '../store/store.ts';
import { categoriesOf } from './discovery.ts';
import { published } from './openapi.ts';

const names = object('Its names.', {
  'kind!': text('Kind of one object.'),
  'plural!': text('Name in paths.'),
  singular: text('Name of one, in lower case.'),
  listKind: text('Kind of a list.'),
  shortNames: list('Short names for commands.', item()),
  categories: list('Names for several kinds at once.', item()),
});

const anything: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

export const customResourceDefinition: Kind = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  alsoServed: [],
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  namespaced: false,
  readOnly: true,
  statusSubresource: true,
  schema: object('A kind that this API serves; made by the API itself.', {
    spec: object('What it is.', {
      'group!': text('API group.'),
      'names!': names,
      'scope!': text('Cluster or Namespaced.'),
      'versions!': list('Versions that are served.', {
        ...object('One version.', {
          'name!': text('Name of the version.'),
          'served!': flag('Whether it is served.'),
          'storage!': flag('Whether objects are kept in it.'),
          schema: { ...anything, description: 'The schema of its objects.' },
        }),
        'x-kubernetes-preserve-unknown-fields': true,
      }),
    }),
    status: { ...anything, description: 'Whether it is served.' },
  }),
  columns: [{ name: 'Created At', type: 'string', value: ({ metadata }) => metadata.creationTimestamp ?? '' }],
};

/** The release whose kinds and fields these are. */
const GATEWAY_API_VERSION = 'v1.7.0';

const isGatewayApi = (group: string): boolean => /^gateway\.networking\.(x-)?k8s\.io$/.test(group);

/** Kubernetes serves these without a definition. */
export const isBuiltIn = (group: string): boolean =>
  !group.includes('.') || (group.endsWith('.k8s.io') && !isGatewayApi(group));

const uidOf = (name: string): string => {
  const hex = createHash('sha256').update(`crd ${name}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
};

const versionOf = (kind: Kind, version: string) => ({
  name: version,
  served: true,
  storage: version === kind.version,
  schema: {
    openAPIV3Schema: published({
      ...schemaOf(kind, version),
      type: 'object',
      properties: {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: { type: 'object' },
        ...schemaOf(kind, version).properties,
      },
    }),
  },
  ...(kind.statusSubresource ? { subresources: { status: {} } } : {}),
});

const namesOf = (kind: Kind) => {
  const categories = categoriesOf(kind);
  return {
    plural: kind.plural,
    singular: kind.singular,
    kind: kind.kind,
    listKind: `${kind.kind}List`,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
};

const definitionOf = (kind: Kind, createdAt: string): Resource => {
  const name = `${kind.plural}.${kind.group}`;
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    lastTransitionTime: createdAt,
    reason,
    message,
  });
  const annotations = {
    'gateway.networking.k8s.io/bundle-version': GATEWAY_API_VERSION,
    'gateway.networking.k8s.io/channel': 'experimental',
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: customResourceDefinition.kind,
    metadata: {
      name,
      uid: uidOf(name),
      generation: 1,
      creationTimestamp: createdAt,
      ...(isGatewayApi(kind.group) ? { annotations } : {}),
    },
    spec: {
      group: kind.group,
      names: namesOf(kind),
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: [kind.version, ...kind.alsoServed].map((version) => versionOf(kind, version)),
      conversion: { strategy: 'None' },
    },
    status: {
      conditions: [
        condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
        condition('Established', 'InitialNamesAccepted', 'the kind is served'),
      ],
      acceptedNames: namesOf(kind),
      storedVersions: [kind.version],
    },
  };
};

/** A store with one definition for each kind. Nothing writes to it later. */
export const openDefinitions = async (kinds: readonly Kind[], clock: Clock): Promise<Store> => {
  const store = openMemoryStore();
  const { group, plural } = customResourceDefinition;
  const createdAt = timestampOf(clock.now());
  for (const kind of kinds) {
    if (isBuiltIn(kind.group)) continue;
    const definition = definitionOf(kind, createdAt);
    await store.put(storeKey(group, plural, '', definition.metadata.name), definition, { expected: 0 });
  }
  return store;
};
