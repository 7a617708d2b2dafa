// Where a route's backendRefs lead: a cluster, or why none. Used by routes.ts.
import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import { type BackendRef, GATEWAY_GROUP } from '../kinds/route-parts.ts';
import { INVALID_CLUSTER } from '../model/snapshot.ts';
import { outboundCluster, serviceHost } from './cluster-names.ts';
import type { Extensions } from './extensions.ts';
import type { Grants } from './references.ts';
import type { RouteKind } from './routes.ts';
import type { ServiceShape } from './services.ts';

export interface Backends {
  /** What refers to it is of this kind, and speaks so. */
  resolve(ref: BackendRef, from: Pick<RouteKind, 'kind' | 'backends'>, namespace: string): ResolvedBackend;
  readonly extension: Extensions;
}

export type ResolvedBackend =
  | { readonly cluster: string; readonly session?: SessionPersistence; readonly problem?: undefined }
  | { readonly cluster: typeof INVALID_CLUSTER; readonly session?: undefined; readonly problem: BackendProblem };

export interface BackendProblem {
  readonly reason: 'BackendNotFound' | 'RefNotPermitted' | 'InvalidKind' | 'FilterNotFound' | 'InvalidFilter';
  readonly message: string;
}

const refused = (reason: BackendProblem['reason'], message: string): ResolvedBackend => ({
  cluster: INVALID_CLUSTER,
  problem: { reason, message },
});

export const openBackends = (
  services: ReadonlyMap<string, ServiceShape>,
  grants: Grants,
  extension: Extensions,
  sessions: ReadonlyMap<string, SessionPersistence>,
): Backends => ({
  extension,
  resolve(ref, { kind, backends }, from) {
    const namespace = ref.namespace ?? from;
    if (ref.group !== '' || ref.kind !== 'Service') {
      return refused(
        'InvalidKind',
        `${ref.group ? `${ref.group}/` : ''}${ref.kind} is not supported as a backend; use a Service`,
      );
    }
    const reference = {
      from: { group: GATEWAY_GROUP, kind, namespace: from },
      to: { group: '', kind: 'Service', namespace, name: ref.name },
    };
    // Asked first, so that a route can't find out which services another namespace has.
    if (!grants.allows(reference)) {
      const message = `no ReferenceGrant in namespace ${namespace} lets ${kind}s of ${from} refer to Service ${ref.name}`;
      return refused('RefNotPermitted', message);
    }
    const service = services.get(`${namespace}/${ref.name}`);
    if (!service) return refused('BackendNotFound', `Service ${namespace}/${ref.name} does not exist`);
    const wanted = backends === 'udp' ? 'udp' : 'tcp';
    const offered = service.ports.filter(({ protocol }) => (protocol === 'udp' ? 'udp' : 'tcp') === wanted);
    if (!offered.some(({ port }) => port === ref.port)) {
      const has = offered.map(({ port }) => port).join(', ') || 'none';
      const what = wanted === 'udp' ? 'UDP port' : 'port';
      return refused('BackendNotFound', `Service ${namespace}/${ref.name} has no ${what} ${ref.port} (it has ${has})`);
    }
    const variant = wanted === 'udp' ? 'udp' : backends === 'grpc' ? 'h2' : '';
    const session = sessions.get(service.key);
    return { cluster: outboundCluster(ref.port ?? 0, serviceHost(service), variant), ...(session && { session }) };
  },
});
