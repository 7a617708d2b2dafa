// gateway.networking.k8s.io ReferenceGrant: lets resources of other namespaces refer to those of its own.
import type { Kind } from '../kind.ts';
import { groupField, kindField, list, nameField, namespaceField, object } from '../schema.ts';

export interface ReferenceGrantSpec {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
}

export const referenceGrant: Kind = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'ReferenceGrant',
  plural: 'referencegrants',
  singular: 'referencegrant',
  shortNames: ['refgrant'],
  namespaced: true,
  statusSubresource: false,
  schema: object('Lets resources of other namespaces refer to those of its own.', {
    'spec!': object('Who may refer to what.', {
      'from!': list(
        'Who may refer.',
        object('Resources of one kind in one namespace.', {
          'group!': groupField(),
          'kind!': kindField(),
          'namespace!': namespaceField('Namespace of those that refer.'),
        }),
        { minItems: 1, maxItems: 16 },
      ),
      'to!': list(
        'What may be referred to.',
        object('Resources of one kind here.', {
          'group!': groupField(),
          'kind!': kindField(),
          name: nameField('Name of the one resource; all when unset.'),
        }),
        { minItems: 1, maxItems: 16 },
      ),
    }),
  }),
  columns: [],
};
