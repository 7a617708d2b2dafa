// Services as mesh services: names, ports, and endpoints from workloads and EndpointSlices. Used by compile.
import { isIP } from 'node:net';
import type { EndpointSliceResource } from '../kinds/endpoint-slice/schema.ts';
import { SERVICE_NAME_LABEL } from '../kinds/endpoint-slice/schema.ts';
import type { ServicePortSpec, ServiceSpec } from '../kinds/service/schema.ts';
import type { MeshService, ServicePort } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { Endpoint } from '../model/snapshot.ts';
import type { Input } from './input.ts';
import { keepEqual, sameItems } from './keep.ts';
import { notSupported, problemOf, warning } from './problem.ts';
import { protocolOf, undeclaredOf } from './protocol.ts';
import type { Selection } from './selection.ts';
import type { WorkloadPart, WorkloadService } from './workloads.ts';

/** A service with what compile needs besides: which workloads it leads to. */
export interface ServicePart {
  readonly key: string;
  readonly service: MeshService;
  /** Everything but the endpoints; the same object until names, ports or protocols change. */
  readonly shape: ServiceShape;
  readonly leads: readonly { readonly workload: WorkloadPart; readonly via: WorkloadService }[];
  readonly problems: readonly Problem[];
}

export interface ServiceShape {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: ServicePort['protocol'];
  }[];
}

export const shapeOf = (key: string, { namespace, name, ports }: MeshService): ServiceShape => ({
  key,
  namespace,
  name,
  ports: ports.map(({ name: portName, port, protocol }) => ({ name: portName, port, protocol })),
});

/** The names of a Service, least specific first. */
const hostsOf = (name: string, namespace: string): string[] => [
  name,
  `${name}.${namespace}`,
  `${name}.${namespace}.svc`,
  `${name}.${namespace}.svc.cluster.local`,
];

interface Memo {
  readonly input: Input<ServiceSpec>;
  readonly workloads: readonly WorkloadPart[];
  readonly slices: readonly Input[];
  readonly part: ServicePart;
}

/** Compiles Services; those whose inputs are the same keep their result. */
export const openServices = () => {
  let memos = new Map<string, Memo>();
  return (
    services: readonly Input<ServiceSpec>[],
    slices: readonly Input[],
    selection: Selection,
  ): readonly ServicePart[] => {
    const slicesOf = groupSlices(slices);
    const next = new Map<string, Memo>();
    for (const input of services) {
      const workloads = selection.select(input.namespace, selectorOf(input));
      const own = slicesOf.get(input.key) ?? [];
      const before = memos.get(input.key);
      const unchanged =
        before?.input === input && sameItems(before.workloads, workloads) && sameItems(before.slices, own);
      next.set(
        input.key,
        unchanged ? before : { input, workloads, slices: own, part: build(input, workloads, own, before?.part) },
      );
    }
    memos = next;
    return [...next.values()].map(({ part }) => part);
  };
};

export const selectorOf = ({ spec }: Input<ServiceSpec>): Readonly<Record<string, string>> =>
  spec.type === 'ExternalName' ? {} : (spec.selector ?? {});

const groupSlices = (slices: readonly Input[]): Map<string, Input[]> => {
  const grouped = new Map<string, Input[]>();
  for (const slice of slices) {
    const name = slice.resource.metadata.labels?.[SERVICE_NAME_LABEL];
    if (!name) continue;
    const key = `${slice.namespace}/${name}`;
    const list = grouped.get(key);
    if (list) list.push(slice);
    else grouped.set(key, [slice]);
  }
  return grouped;
};

const build = (
  input: Input<ServiceSpec>,
  workloads: readonly WorkloadPart[],
  slices: readonly Input[],
  before: ServicePart | undefined,
): ServicePart => {
  const { spec, key, namespace, name } = input;
  const problems: Problem[] = [];
  const ports: ServicePort[] = [];
  const leads: { workload: WorkloadPart; via: WorkloadService }[] = [];
  for (const [i, portSpec] of (spec.ports ?? []).entries()) {
    if (portSpec.protocol === 'SCTP') {
      problems.push(notSupported(input, `spec.ports[${i}].protocol`, portSpec.protocol));
      continue;
    }
    ports.push(buildPort(input, portSpec, workloads, slices, leads, problems));
  }
  if (spec.sessionAffinity === 'ClientIP')
    problems.push(warning(notSupported(input, 'spec.sessionAffinity', 'ClientIP')));
  const service = keepEqual(before?.service, {
    namespace,
    name,
    hosts: hostsOf(name, namespace),
    origin: 'Service' as const,
    ports,
    ...addressesOf(spec),
  } satisfies MeshService);
  return {
    key,
    service,
    shape: keepEqual(before?.shape, shapeOf(key, service)),
    leads: keepLeads(before?.leads, leads),
    problems,
  };
};

