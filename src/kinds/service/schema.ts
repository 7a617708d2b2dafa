// core/v1 Service: a name and ports that select workloads.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField, missingField, repeated } from '../problems.ts';
import {
  conditions,
  flag,
  integer,
  intOrString,
  item,
  keyed,
  list,
  map,
  object,
  port,
  specOf,
  text,
} from '../schema.ts';

export interface ServiceSpec {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePortSpec[];
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalName?: string;
  readonly externalIPs?: readonly string[];
  readonly publishNotReadyAddresses?: boolean;
  readonly sessionAffinity?: string;
}

export interface ServicePortSpec {
  readonly name?: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}

const localOrCluster = ['Cluster', 'Local'];

const spec = object('What is wanted of it.', {
  type: text('How it is reached; ExternalName stands for another DNS name.', {
    enum: ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
    default: 'ClusterIP',
  }),
  selector: map('Labels of the workloads that it leads to.', item(), { 'x-kubernetes-map-type': 'atomic' }),
  ports: keyed(
    'The ports that it offers.',
    ['port', 'protocol'],
    object('One port.', {
      name: text('Name of the port; its first word tells the protocol, e.g. http or tcp-metrics.', { maxLength: 63 }),
      'port!': port('The port that callers use.'),
      protocol: text('The transport.', { enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' }),
      appProtocol: text('The protocol that is spoken, e.g. http; wins over the name.'),
      targetPort: intOrString('Port of the workload, by number or by name; the same as port when unset.'),
      nodePort: port('Port on each Kubernetes node; not used outside Kubernetes.'),
    }),
  ),
  clusterIP: text(
    'A virtual address, or None for a headless service, whose name means its endpoints one by one. Names resolve to it.',
  ),
  clusterIPs: list('Virtual addresses, to which names resolve.', item()),
  ipFamilies: list('Address families; not used outside Kubernetes.', item({ enum: ['IPv4', 'IPv6', ''] })),
  ipFamilyPolicy: text('How many address families; not used outside Kubernetes.'),
  externalName: text('The DNS name that an ExternalName service stands for.'),
  externalIPs: list('Further addresses; not used outside Kubernetes.', item()),
  externalTrafficPolicy: text('Not used outside Kubernetes.', { enum: localOrCluster }),
  internalTrafficPolicy: text('Not used outside Kubernetes.', { enum: localOrCluster }),
  allocateLoadBalancerNodePorts: flag('Not used outside Kubernetes.'),
  healthCheckNodePort: integer('Not used outside Kubernetes.', { format: 'int32' }),
  loadBalancerClass: text('Not used outside Kubernetes.'),
  loadBalancerIP: text('Not used outside Kubernetes.'),
  loadBalancerSourceRanges: list('Not used outside Kubernetes.', item()),
  publishNotReadyAddresses: flag('Whether workloads that are not ready are endpoints too.'),
  sessionAffinity: text('Whether a client stays with a workload; only None is supported.', {
    enum: ['None', 'ClientIP'],
    default: 'None',
  }),
  sessionAffinityConfig: object('How a client stays with a workload.', {
    clientIP: object('By address.', { timeoutSeconds: integer('For how long.', { minimum: 1, maximum: 86400 }) }),
  }),
  trafficDistribution: text('A preference among endpoints; not used outside Kubernetes.'),
});

const validate = (resource: Resource): Problem[] => {
  const { type, ports = [], externalName } = specOf<ServiceSpec>(resource);
  const found: Problem[] = [];
  if (type === 'ExternalName') {
    if (!externalName) {
      found.push(missingField(resource, 'spec.externalName', 'is required for type ExternalName'));
    }
  } else if (ports.length === 0 && specOf<ServiceSpec>(resource).clusterIP !== 'None') {
    found.push(missingField(resource, 'spec.ports', 'a service needs at least one port'));
  }
  ports.forEach(({ name, targetPort }, i) => {
    if (!name && ports.length > 1) {
      found.push(missingField(resource, `spec.ports[${i}].name`, 'is required when there is more than one port'));
    }
    if (name && !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
      found.push(
        invalidField(
          resource,
          `spec.ports[${i}].name`,
          `"${name}" is not a port name: lower-case letters, digits, "-"`,
        ),
      );
    }
    if (typeof targetPort === 'number' && (targetPort < 1 || targetPort > 65535)) {
      found.push(invalidField(resource, `spec.ports[${i}].targetPort`, `${targetPort} is not a port (1 to 65535)`));
    }
  });
  for (const { item: again, index } of repeated(
    ports.filter((entry) => entry.name),
    (entry) => entry.name ?? '',
  )) {
    found.push(invalidField(resource, `spec.ports[${index}].name`, `"${again.name}" is the name of an earlier port`));
  }
  return found;
};

/** As in Kubernetes, a port without targetPort leads to the same port of the workload. */
const normalize = (resource: Resource): Resource => {
  const current = specOf<ServiceSpec>(resource);
  if (current.type === 'ExternalName' || !current.ports?.some((entry) => entry.targetPort === undefined))
    return resource;
  const ports = current.ports.map((entry) => ({ ...entry, targetPort: entry.targetPort ?? entry.port }));
  return { ...resource, spec: { ...current, ports } };
};

const portText = ({ port: number, nodePort, protocol }: ServicePortSpec): string =>
  `${number}${nodePort ? `:${nodePort}` : ''}/${protocol}`;

export const service: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  namespaced: true,
  statusSubresource: true,
  schema: object('A name and ports that select workloads.', {
    'spec!': spec,
    status: object('Its state.', {
      loadBalancer: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      conditions: conditions(),
    }),
  }),
  columns: [
    { name: 'Type', type: 'string', value: (resource) => specOf<ServiceSpec>(resource).type ?? '' },
    { name: 'Cluster-IP', type: 'string', value: (resource) => specOf<ServiceSpec>(resource).clusterIP ?? '<none>' },
    {
      name: 'External-IP',
      type: 'string',
      value: (resource) => {
        const { externalName, externalIPs } = specOf<ServiceSpec>(resource);
        return externalName || externalIPs?.join(',') || '<none>';
      },
    },
    {
      name: 'Port(s)',
      type: 'string',
      value: (resource) => specOf<ServiceSpec>(resource).ports?.map(portText).join(',') || '<none>',
    },
    {
      name: 'Selector',
      type: 'string',
      wide: true,
      value: (resource) => {
        const pairs = Object.entries(specOf<ServiceSpec>(resource).selector ?? {});
        return pairs.map(([key, value]) => `${key}=${value}`).join(',') || '<none>';
      },
    },
  ],
  normalize,
  validate,
};
