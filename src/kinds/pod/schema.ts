// core/v1 Pod: one running instance of a program, as a kubelet tells of it. Weft starts none; its API keeps them for those who do.
import type { Resource } from '../../model/resource.ts';
import type { Kind, Schema } from '../kind.ts';
import { conditions, integer, intOrString, item, keyed, list, map, object, specOf, text } from '../schema.ts';

/** Fields that Weft does not read stay as they were written. */
const open = { 'x-kubernetes-preserve-unknown-fields': true } as const;

export interface PodSpec {
  readonly nodeName?: string;
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

export interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly items?: readonly KeyToPath[] };
  readonly configMap?: { readonly name: string; readonly items?: readonly KeyToPath[] };
}

export interface KeyToPath {
  readonly key: string;
  readonly path: string;
}

export interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly containerStatuses?: readonly { readonly ready?: boolean; readonly restartCount?: number }[];
}

const container = object(
  'One program.',
  {
    'name!': text('Its name.', { maxLength: 63 }),
    image: text('What runs.'),
    env: keyed(
      'Its environment.',
      ['name'],
      object('One variable.', { 'name!': text('Its name.'), value: text('Its value.') }, open),
    ),
    ports: keyed(
      'Ports that it listens on.',
      ['containerPort', 'protocol'],
      object(
        'One port.',
        {
          name: text('Its name.'),
          'containerPort!': integer('The port.', { format: 'int32', minimum: 1, maximum: 65535 }),
          protocol: text('The transport.', { enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' }),
        },
        open,
      ),
    ),
    volumeMounts: keyed(
      'Where its volumes are.',
      ['mountPath'],
      object('One place.', { 'name!': text('Name of the volume.'), 'mountPath!': text('The folder.') }, open),
    ),
  },
  open,
);

export const podSpec: Schema = object(
  'What is wanted of it.',
  {
    nodeName: text('The node that runs it.'),
    serviceAccountName: text('The account that it runs as.'),
    'containers!': keyed('Its programs.', ['name'], container, { minItems: 1, maxItems: 100 }),
    volumes: keyed('Files for its programs.', ['name'], object('One volume.', { 'name!': text('Its name.') }, open)),
    nodeSelector: map('Labels that the node must have.', item()),
  },
  open,
);

const statusOf = (resource: Resource): PodStatus => (resource.status ?? {}) as PodStatus;

const stateOf = (resource: Resource): string =>
  resource.metadata.deletionTimestamp ? 'Terminating' : (statusOf(resource).phase ?? 'Pending');

const readyOf = (resource: Resource): string => {
  const containers = specOf<PodSpec>(resource).containers ?? [];
  const ready = statusOf(resource).containerStatuses?.filter((one) => one.ready) ?? [];
  return `${ready.length}/${containers.length}`;
};

export const pod: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  namespaced: true,
  statusSubresource: true,
  schema: object('One running instance of a program; Weft starts none by itself.', {
    'spec!': podSpec,
    status: object(
      'Its state.',
      {
        phase: text('Pending, Running, Succeeded, Failed or Unknown.'),
        podIP: text('Its address.'),
        podIPs: keyed('Its addresses.', ['ip'], object('One address.', { 'ip!': text('The address.') })),
        hostIP: text('Address of its node.'),
        startTime: text('When it started.', { format: 'date-time' }),
        conditions: {
          ...conditions({ maxItems: 32 }),
          items: object('One aspect of the state.', { 'type!': text('The aspect.') }, open),
        },
        containerStatuses: list(
          'The state of each program.',
          object('One program.', { restartCount: intOrString('Starts after the first.') }, open),
        ),
      },
      open,
    ),
  }),
  columns: [
    { name: 'Ready', type: 'string', value: readyOf },
    { name: 'Status', type: 'string', value: stateOf },
    {
      name: 'Restarts',
      type: 'integer',
      value: (resource) =>
        (statusOf(resource).containerStatuses ?? []).reduce((sum, { restartCount = 0 }) => sum + restartCount, 0),
    },
    { name: 'IP', type: 'string', wide: true, value: (resource) => statusOf(resource).podIP ?? '<none>' },
    { name: 'Node', type: 'string', wide: true, value: (resource) => specOf<PodSpec>(resource).nodeName ?? '<none>' },
  ],
};
