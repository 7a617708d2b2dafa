// core/v1 Node: a machine that runs Pods, with the address of its kubelet. api asks that for the logs of Pods.
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { conditions, flag, integer, item, keyed, list, map, object, specOf, text } from '../schema.ts';

const open = { 'x-kubernetes-preserve-unknown-fields': true } as const;

export interface NodeStatus {
  readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly daemonEndpoints?: { readonly kubeletEndpoint?: { readonly Port: number } };
  readonly nodeInfo?: { readonly kubeletVersion?: string };
}

const statusOf = (resource: Resource): NodeStatus => (resource.status ?? {}) as NodeStatus;

const ROLE = 'node-role.kubernetes.io/';

const stateOf = (resource: Resource): string => {
  const ready = statusOf(resource).conditions?.find(({ type }) => type === 'Ready')?.status;
  const state = ready === 'True' ? 'Ready' : ready === 'False' ? 'NotReady' : 'Unknown';
  return specOf<{ unschedulable?: boolean }>(resource).unschedulable ? `${state},SchedulingDisabled` : state;
};

const rolesOf = ({ metadata }: Resource): string =>
  Object.keys(metadata.labels ?? {})
    .filter((label) => label.startsWith(ROLE))
    .map((label) => label.slice(ROLE.length))
    .join(',') || '<none>';

/** Where the node is reached from inside the network. */
export const internalAddressOf = (resource: Resource): string | undefined =>
  statusOf(resource).addresses?.find(({ type }) => type === 'InternalIP')?.address;

export const kubeletPortOf = (resource: Resource): number | undefined =>
  statusOf(resource).daemonEndpoints?.kubeletEndpoint?.Port;

export const node: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  statusSubresource: true,
  schema: object('A machine that runs Pods.', {
    spec: object(
      'What is wanted of it.',
      {
        podCIDR: text('The addresses of its Pods.'),
        podCIDRs: list('The addresses of its Pods.', item(), { 'x-kubernetes-list-type': 'set' }),
        unschedulable: flag('Whether no more Pods may come.'),
      },
      open,
    ),
    status: object(
      'Its state.',
      {
        addresses: keyed(
          'Where it is reached.',
          ['type'],
          object('One address.', { 'type!': text('What it is, e.g. InternalIP.'), 'address!': text('The address.') }),
          { maxItems: 64 },
        ),
        conditions: {
          ...conditions({ maxItems: 32 }),
          items: object('One aspect of the state.', { 'type!': text('The aspect.') }, open),
        },
        daemonEndpoints: object('Ports of its daemons.', {
          kubeletEndpoint: object('The port that answers for the logs of its Pods.', {
            'Port!': integer('The port.', { format: 'int32', minimum: 0, maximum: 65535 }),
          }),
        }),
        nodeInfo: object('What it runs.', { kubeletVersion: text('Version of its kubelet.') }, open),
        capacity: map('What it has.', { 'x-kubernetes-int-or-string': true }),
      },
      open,
    ),
  }),
  columns: [
    { name: 'Status', type: 'string', value: stateOf },
    { name: 'Roles', type: 'string', value: rolesOf },
    { name: 'Version', type: 'string', value: (resource) => statusOf(resource).nodeInfo?.kubeletVersion ?? '' },
    {
      name: 'Internal-IP',
      type: 'string',
      wide: true,
      value: (resource) => internalAddressOf(resource) ?? '<none>',
    },
  ],
};
