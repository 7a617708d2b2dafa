// ServiceEntries as mesh services, one per host. Used by compile.
import { isIP } from 'node:net';
import type { ServiceEntryPort, ServiceEntrySpec } from '../kinds/service-entry/schema.ts';
import type { WorkloadEntrySpec } from '../kinds/workload-entry/schema.ts';
import type { MeshService, ServicePort } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { Endpoint } from '../model/snapshot.ts';
import type { Input } from './input.ts';
import { keepEqual, sameItems } from './keep.ts';
import { notSupported, warning } from './problem.ts';
import { protocolOf } from './protocol.ts';
import type { Selection } from './selection.ts';
import { type ServicePart, shapeOf } from './services.ts';
import { localityOf, type WorkloadPart, type WorkloadService } from './workloads.ts';

type Entry = Input<ServiceEntrySpec>;

interface Memo {
  readonly input: Entry;
  readonly workloads: readonly WorkloadPart[];
  readonly parts: readonly ServicePart[];
  readonly problems: readonly Problem[];
}

export const selectorOf = ({ spec }: Entry): Readonly<Record<string, string>> => spec.workloadSelector?.labels ?? {};

/** Compiles ServiceEntries; those whose inputs are the same keep their result. */
export const openServiceEntries = () => {
  let memos = new Map<string, Memo>();
  return (
    entries: readonly Entry[],
    selection: Selection,
  ): { parts: readonly ServicePart[]; problems: readonly Problem[] } => {
    const next = new Map<string, Memo>();
    for (const input of entries) {
      const workloads = selection.select(input.namespace, selectorOf(input));
      const before = memos.get(input.key);
      const unchanged = before?.input === input && sameItems(before.workloads, workloads);
      next.set(input.key, unchanged ? before : build(input, workloads, before));
    }
    memos = next;
    const all = [...next.values()];
    return { parts: all.flatMap(({ parts }) => parts), problems: all.flatMap(({ problems }) => problems) };
  };
};

/** Why an entry, or one of its hosts, can't be used. */
const refusals = (input: Entry): Problem[] => {
  const { resolution = 'NONE', endpoints = [], hosts } = input.spec;
  const found: Problem[] = [];
  if (resolution === 'NONE') {
    found.push(notSupported(input, 'spec.resolution', 'NONE', 'set resolution: DNS, or STATIC with endpoints'));
  }
  if (resolution === 'DYNAMIC_DNS') found.push(notSupported(input, 'spec.resolution', 'DYNAMIC_DNS', 'use DNS'));
  const dns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  if (dns && endpoints.length > 1 && endpoints.some(({ address = '' }) => !isIP(address))) {
    found.push(notSupported(input, 'spec.endpoints', 'more than one DNS name', 'use one ServiceEntry for each name'));
  }
  if (dns && endpoints.length === 0 && hosts.some((host) => host.startsWith('*'))) {
    found.push(notSupported(input, 'spec.hosts', 'a wildcard with resolution DNS and no endpoint', 'name an endpoint'));
  }
  if (endpoints.some(({ address = '' }) => address.startsWith('unix://'))) {
    found.push(notSupported(input, 'spec.endpoints', 'a unix socket'));
  }
  return found;
};

const remarks = (input: Entry): Problem[] => {
  const { exportTo = [], subjectAltNames = [], ports } = input.spec;
  const found: Problem[] = [];
  if (exportTo.some((namespace) => namespace !== '*')) {
    found.push(
      warning(notSupported(input, 'spec.exportTo', 'narrowing to namespaces', 'every namespace sees the service')),
    );
  }
  if (subjectAltNames.length > 0) found.push(warning(notSupported(input, 'spec.subjectAltNames', 'checking names')));
  if (!ports?.length) found.push(warning(notSupported(input, 'spec.ports', 'an entry without ports')));
  return found;
};

const build = (input: Entry, workloads: readonly WorkloadPart[], before: Memo | undefined): Memo => {
  const refused = refusals(input);
  const problems = [...refused, ...remarks(input)];
  if (refused.length > 0) return { input, workloads, parts: [], problems };
  const addresses = (input.spec.addresses ?? []).filter((address) => isIP(address) !== 0);
  const previous = new Map(before?.parts.map((part) => [part.key, part]));
  const parts = input.spec.hosts.map((written) => {
    const host = written.toLowerCase();
    const key = `${input.namespace}/${host}`;
    const leads: { workload: WorkloadPart; via: WorkloadService }[] = [];
    const ports = (input.spec.ports ?? []).map((port) => buildPort(input, key, host, port, workloads, leads));
    const last = previous.get(key);
    const service = keepEqual(last?.service, {
      namespace: input.namespace,
      name: host,
      hosts: [host],
      origin: 'ServiceEntry' as const,
      ports,
      ...(addresses.length > 0 && { addresses }),
    } satisfies MeshService);
    const known = new Map(last?.leads.map(({ via }) => [`${via.port} ${via.targetPort}`, via]));
    return {
      key,
      service,
      shape: keepEqual(last?.shape, shapeOf(key, service)),
      leads: leads.map(({ workload, via }) => ({
        workload,
        via: keepEqual(known.get(`${via.port} ${via.targetPort}`), via),
      })),
      problems: [],
    };
  });
  return { input, workloads, parts, problems };
};

const buildPort = (
  { spec }: Entry,
  key: string,
  host: string,
  port: ServiceEntryPort,
  workloads: readonly WorkloadPart[],
  leads: { workload: WorkloadPart; via: WorkloadService }[],
): ServicePort => {
  const protocol = protocolOf(port.protocol, port.name);
  const base = { name: port.name, port: port.number, protocol, routes: [] };
  const { endpoints = [], resolution, workloadSelector } = spec;
  const [only] = endpoints;
  if (resolution !== 'STATIC' && !workloadSelector && endpoints.every(({ address = '' }) => !isIP(address))) {
    const target = only?.ports?.[port.name] ?? port.targetPort ?? port.number;
    return { ...base, endpoints: [], dns: { host: (only?.address ?? host).toLowerCase(), port: target } };
  }
  const found: Endpoint[] = endpoints.map((endpoint) => endpointOf(endpoint, port));
  for (const workload of workloads) {
    const targetPort = workload.ports[port.name] ?? port.targetPort ?? port.number;
    leads.push({ workload, via: { service: key, port: port.number, protocol, targetPort } });
    if (!workload.starting) found.push(workload.endpoint(targetPort));
  }
  return { ...base, endpoints: found };
};

const endpointOf = (
  { address = '', ports = {}, weight, locality }: WorkloadEntrySpec,
  port: ServiceEntryPort,
): Endpoint => ({
  address,
  port: ports[port.name] ?? port.targetPort ?? port.number,
  mesh: false,
  weight: weight || 1,
  health: 'healthy',
  ...localityOf(locality),
});
