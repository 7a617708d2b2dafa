// Says where a BackendTrafficPolicy wants a PROXY protocol header and workloads of the mesh, which take none, are behind it. Used by compiler.ts.
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import type { MeshGateway, MeshService } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import { baseCluster, outboundCluster, serviceHost, splitCluster } from './cluster-names.ts';
import { targetClusters } from './gateway-targets.ts';
import type { Input } from './input.ts';
import { notSupported, warning } from './problem.ts';

export const headerProblems = (
  policies: readonly Input<BackendTrafficPolicySpec>[],
  gateways: ReadonlyMap<string, MeshGateway>,
  services: ReadonlyMap<string, MeshService>,
): Problem[] => {
  const asking = new Map(policies.filter(({ spec }) => spec.proxyProtocol).map((input) => [input.key, input]));
  if (asking.size === 0) return [];
  const inMesh = new Map<string, string>();
  for (const [key, service] of services) {
    for (const { port, endpoints } of service.ports) {
      if (endpoints.some(({ mesh }) => mesh)) inMesh.set(outboundCluster(port, serviceHost(service)), key);
    }
  }
  const found = new Map<string, Problem>();
  for (const name of [...gateways.values()].flatMap(targetClusters)) {
    const input = asking.get(splitCluster(name).policy ?? '');
    const service = inMesh.get(baseCluster(name));
    if (!input || service === undefined) continue;
    const what = `a header to workloads of the mesh, as Service ${service} has them,`;
    const hint = 'they get none; the rest of the policy holds';
    found.set(name, warning(notSupported(input, 'spec.proxyProtocol', what, hint)));
  }
  return [...found.values()];
};
