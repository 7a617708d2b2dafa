// WorkloadEntries as workloads: identity, health, and the endpoints that services make of them. Used by compile.
import {
  HBONE_ANNOTATION,
  INBOUND_ANNOTATION,
  parseAddressPort,
  TUNNEL_LABEL,
  type WorkloadEntrySpec,
  type WorkloadEntryStatus,
} from '../kinds/workload-entry/schema.ts';
import { formatSpiffeId } from '../model/identity.ts';
import type { Workload } from '../model/mesh.ts';
import type { SocketAddress } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Endpoint, Hbone, Locality } from '../model/snapshot.ts';
import type { Input } from './input.ts';
import { notSupported } from './problem.ts';

/** A workload before it is known which services lead to it. */
export interface WorkloadPart extends Omit<Workload, 'services'> {
  readonly key: string;
  /** Registered, but its proxy has not found it healthy yet: not an endpoint. */
  readonly starting: boolean;
  /** The endpoint for the port that the program listens on; the same object for the same port. UDP goes past its proxy. */
  endpoint(targetPort: number, transport?: 'udp'): Endpoint;
  readonly problems: readonly Problem[];
}

type Health = { readonly health: Endpoint['health']; readonly starting: boolean };

const healthOf = ({ stored }: Input): Health => {
  const { conditions } = (stored.status ?? {}) as WorkloadEntryStatus;
  const found = Array.isArray(conditions) ? conditions.find((condition) => condition?.type === 'Healthy') : undefined;
  // An entry without a word on its health was written by hand: it is taken as it is.
  if (!found || found.status === 'True') return { health: 'healthy', starting: false };
  return { health: 'unhealthy', starting: found.status === 'Unknown' };
};

/** Istio's port for HBONE, where nothing names another. */
const HBONE_PORT = 15_008;

/** Direct mutual TLS is one hop of HTTP less, so HBONE is for those that are reached by nothing else, or ask for it. */
const hboneOf = (
  { resource, spec }: Input<WorkloadEntrySpec>,
  direct: SocketAddress | undefined,
): Hbone | undefined => {
  const { labels, annotations = {} } = resource.metadata;
  const isAsked = [labels, spec.labels, annotations].some((all) => all?.[TUNNEL_LABEL] === 'http');
  const offered = parseAddressPort(annotations[HBONE_ANNOTATION] ?? '');
  if (isAsked) return { port: offered?.port ?? HBONE_PORT, ...(direct && { direct }) };
  return offered && !direct ? { port: offered.port } : undefined;
};

export const localityOf = (text: string | undefined): { locality?: Locality } => {
  if (!text) return {};
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { locality: { region, zone, subzone } };
};

export const buildWorkload = (input: Input<WorkloadEntrySpec>, trustDomain: string): WorkloadPart => {
  const { spec, resource, key, namespace, name } = input;
  const { address = '', ports = {}, weight, locality } = spec;
  const serviceAccount = spec.serviceAccount || 'default';
  const identity = formatSpiffeId({ trustDomain, namespace, serviceAccount });
  const { health, starting } = healthOf(input);
  const inbound = parseAddressPort(resource.metadata.annotations?.[INBOUND_ANNOTATION] ?? '');
  const base = { workload: key, weight: weight || 1, health, ...localityOf(locality) };
  const mesh: Endpoint | undefined = inbound && { ...inbound, mesh: true, identity, ...base };
  const hbone = hboneOf(input, inbound);
  const tunneled = new Map<number, Endpoint>();
  const plain = new Map<number, Endpoint>();
  const problems: Problem[] = [];
  if (address.startsWith('unix://'))
    problems.push(notSupported(input, 'spec.address', 'a unix socket', 'give an address and ports'));
  if (!address) problems.push(notSupported(input, 'spec.network', 'a workload without an address', 'set spec.address'));
  return {
    key,
    namespace,
    name,
    address,
    ports,
    labels: { ...resource.metadata.labels, ...spec.labels },
    serviceAccount,
    identity,
    health,
    starting: starting || problems.length > 0,
    endpoint(targetPort, transport) {
      const place = { address, port: targetPort };
      if (transport !== 'udp' && hbone)
        return memoized(tunneled, targetPort, () => ({ ...place, mesh: true, hbone, identity, ...base }));
      if (transport !== 'udp' && mesh) return mesh;
      return memoized(plain, targetPort, () => ({ ...place, mesh: false, ...base }));
    },
    problems,
  };
};

const memoized = (known: Map<number, Endpoint>, port: number, make: () => Endpoint): Endpoint => {
  const found = known.get(port) ?? make();
  known.set(port, found);
  return found;
};

/** One service port that leads to a workload; the same object from run to run. */
export type WorkloadService = Workload['services'][number];

export const workloadOf = (part: WorkloadPart, services: readonly WorkloadService[]): Workload => ({
  namespace: part.namespace,
  name: part.name,
  address: part.address,
  ports: part.ports,
  labels: part.labels,
  serviceAccount: part.serviceAccount,
  identity: part.identity,
  health: part.health,
  services,
});
