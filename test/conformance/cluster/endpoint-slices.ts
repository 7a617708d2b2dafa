// Keeps an EndpointSlice of ready Pods for each Service that selects some. Opened by the harness.
import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../../src/client/client.ts';
import { endpointSlice, SERVICE_NAME_LABEL } from '../../../src/kinds/endpoint-slice/schema.ts';
import { type PodSpec, type PodStatus, pod } from '../../../src/kinds/pod/schema.ts';
import { type ServicePortSpec, type ServiceSpec, service } from '../../../src/kinds/service/schema.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { openLoop, openMirror, unless } from './mirror.ts';

const MANAGED_BY = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' };

const isSelected = ({ metadata }: Resource, selector: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector).every(([key, value]) => metadata.labels?.[key] === value);

/** By number, or by the name that the Pods give it. */
const targetPort = (
  { port, targetPort: target = port }: ServicePortSpec,
  pods: readonly Resource[],
): number | undefined =>
  typeof target === 'number'
    ? target
    : pods
        .flatMap(({ spec }) => (spec as PodSpec).containers.flatMap(({ ports = [] }) => ports))
        .find(({ name }) => name === target)?.containerPort;

const addressOf = (one: Resource): string | undefined => (one.status as PodStatus | undefined)?.podIP;

const sliceOf = (owner: Resource, pods: readonly Resource[]): Resource => {
  const { ports = [] } = owner.spec as ServiceSpec;
  const { name, namespace, uid, labels } = owner.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-pods`,
      namespace,
      labels: { ...labels, ...MANAGED_BY, [SERVICE_NAME_LABEL]: name },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true }],
    } as Resource['metadata'],
    addressType: 'IPv4',
    endpoints: pods.map((one) => ({
      addresses: [addressOf(one)],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: 'Pod', name: one.metadata.name, namespace: one.metadata.namespace },
    })),
    ports: ports.flatMap((entry) => {
      const port = targetPort(entry, pods);
      const { name: portName = '', protocol, appProtocol } = entry;
      return port === undefined ? [] : [{ name: portName, port, protocol, ...(appProtocol && { appProtocol }) }];
    }),
  } as Resource;
};

export const openEndpointSlices = (client: Client, signal: AbortSignal): { readonly ready: Promise<unknown> } => {
  const written = new Map<string, Resource>();
  const onChange = openLoop(async () => {
    await ready;
    for (const [key, slice] of written) {
      if (services.items.has(key)) continue;
      const { name, namespace } = slice.metadata;
      await unless('API_NOT_FOUND', client.delete(endpointSlice, name, { namespace }));
      written.delete(key);
    }
    for (const [key, owner] of services.items) {
      const { selector } = owner.spec as ServiceSpec;
      if (!selector || Object.keys(selector).length === 0) continue;
      const selected = [...pods.items.values()].filter(
        (one) => one.metadata.namespace === owner.metadata.namespace && addressOf(one) && isSelected(one, selector),
      );
      await write(key, sliceOf(owner, selected));
    }
  });
  const services = openMirror(client, service, { signal, onChange });
  const pods = openMirror(client, pod, { signal, onChange });
  const ready = Promise.all([services.ready, pods.ready]);

  const write = async (key: string, slice: Resource) => {
    const before = written.get(key);
    if (isDeepStrictEqual(before, slice)) return;
    const call = before ? client.replace(endpointSlice, slice) : client.create(endpointSlice, slice);
    await unless('API_NOT_FOUND', call);
    written.set(key, slice);
  };
  return { ready };
};
