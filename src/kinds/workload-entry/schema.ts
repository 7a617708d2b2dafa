// networking.istio.io WorkloadEntry: one workload outside Kubernetes pods. Proxies register these; users may write them too.
import type { Problem } from '../../model/problem.ts';
import type { Condition, Resource } from '../../model/resource.ts';
import type { Kind, Schema } from '../kind.ts';
import { invalidField, missingField } from '../problems.ts';
import { integer, istioStatus, item, map, object, specOf, text } from '../schema.ts';

/** `address:port` of the workload's own proxy, where peers reach it by mutual TLS. */
export const INBOUND_ANNOTATION = 'weft.dev/inbound';
/** `address:port` where the workload's own proxy takes HBONE; callers that can reach it otherwise do so. */
export const HBONE_ANNOTATION = 'weft.dev/hbone';
/** Istio's name, as a label or an annotation: with the value `http` the workload is reached by HBONE alone. */
export const TUNNEL_LABEL = 'networking.istio.io/tunnel';
/** `127.0.0.1:port`: the admin interface of the workload's own proxy, on the proxy's machine. */
export const ADMIN_ANNOTATION = 'weft.dev/admin';
/** Set on entries that a proxy's connection keeps alive; the value is the proxy's node id. */
export const REGISTERED_BY_ANNOTATION = 'weft.dev/registered-by';

export interface WorkloadEntrySpec {
  readonly address?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

export interface WorkloadEntryStatus {
  readonly conditions?: readonly Condition[];
}

const MAX_UINT32 = 2 ** 32 - 1;

/** Of a WorkloadEntry's spec, and of a ServiceEntry's endpoints. */
export const workloadFields: Record<string, Schema> = {
  address: text('IP address or DNS name, without a port.', { maxLength: 256 }),
  ports: map('Ports that it listens on, by name.', integer('', { minimum: 0, maximum: MAX_UINT32 }), {
    maxProperties: 128,
  }),
  labels: map('Labels that services select it by.', item(), { maxProperties: 256 }),
  network: text('Name of the network that it is in; not used yet.', { maxLength: 2048 }),
  locality: text('Where it is: region/zone/subzone.', { maxLength: 2048 }),
  weight: integer('Its share of the traffic among the endpoints.', { minimum: 0, maximum: MAX_UINT32 }),
  serviceAccount: text('The service account that it runs as; part of its identity.', { maxLength: 253 }),
};

const PORT_NAME = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;

/** The checks for one workload, in a spec or in a list of endpoints. */
export const checkWorkload = (resource: Resource, spec: WorkloadEntrySpec, path: string): Problem[] => {
  const found: Problem[] = [];
  if (!spec.address && !spec.network) {
    found.push(missingField(resource, `${path}.address`, 'is required'));
  }
  if (spec.address?.startsWith('unix://') && spec.ports) {
    found.push(invalidField(resource, `${path}.ports`, 'must not be set for a unix socket'));
  }
  for (const [name, number] of Object.entries(spec.ports ?? {})) {
    if (!PORT_NAME.test(name) || name.length >= 63) {
      found.push(invalidField(resource, `${path}.ports`, `"${name}" is not a port name: letters, digits, "-"`));
    }
    if (number < 1 || number > 65535) {
      found.push(invalidField(resource, `${path}.ports.${name}`, `${number} is not a port (1 to 65535)`));
    }
  }
  return found;
};

const identityOf = (resource: Resource): string =>
  `${resource.metadata.namespace ?? 'default'}/${specOf<WorkloadEntrySpec>(resource).serviceAccount || 'default'}`;

/** What a person wants to know of a workload's health in one word. */
export const healthOf = (resource: Resource): string => {
  const { conditions } = (resource.status ?? {}) as WorkloadEntryStatus;
  const healthy = conditions?.find((condition) => condition.type === 'Healthy');
  if (!healthy) return 'Healthy';
  if (healthy.status === 'Unknown') return 'Starting';
  return healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
};

export const workloadEntry: Kind = {
  group: 'networking.istio.io',
  version: 'v1',
  alsoServed: ['v1beta1', 'v1alpha3'],
  kind: 'WorkloadEntry',
  plural: 'workloadentries',
  singular: 'workloadentry',
  shortNames: ['we', 'workload', 'workloads'],
  namespaced: true,
  statusSubresource: true,
  schema: object('One workload: a process or a machine that services can lead to.', {
    'spec!': object('What it is.', workloadFields),
    status: istioStatus,
  }),
  columns: [
    { name: 'Identity', type: 'string', value: identityOf },
    {
      name: 'Address',
      type: 'string',
      value: (resource) =>
        resource.metadata.annotations?.[INBOUND_ANNOTATION] ?? specOf<WorkloadEntrySpec>(resource).address ?? '',
    },
    { name: 'Health', type: 'string', value: healthOf },
    {
      name: 'Ports',
      type: 'string',
      wide: true,
      value: (resource) =>
        Object.entries(specOf<WorkloadEntrySpec>(resource).ports ?? {})
          .map(([name, number]) => `${name}:${number}`)
          .join(','),
    },
    {
      name: 'Labels',
      type: 'string',
      wide: true,
      value: (resource) =>
        Object.entries({ ...resource.metadata.labels, ...specOf<WorkloadEntrySpec>(resource).labels })
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
    },
  ],
  validate: (resource) => {
    const found = checkWorkload(resource, specOf<WorkloadEntrySpec>(resource), 'spec');
    const inbound = resource.metadata.annotations?.[INBOUND_ANNOTATION];
    if (inbound !== undefined && !parseAddressPort(inbound)) {
      const path = `metadata.annotations["${INBOUND_ANNOTATION}"]`;
      found.push(invalidField(resource, path, `"${inbound}" is not of the form address:port`));
    }
    return found;
  },
};

/** `10.0.0.1:15006` or `[::1]:15006`; undefined for anything else. */
export const parseAddressPort = (value: string): { address: string; port: number } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(value);
  const number = Number(match?.[3]);
  return match && number >= 1 && number <= 65535 ? { address: match[1] ?? match[2]!, port: number } : undefined;
};
