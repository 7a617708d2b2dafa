// discovery.k8s.io/v1 EndpointSlice: endpoints of a Service that are given by address.
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField } from '../problems.ts';
import { flag, integer, item, list, map, object, text } from '../schema.ts';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export interface EndpointSliceResource extends Resource {
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints?: readonly SliceEndpoint[];
  readonly ports?: readonly SlicePort[];
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string };
}

export interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

const validate = (resource: EndpointSliceResource): Problem[] => {
  const found: Problem[] = [];
  const fits = { IPv4: isIPv4, IPv6: isIPv6, FQDN: (address: string) => isIP(address) === 0 };
  resource.endpoints?.forEach((endpoint, i) => {
    endpoint.addresses.forEach((address, j) => {
      if (resource.addressType && !fits[resource.addressType](address)) {
        found.push(
          invalidField(
            resource,
            `endpoints[${i}].addresses[${j}]`,
            `"${address}" is not an ${resource.addressType} address`,
          ),
        );
      }
    });
  });
  return found;
};

const shorten = (values: readonly string[]): string =>
  values.length === 0
    ? '<none>'
    : values.length > 3
      ? `${values.slice(0, 3).join(',')} + ${values.length - 3} more...`
      : values.join(',');

export const endpointSlice: Kind = {
  group: 'discovery.k8s.io',
  version: 'v1',
  alsoServed: [],
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  namespaced: true,
  statusSubresource: false,
  schema: object('Endpoints of the Service that the label kubernetes.io/service-name names.', {
    'addressType!': text('What the addresses are.', { enum: ['IPv4', 'IPv6', 'FQDN'] }),
    endpoints: list(
      'The endpoints.',
      object('One endpoint.', {
        'addresses!': list('Its addresses; the first is used.', item(), {
          minItems: 1,
          maxItems: 100,
          'x-kubernetes-list-type': 'set',
        }),
        conditions: object('Its state.', {
          ready: flag('Whether it takes requests; unset counts as true.'),
          serving: flag('Whether it answers, even while it ends.'),
          terminating: flag('Whether it is about to end.'),
        }),
        deprecatedTopology: map('Not used any more.', item()),
        hints: object('Where it is best used from; not used yet.', {
          forZones: list('Zones.', object('A zone.', { 'name!': text('Its name.') })),
          forNodes: list('Nodes.', object('A node.', { 'name!': text('Its name.') })),
        }),
        hostname: text('Its own host name.'),
        nodeName: text('The node that it is on.'),
        targetRef: object('The resource behind it.', {
          apiVersion: text('API version of the referent.'),
          fieldPath: text('A part of the referent.'),
          kind: text('Kind of the referent.'),
          name: text('Name of the referent.'),
          namespace: text('Namespace of the referent.'),
          resourceVersion: text('Version of the referent.'),
          uid: text('uid of the referent.'),
        }),
        zone: text('The zone that it is in.'),
      }),
      { maxItems: 1000 },
    ),
    ports: list(
      'The ports of every endpoint.',
      object('One port.', {
        name: text('Name of the Service port that it stands for.', { default: '' }),
        port: integer('The port.', { format: 'int32', minimum: 1, maximum: 65535 }),
        protocol: text('The transport.', { enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' }),
        appProtocol: text('The protocol that is spoken.'),
      }),
      { maxItems: 20000 },
    ),
  }),
  columns: [
    { name: 'AddressType', type: 'string', value: (resource: EndpointSliceResource) => resource.addressType ?? '' },
    {
      name: 'Ports',
      type: 'string',
      value: (resource: EndpointSliceResource) =>
        shorten((resource.ports ?? []).map(({ port }) => String(port ?? '*'))),
    },
    {
      name: 'Endpoints',
      type: 'string',
      value: (resource: EndpointSliceResource) =>
        shorten((resource.endpoints ?? []).flatMap(({ addresses }) => addresses.slice(0, 1))),
    },
  ],
  validate,
};
