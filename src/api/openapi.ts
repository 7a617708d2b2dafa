// OpenAPI documents made from the schemas of the kinds: version 3 per group, and version 2 for older clients.
import { createHash } from 'node:crypto';
import type { Schema } from '../kinds/kind.ts';
import { metadataSchema } from '../kinds/metadata.ts';
import { schemaOf } from '../kinds/validate.ts';
import { isBuiltIn } from './crds.ts';
import type { GroupVersion, KindIndex, ServedKind } from './kind-index.ts';
import { mergeKeyOf } from './patch.ts';

type Json = Record<string, unknown>;

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** `gateway.networking.k8s.io`, `v1` → `io.k8s.networking.gateway.v1.HTTPRoute`, as Kubernetes names definitions. */
const schemaName = ({ group, version, kind }: ServedKind): string => {
  if (group === '') return `io.k8s.api.core.${version}.${kind}`;
  return `${group.split('.').reverse().join('.')}.${version}.${kind}`;
};

/** The schema as JSON, without what is not said in words. */
export const published = (schema: Schema): Json => {
  const { properties, items, additionalProperties, rules: _, ...rest } = schema;
  const mergeKey = mergeKeyOf(schema);
  return {
    ...rest,
    ...(mergeKey ? { 'x-kubernetes-patch-merge-key': mergeKey, 'x-kubernetes-patch-strategy': 'merge' } : {}),
    ...(schema['x-kubernetes-int-or-string'] ? { anyOf: [{ type: 'integer' }, { type: 'string' }] } : {}),
    ...(properties ? { properties: publishedFields(properties) } : {}),
    ...(items ? { items: published(items) } : {}),
    ...(additionalProperties ? { additionalProperties: published(additionalProperties) } : {}),
  };
};

const publishedFields = (properties: Readonly<Record<string, Schema>>): Json =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, published(schema)]));

const gvkOf = ({ group, version, kind }: ServedKind) => ({ group, version, kind });

const API_VERSION = { type: 'string', description: 'Group and version of the schema of this object.' };
const KIND = { type: 'string', description: 'Kind of this object.' };

const objectSchema = (kind: ServedKind, refs: string): Json => {
  const base = published(schemaOf(kind.definition, kind.version));
  const metadata = { description: 'Names, labels and versions.', allOf: [{ $ref: `${refs}${META}.ObjectMeta` }] };
  return {
    ...base,
    type: 'object',
    properties: {
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: refs.startsWith('#/definitions') ? metadata.allOf[0] : metadata,
      ...(base.properties as Json | undefined),
    },
    'x-kubernetes-group-version-kind': [gvkOf(kind)],
  };
};

const listSchema = (kind: ServedKind, refs: string): Json => ({
  type: 'object',
  description: `A list of ${kind.kind}.`,
  required: ['items'],
  properties: {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { $ref: `${refs}${META}.ListMeta` },
    items: { type: 'array', items: { $ref: `${refs}${schemaName(kind)}` } },
  },
  'x-kubernetes-group-version-kind': [{ ...gvkOf(kind), kind: `${kind.kind}List` }],
});

const listMeta: Json = {
  type: 'object',
  description: 'Where a list stands.',
  properties: {
    resourceVersion: { type: 'string', description: 'Revision at which the list is true.' },
    continue: { type: 'string', description: 'Set when there is more: pass it to get the next page.' },
    remainingItemCount: { type: 'integer', format: 'int64', description: 'How many come after this page.' },
  },
};

const schemasOf = (kinds: readonly ServedKind[], refs: string): Json => {
  const schemas: Json = { [`${META}.ObjectMeta`]: published(metadataSchema), [`${META}.ListMeta`]: listMeta };
  for (const kind of kinds) {
    schemas[schemaName(kind)] = objectSchema(kind, refs);
    schemas[`${schemaName(kind)}List`] = listSchema(kind, refs);
  }
  return schemas;
};

const PATCH_TYPES = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];
// Only where Kubernetes' own kind merges lists by key; for the others clients send merge patches.
const patchTypesOf = ({ group }: ServedKind): string[] =>
  isBuiltIn(group) ? [...PATCH_TYPES, 'application/strategic-merge-patch+json'] : PATCH_TYPES;

const parameter = (name: string, where: 'query' | 'path', type: string, v3: boolean): Json => ({
  name,
  in: where,
  ...(where === 'path' ? { required: true } : {}),
  ...(v3 ? { schema: { type, uniqueItems: true } } : { type, uniqueItems: true }),
});

const writeParameters = (v3: boolean): Json[] =>
  ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => parameter(name, 'query', 'string', v3));

const listParameters = (v3: boolean): Json[] => [
  ...['continue', 'fieldSelector', 'labelSelector', 'resourceVersion', 'resourceVersionMatch'].map((name) =>
    parameter(name, 'query', 'string', v3),
  ),
  ...['limit', 'timeoutSeconds'].map((name) => parameter(name, 'query', 'integer', v3)),
  ...['allowWatchBookmarks', 'sendInitialEvents', 'watch'].map((name) => parameter(name, 'query', 'boolean', v3)),
];

