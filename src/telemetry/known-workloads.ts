// Finds the workload behind one side of an event in the compiled mesh, for names and versions. Wired into the hub by app/.
import type { EventPeer } from '../model/event.ts';
import type { Mesh, Workload } from '../model/mesh.ts';
import type { KnownWorkload } from './hub.ts';
import { workloadOf } from './view.ts';

interface Index {
  readonly byName: ReadonlyMap<string, KnownWorkload>;
  /** `address:port`, of the proxy and of the program. */
  readonly byAddress: ReadonlyMap<string, KnownWorkload>;
  /** Only where a single workload has the identity. */
  readonly byIdentity: ReadonlyMap<string, KnownWorkload>;
}

const knownOf = (name: string, { labels }: Workload): KnownWorkload => ({ workload: name, version: labels.version });

const indexOf = (mesh: Mesh): Index => {
  const byName = new Map<string, KnownWorkload>();
  const byAddress = new Map<string, KnownWorkload>();
  const byIdentity = new Map<string, KnownWorkload>();
  const shared = new Set<string>();
  for (const [name, workload] of mesh.workloads) {
    const known = knownOf(name, workload);
    byName.set(name, known);
    for (const port of Object.values(workload.ports)) byAddress.set(`${workload.address}:${port}`, known);
    if (byIdentity.has(workload.identity)) shared.add(workload.identity);
    byIdentity.set(workload.identity, known);
  }
  for (const identity of shared) byIdentity.delete(identity);
  for (const service of mesh.services.values()) {
    for (const { address, port, workload, identity } of service.ports.flatMap((servicePort) => servicePort.endpoints)) {
      const known = workload === undefined ? undefined : byName.get(workload);
      if (known) byAddress.set(`${address}:${port}`, { ...known, identity });
    }
  }
  return { byName, byAddress, byIdentity };
};

/** `mesh` is asked for each event; its index is made once for each new mesh. */
export const knownWorkloads = (mesh: () => Mesh): ((peer: EventPeer) => KnownWorkload | undefined) => {
  let last: { mesh: Mesh; index: Index } | undefined;
  return (peer) => {
    const now = mesh();
    if (last?.mesh !== now) last = { mesh: now, index: indexOf(now) };
    const { byName, byAddress, byIdentity } = last.index;
    const name = workloadOf(peer);
    return (
      (name === undefined ? undefined : byName.get(name)) ??
      (peer.address === undefined ? undefined : byAddress.get(peer.address)) ??
      (peer.identity === undefined ? undefined : byIdentity.get(peer.identity))
    );
  };
};
