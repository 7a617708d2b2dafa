// apps/v1 Deployment: how many Pods of one template are wanted. Weft's API keeps it; whoever runs Pods acts on it.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { type PodSpec, podSpec } from '../pod/schema.ts';
import { invalidField } from '../problems.ts';
import { conditions, integer, item, labelSelector, map, object, specOf, text } from '../schema.ts';

const open = { 'x-kubernetes-preserve-unknown-fields': true } as const;

export interface DeploymentSpec {
  readonly replicas: number;
  readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly template: {
    readonly metadata?: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly spec: PodSpec;
  };
}

export interface DeploymentStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
}

const statusOf = (resource: Resource): DeploymentStatus => (resource.status ?? {}) as DeploymentStatus;

const count = (description: string) => integer(description, { format: 'int32', minimum: 0 });

/** As in Kubernetes: a Deployment that does not select its own Pods would start them without end. */
const validate = (resource: Resource): Problem[] => {
  const { selector, template } = specOf<DeploymentSpec>(resource);
  const labels = template?.metadata?.labels ?? {};
  return Object.entries(selector?.matchLabels ?? {})
    .filter(([key, value]) => labels[key] !== value)
    .map(([key, value]) =>
      invalidField(resource, 'spec.template.metadata.labels', `the selector wants ${key}=${value}, which is not there`),
    );
};

export const deployment: Kind = {
  group: 'apps',
  version: 'v1',
  alsoServed: [],
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  namespaced: true,
  statusSubresource: true,
  schema: object('How many Pods of one template are wanted; Weft starts none by itself.', {
    'spec!': object(
      'What is wanted of it.',
      {
        replicas: integer('How many Pods.', { format: 'int32', minimum: 0, default: 1 }),
        'selector!': labelSelector('Which Pods are its own.'),
        'template!': object('What each Pod is made from.', {
          metadata: object(
            'Names of the Pods come from the Deployment.',
            { labels: map('Labels.', item()), annotations: map('Annotations.', item()) },
            open,
          ),
          'spec!': podSpec,
        }),
      },
      open,
    ),
    status: object(
      'Its state.',
      {
        observedGeneration: integer('The generation that this is about.', { format: 'int64' }),
        replicas: count('Pods that there are.'),
        readyReplicas: count('Pods that take requests.'),
        updatedReplicas: count('Pods of the present template.'),
        availableReplicas: count('Pods that have been ready for long enough.'),
        conditions: {
          ...conditions({ maxItems: 32 }),
          items: object('One aspect of the state.', { 'type!': text('The aspect.') }, open),
        },
      },
      open,
    ),
  }),
  columns: [
    {
      name: 'Ready',
      type: 'string',
      value: (resource) => `${statusOf(resource).readyReplicas ?? 0}/${specOf<DeploymentSpec>(resource).replicas ?? 1}`,
    },
    { name: 'Up-to-date', type: 'integer', value: (resource) => statusOf(resource).updatedReplicas ?? 0 },
    { name: 'Available', type: 'integer', value: (resource) => statusOf(resource).availableReplicas ?? 0 },
    {
      name: 'Containers',
      type: 'string',
      wide: true,
      value: (resource) =>
        containersOf(resource)
          .map(({ name }) => name)
          .join(','),
    },
    {
      name: 'Images',
      type: 'string',
      wide: true,
      value: (resource) =>
        containersOf(resource)
          .map(({ image = '' }) => image)
          .join(','),
    },
  ],
  validate,
};

const containersOf = (resource: Resource) => specOf<DeploymentSpec>(resource).template?.spec.containers ?? [];