const addressesOf = ({
  type,
  clusterIP,
  clusterIPs = [],
}: ServiceSpec): Pick<MeshService, 'addresses' | 'headless'> => {
  if (type === 'ExternalName') return {};
  if (clusterIP === 'None') return { headless: true };
  const addresses = [...new Set([clusterIP ?? '', ...clusterIPs])].filter((address) => isIP(address) !== 0);
  return addresses.length > 0 ? { addresses } : {};
};

/** Their `via` keep identity, so that workloads can keep theirs. */
const keepLeads = (before: ServicePart['leads'] = [], leads: ServicePart['leads']): ServicePart['leads'] => {
  const known = new Map(before.map(({ via }) => [`${via.port} ${via.targetPort}`, via]));
  return leads.map(({ workload, via }) => {
    const id = `${via.port} ${via.targetPort}`;
    const kept = keepEqual(known.get(id), via);
    known.set(id, kept);
    return { workload, via: kept };
  });
};

const buildPort = (
  input: Input<ServiceSpec>,
  portSpec: ServicePortSpec,
  workloads: readonly WorkloadPart[],
  slices: readonly Input[],
  leads: { workload: WorkloadPart; via: WorkloadService }[],
  problems: Problem[],
): ServicePort => {
  const { spec, key } = input;
  const protocol: ServicePort['protocol'] =
    portSpec.protocol === 'UDP' ? 'udp' : protocolOf(portSpec.appProtocol, portSpec.name);
  const undeclared = protocol === 'udp' ? {} : undeclaredOf(portSpec.appProtocol, portSpec.name);
  const base = { name: portSpec.name ?? '', port: portSpec.port, protocol, ...undeclared, routes: [] };
  if (spec.type === 'ExternalName' && spec.externalName) {
    return { ...base, endpoints: [], dns: { host: spec.externalName.toLowerCase(), port: portSpec.port } };
  }
  const endpoints: Endpoint[] = [];
  let unresolved = 0;
  for (const workload of workloads) {
    const targetPort = targetPortOf(portSpec, workload);
    if (targetPort === undefined) {
      unresolved++;
      continue;
    }
    if (protocol !== 'udp')
      leads.push({ workload, via: { service: key, port: portSpec.port, protocol, ...undeclared, targetPort } });
    if (workload.starting && !spec.publishNotReadyAddresses) continue;
    endpoints.push(workload.endpoint(targetPort, protocol === 'udp' ? 'udp' : undefined));
  }
  for (const slice of slices) endpoints.push(...sliceEndpoints(slice, portSpec, spec));
  if (unresolved > 0) {
    const message = `port ${portSpec.port} leads to the port named "${portSpec.targetPort}", which ${unresolved} of ${workloads.length} workloads do not have`;
    const hint = `name it in spec.ports of the WorkloadEntry, or with --port ${portSpec.targetPort}=N`;
    problems.push(warning(problemOf(input, 'PORT_NOT_FOUND', message, { path: 'spec.ports', hint })));
  }
  return { ...base, endpoints: dedupe(endpoints) };
};

const targetPortOf = (
  { targetPort, port, name = '' }: ServicePortSpec,
  { ports }: WorkloadPart,
): number | undefined => {
  if (targetPort === undefined) return ports[name] ?? port;
  if (typeof targetPort === 'number') return targetPort;
  return ports[targetPort] ?? ports[name] ?? (/^[0-9]+$/.test(targetPort) ? Number(targetPort) : undefined);
};

const sliceEndpoints = (
  { resource, namespace }: Input,
  portSpec: ServicePortSpec,
  { publishNotReadyAddresses }: ServiceSpec,
): Endpoint[] => {
  const slice = resource as EndpointSliceResource;
  if (slice.addressType === 'FQDN') return [];
  const port = slice.ports?.find(
    ({ name, protocol }) => (name ?? '') === (portSpec.name ?? '') && protocol === portSpec.protocol,
  );
  if (!port?.port) return [];
  const found: Endpoint[] = [];
  for (const { addresses, conditions = {}, targetRef, zone } of slice.endpoints ?? []) {
    const [address] = addresses;
    const { ready = true, serving = ready, terminating = false } = conditions;
    if (!address || (!serving && !publishNotReadyAddresses)) continue;
    found.push({
      address,
      port: port.port,
      mesh: false,
      ...(targetRef?.name ? { workload: `${targetRef.namespace ?? namespace}/${targetRef.name}` } : {}),
      weight: 1,
      health: terminating ? 'draining' : ready || publishNotReadyAddresses ? 'healthy' : 'unhealthy',
      ...(zone ? { locality: { region: '', zone, subzone: '' } } : {}),
    });
  }
  return found;
};

/** One address must not be an endpoint twice: it would get twice its share. */
const dedupe = (endpoints: readonly Endpoint[]): readonly Endpoint[] => {
  const seen = new Set<string>();
  return endpoints.filter(({ address, port, workload, mesh }) => {
    const id = mesh ? `mesh ${workload}` : `${address} ${port}`;
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
};
