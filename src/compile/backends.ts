// Where an HTTPRoute's backendRefs lead: a cluster, or why none. Used by http-routes.ts.
import type { BackendRef } from '../kinds/http-route/types.ts';
import { INVALID_CLUSTER } from '../model/snapshot.ts';
import { outboundCluster, serviceHost } from './cluster-names.ts';
import type { Grants } from './references.ts';
import type { ServiceShape } from './services.ts';

export interface Backends {
  resolve(ref: BackendRef, namespace: string): ResolvedBackend;
}

export type ResolvedBackend =
  | { readonly cluster: string; readonly problem?: undefined }
  | { readonly cluster: typeof INVALID_CLUSTER; readonly problem: BackendProblem };

export interface BackendProblem {
  readonly reason: 'BackendNotFound' | 'RefNotPermitted' | 'InvalidKind';
  readonly message: string;
}

const refused = (reason: BackendProblem['reason'], message: string): ResolvedBackend => ({
  cluster: INVALID_CLUSTER,
  problem: { reason, message },
});

export const openBackends = (services: ReadonlyMap<string, ServiceShape>, grants: Grants): Backends => ({
  resolve(ref, from) {
    const namespace = ref.namespace ?? from;
    if (ref.group !== '' || ref.kind !== 'Service') {
      return refused(
        'InvalidKind',
        `${ref.group ? `${ref.group}/` : ''}${ref.kind} is not supported as a backend; use a Service`,
      );
    }
    const reference = {
      from: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: from },
      to: { group: '', kind: 'Service', namespace, name: ref.name },
    };
    // Asked first, so that a route can't find out which services another namespace has.
    if (!grants.allows(reference)) {
      const message = `no ReferenceGrant in namespace ${namespace} lets HTTPRoutes of ${from} refer to Service ${ref.name}`;
      return refused('RefNotPermitted', message);
    }
    const service = services.get(`${namespace}/${ref.name}`);
    if (!service) return refused('BackendNotFound', `Service ${namespace}/${ref.name} does not exist`);
    const port = service.ports.find((candidate) => candidate.port === ref.port);
    if (!port) {
      const has = service.ports.map((candidate) => candidate.port).join(', ') || 'none';
      return refused('BackendNotFound', `Service ${namespace}/${ref.name} has no port ${ref.port} (it has ${has})`);
    }
    return { cluster: outboundCluster(port.port, serviceHost(service)) };
  },
});
