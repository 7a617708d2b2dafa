// networking.istio.io ServiceEntry: services that are not Services, such as those outside the mesh.
import { isIP } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField, repeated } from '../problems.ts';
import { integer, istioStatus, item, keyed, list, map, object, specOf, text } from '../schema.ts';
import { checkWorkload, type WorkloadEntrySpec, workloadFields } from '../workload-entry/schema.ts';

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports?: readonly ServiceEntryPort[];
  readonly location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  readonly resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export interface ServiceEntryPort {
  readonly number: number;
  readonly name: string;
  readonly protocol?: string;
  readonly targetPort?: number;
}

const MAX_UINT32 = 2 ** 32 - 1;

const spec = object('What it is.', {
  'hosts!': list('The DNS names that it is called by.', item(), { minItems: 1, maxItems: 256 }),
  addresses: list('Virtual addresses, to which names resolve; not used by explicit proxies.', item({ maxLength: 64 }), {
    maxItems: 256,
  }),
  ports: keyed(
    'The ports that it offers.',
    ['name'],
    object('One port.', {
      'number!': integer('The port that callers use.', { minimum: 0, maximum: MAX_UINT32 }),
      'name!': text('Name of the port.', { maxLength: 256 }),
      protocol: text('HTTP, HTTPS, TCP, TLS, …; the name tells it when unset.', { maxLength: 256 }),
      targetPort: integer('Port of the endpoints; the same as number when unset.', { minimum: 0, maximum: MAX_UINT32 }),
    }),
    { maxItems: 256 },
  ),
  location: text('Whether its endpoints speak mutual TLS as the mesh does.', {
    enum: ['MESH_EXTERNAL', 'MESH_INTERNAL'],
  }),
  resolution: text('How endpoints are found: STATIC by the list here, DNS by resolving names.', {
    enum: ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'],
  }),
  endpoints: list('Its endpoints.', object('One endpoint.', workloadFields), { maxItems: 4096 }),
  workloadSelector: object('Selects WorkloadEntries of its namespace as endpoints.', {
    labels: map('Labels that must be there with these values.', item({ maxLength: 63 }), { maxProperties: 256 }),
  }),
  exportTo: list('Namespaces that see it; only "*" is supported.', item()),
  subjectAltNames: list('Names that the certificate of its endpoints must have; not used yet.', item()),
});

const validate = (resource: Resource): Problem[] => {
  const {
    hosts = [],
    ports = [],
    addresses = [],
    endpoints,
    resolution = 'NONE',
    ...rest
  } = specOf<ServiceEntrySpec>(resource);
  const found: Problem[] = [];
  hosts.forEach((host, i) => {
    if (host === '*') found.push(invalidField(resource, `spec.hosts[${i}]`, 'must not be just "*"'));
    else if (
      !/^(\*\.)?[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*$/.test(host) &&
      !isIP(host)
    ) {
      found.push(invalidField(resource, `spec.hosts[${i}]`, `"${host}" is not a host name`));
    }
  });
  if (rest.workloadSelector && endpoints) {
    found.push(invalidField(resource, 'spec.endpoints', 'only one of workloadSelector and endpoints can be set'));
  }
  if (resolution === 'NONE' && endpoints) {
    found.push(
      invalidField(resource, 'spec.endpoints', 'must not be set with resolution NONE', 'set resolution: STATIC or DNS'),
    );
  }
  if (resolution !== 'NONE' && resolution !== 'STATIC' && addresses.some((address) => address.includes('/'))) {
    found.push(
      invalidField(resource, 'spec.addresses', 'CIDR blocks are allowed with resolution NONE and STATIC only'),
    );
  }
  if (resolution === 'DNS_ROUND_ROBIN' && (endpoints?.length ?? 0) > 1) {
    found.push(invalidField(resource, 'spec.endpoints', 'resolution DNS_ROUND_ROBIN takes one endpoint at most'));
  }
  ports.forEach(({ number, targetPort }, i) => {
    if (number < 1 || number > 65535)
      found.push(invalidField(resource, `spec.ports[${i}].number`, `${number} is not a port`));
    if (targetPort !== undefined && (targetPort < 1 || targetPort > 65535)) {
      found.push(invalidField(resource, `spec.ports[${i}].targetPort`, `${targetPort} is not a port`));
    }
  });
  for (const { item: again, index } of repeated(ports, ({ number }) => String(number))) {
    found.push(
      invalidField(resource, `spec.ports[${index}].number`, `${again.number} is the number of an earlier port`),
    );
  }
  endpoints?.forEach((endpoint, i) => {
    found.push(...checkWorkload(resource, endpoint, `spec.endpoints[${i}]`));
    if (
      resolution === 'STATIC' &&
      endpoint.address &&
      !endpoint.address.startsWith('unix://') &&
      !isIP(endpoint.address)
    ) {
      const hint = 'use resolution: DNS for names';
      found.push(
        invalidField(resource, `spec.endpoints[${i}].address`, `"${endpoint.address}" is not an IP address`, hint),
      );
    }
  });
  return found;
};

export const serviceEntry: Kind = {
  group: 'networking.istio.io',
  version: 'v1',
  alsoServed: ['v1beta1', 'v1alpha3'],
  kind: 'ServiceEntry',
  plural: 'serviceentries',
  singular: 'serviceentry',
  shortNames: ['se'],
  namespaced: true,
  statusSubresource: true,
  schema: object('A service by host names, inside or outside the mesh.', { 'spec!': spec, status: istioStatus }),
  columns: [
    {
      name: 'Hosts',
      type: 'string',
      value: (resource) => JSON.stringify(specOf<ServiceEntrySpec>(resource).hosts ?? []),
    },
    { name: 'Location', type: 'string', value: (resource) => specOf<ServiceEntrySpec>(resource).location ?? '' },
    { name: 'Resolution', type: 'string', value: (resource) => specOf<ServiceEntrySpec>(resource).resolution ?? '' },
  ],
  validate,
};
