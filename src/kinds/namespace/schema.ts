// core/v1 Namespace.
import type { Kind } from '../kind.ts';
import { conditions, item, list, object, text } from '../schema.ts';

export const namespace: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  namespaced: false,
  statusSubresource: true,
  schema: object('A name space for resources, and a border for policies.', {
    spec: object('What is wanted of it.', {
      finalizers: list('What must be done before it may go.', item()),
    }),
    status: object('Its state.', {
      phase: text('Active, or Terminating while its content is deleted.', { enum: ['Active', 'Terminating'] }),
      conditions: conditions(),
    }),
  }),
  // By this label selectors name namespaces, as in Kubernetes.
  normalize: (resource) => ({
    ...resource,
    metadata: {
      ...resource.metadata,
      labels: { ...resource.metadata.labels, 'kubernetes.io/metadata.name': resource.metadata.name },
    },
  }),
  columns: [
    {
      name: 'Status',
      type: 'string',
      value: (resource) => (resource.metadata.deletionTimestamp ? 'Terminating' : 'Active'),
    },
  ],
};
