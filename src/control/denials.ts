// Which policies closed the door on a denied request, for proxies that only say that it was denied. Used by control.ts.
import { matchesLabels } from '../compile/selection.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { Mesh, ScopedPolicy, Workload } from '../model/mesh.ts';

/** The ALLOW policies in force where the request was denied: none of them let it in. Empty when the place is not known. */
export const denialPolicies = (mesh: Mesh, { direction, destination }: TrafficEvent): string[] => {
  if (direction === 'gateway') return atGateways(mesh);
  if (direction !== 'inbound' || destination.namespace === undefined) return [];
  const { namespace } = destination;
  const workload = destination.workload === undefined ? undefined : findWorkload(mesh, namespace, destination.workload);
  return mesh.policies
    .filter(
      ({ policy, scope }) => policy.action === 'ALLOW' && reaches(scope, namespace, destination.service, workload),
    )
    .map(({ policy }) => policy.name);
};

/** Which Gateway it was is not in the event: those for the mesh, and those for any Gateway. */
const atGateways = ({ policies }: Mesh): string[] =>
  policies
    .filter(({ policy, scope }) => {
      const meshWide = scope.namespace === undefined && scope.labels === undefined;
      return policy.action === 'ALLOW' && (meshWide || scope.target?.startsWith('Gateway/'));
    })
    .map(({ policy }) => policy.name);

const findWorkload = (mesh: Mesh, namespace: string, name: string): Workload | undefined =>
  mesh.workloads.get(name.includes('/') ? name : `${namespace}/${name}`);

const reaches = (
  scope: ScopedPolicy['scope'],
  namespace: string,
  service: string | undefined,
  workload: Workload | undefined,
): boolean => {
  if (scope.namespace !== undefined && scope.namespace !== namespace) return false;
  if (scope.target !== undefined)
    return service !== undefined && scope.target === `Service/${service.split('/').at(-1)}`;
  return scope.labels === undefined || (workload !== undefined && matchesLabels(scope.labels, workload.labels));
};