interface Operation {
  readonly action: string;
  readonly parameters: readonly Json[];
  readonly consumes?: readonly string[];
  readonly answers: string;
}

const JSON_TYPES = ['application/json', 'application/yaml'];

const operationOf = (kind: ServedKind, { action, parameters, consumes, answers }: Operation, v3: boolean): Json => {
  const ref = { $ref: `${v3 ? '#/components/schemas/' : '#/definitions/'}${answers}` };
  const bodySchema = action === 'patch' ? { type: 'object' } : ref;
  const common = {
    operationId: `${action}${kind.group.replaceAll('.', '_')}_${kind.version}_${kind.kind}`,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(kind),
  };
  if (v3) {
    const content = Object.fromEntries((consumes ?? []).map((type) => [type, { schema: bodySchema }]));
    return {
      ...common,
      parameters,
      ...(consumes ? { requestBody: { required: true, content } } : {}),
      responses: { 200: { description: 'OK', content: { 'application/json': { schema: ref } } } },
    };
  }
  return {
    ...common,
    ...(consumes ? { consumes } : {}),
    produces: ['application/json'],
    parameters: consumes
      ? [...parameters, { name: 'body', in: 'body', required: true, schema: bodySchema }]
      : parameters,
    responses: { 200: { description: 'OK', schema: ref } },
  };
};

const pathsOf = (kind: ServedKind, v3: boolean): Json => {
  const { namespaced, statusSubresource } = kind.definition;
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const base = namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const inNamespace = namespaced ? [parameter('namespace', 'path', 'string', v3)] : [];
  const named = [parameter('name', 'path', 'string', v3), ...inNamespace];
  const one = schemaName(kind);
  const operation = (details: Operation) => operationOf(kind, details, v3);
  const list = operation({ action: 'list', parameters: listParameters(v3), answers: `${one}List` });
  const item = {
    parameters: named,
    get: operation({ action: 'get', parameters: [], answers: one }),
    put: operation({ action: 'put', parameters: writeParameters(v3), consumes: JSON_TYPES, answers: one }),
    patch: operation({
      action: 'patch',
      parameters: [...writeParameters(v3), parameter('force', 'query', 'boolean', v3)],
      consumes: patchTypesOf(kind),
      answers: one,
    }),
  };
  const dryRun = ['dryRun', 'propagationPolicy'].map((name) => parameter(name, 'query', 'string', v3));
  return {
    [base]: {
      ...(inNamespace.length > 0 ? { parameters: inNamespace } : {}),
      get: list,
      post: operation({ action: 'post', parameters: writeParameters(v3), consumes: JSON_TYPES, answers: one }),
    },
    [`${base}/{name}`]: { ...item, delete: operation({ action: 'delete', parameters: dryRun, answers: one }) },
    ...(statusSubresource ? { [`${base}/{name}/status`]: item } : {}),
    ...(namespaced ? { [`${root}/${kind.plural}`]: { get: list } } : {}),
  };
};

const info = (version: string) => ({ title: 'Weft', version });

/** The documents, made when they are first asked for. */
export class OpenApi {
  readonly #index: KindIndex;
  readonly #version: string;
  readonly #documents = new Map<string, string>();

  constructor(index: KindIndex, version: string) {
    this.#index = index;
    this.#version = version;
  }

  /** GET /openapi/v3: where the document of each group and version is. */
  root() {
    const paths: Json = {};
    for (const { path, document } of this.#groupVersions()) {
      const hash = createHash('sha256').update(document()).digest('hex').toUpperCase();
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return { paths };
  }

  /** GET /openapi/v3/<path> as JSON text. */
  document(path: string): string | undefined {
    return this.#groupVersions()
      .find((candidate) => candidate.path === path)
      ?.document();
  }

  /** GET /openapi/v2 as JSON text. */
  v2(): string {
    return this.#cached('v2', () => {
      const kinds = ['', ...this.#index.groups()]
        .flatMap((group) => this.#index.versions(group))
        .flatMap(({ kinds }) => kinds);
      return {
        swagger: '2.0',
        info: info(this.#version),
        paths: Object.assign({}, ...kinds.map((kind) => pathsOf(kind, false))),
        definitions: schemasOf(kinds, '#/definitions/'),
      };
    });
  }

  #groupVersions() {
    return ['', ...this.#index.groups()]
      .flatMap((group) => this.#index.versions(group))
      .map((groupVersion) => {
        const { group, version } = groupVersion;
        const path = group ? `apis/${group}/${version}` : `api/${version}`;
        return { path, document: () => this.#cached(path, () => this.#v3(groupVersion)) };
      });
  }

  #v3({ kinds }: GroupVersion): Json {
    return {
      openapi: '3.0.0',
      info: info(this.#version),
      paths: Object.assign({}, ...kinds.map((kind) => pathsOf(kind, true))),
      components: { schemas: schemasOf(kinds, '#/components/schemas/') },
    };
  }

  #cached(key: string, make: () => Json): string {
    let text = this.#documents.get(key);
    if (text === undefined) {
      text = JSON.stringify(make());
      this.#documents.set(key, text);
    }
    return text;
  }
}
