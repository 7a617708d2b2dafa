// core/v1 Secret: certificates for gateways. Its data never shows in columns.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField, missingField } from '../problems.ts';
import { flag, item, map, object, text } from '../schema.ts';

export interface SecretResource extends Resource {
  /** Base64 values. */
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly type?: string;
  readonly immutable?: boolean;
}

const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const MAX_SECRET_BYTES = 1024 * 1024;

const validate = (resource: SecretResource): Problem[] => {
  const found: Problem[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(resource.data ?? {})) {
    if (!KEY.test(key))
      found.push(invalidField(resource, 'data', `"${key}" is not a key: letters, digits, "-", "_", "."`));
    size += value.length;
  }
  if (size * 0.75 > MAX_SECRET_BYTES) found.push(invalidField(resource, 'data', 'is larger than 1 MiB'));
  if (resource.type === 'kubernetes.io/tls') {
    for (const key of ['tls.crt', 'tls.key']) {
      if (resource.data?.[key] === undefined) {
        found.push(missingField(resource, `data.${key}`, 'is required in a kubernetes.io/tls Secret'));
      }
    }
  }
  return found;
};

/** As in Kubernetes: stringData is only for writing, and wins over data. */
const normalize = (resource: SecretResource): SecretResource => {
  const { stringData, ...rest } = resource;
  if (!stringData) return resource;
  const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } };
};

export const secret: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  namespaced: true,
  statusSubresource: false,
  schema: object('Values that must not be seen, such as the key of a certificate.', {
    data: map('The values, in base64.', item({ format: 'byte' })),
    stringData: map('Values in plain text, for writing only; they are kept in data.', item()),
    type: text('What it holds, e.g. kubernetes.io/tls.', { default: 'Opaque' }),
    immutable: flag('Whether the data may never change.'),
  }),
  columns: [
    { name: 'Type', type: 'string', value: (resource: SecretResource) => resource.type ?? '' },
    { name: 'Data', type: 'integer', value: (resource: SecretResource) => Object.keys(resource.data ?? {}).length },
  ],
  normalize,
  validate,
};
