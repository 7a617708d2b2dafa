// core/v1 ConfigMap: values that are no secret, such as the certificates of authorities.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField } from '../problems.ts';
import { flag, item, map, object } from '../schema.ts';

export interface ConfigMapResource extends Resource {
  readonly data?: Readonly<Record<string, string>>;
  /** Base64 values. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const MAX_BYTES = 1024 * 1024;

const validate = (resource: ConfigMapResource): Problem[] => {
  const { data = {}, binaryData = {} } = resource;
  const found = [...Object.keys(data), ...Object.keys(binaryData)]
    .filter((key) => !KEY.test(key))
    .map((key) => invalidField(resource, 'data', `"${key}" is not a key: letters, digits, "-", "_", "."`));
  for (const key of Object.keys(binaryData)) {
    if (Object.hasOwn(data, key)) found.push(invalidField(resource, 'binaryData', `"${key}" is in data too`));
  }
  const size = [...Object.values(data), ...Object.values(binaryData)].reduce((sum, value) => sum + value.length, 0);
  if (size > MAX_BYTES) found.push(invalidField(resource, 'data', 'is larger than 1 MiB'));
  return found;
};

export const configMap: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  namespaced: true,
  statusSubresource: false,
  schema: object('Values that are no secret, such as the certificates of authorities.', {
    data: map('The values.', item()),
    binaryData: map('Values that are no text, in base64.', item({ format: 'byte' })),
    immutable: flag('Whether the data may never change.'),
  }),
  columns: [
    {
      name: 'Data',
      type: 'integer',
      value: ({ data = {}, binaryData = {} }: ConfigMapResource) =>
        Object.keys(data).length + Object.keys(binaryData).length,
    },
  ],
  validate,
};
