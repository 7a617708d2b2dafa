// WorkloadEntries as the workloads of the Mesh, each with the services that lead to it. Used by compiler.ts.
import type { WorkloadEntrySpec } from '../kinds/workload-entry/schema.ts';
import type { Workload } from '../model/mesh.ts';
import type { Input, Inputs } from './input.ts';
import { keepEqual, keepMap, sameItems } from './keep.ts';
import type { ServicePart } from './services.ts';
import { buildWorkload, type WorkloadPart, type WorkloadService, workloadOf } from './workloads.ts';

export const openWorkloads = (trustDomain: string) => {
  const built = new WeakMap<Input, WorkloadPart>();
  let workloads = new Map<string, { part: WorkloadPart; workload: Workload }>();
  let map: ReadonlyMap<string, Workload> = new Map();
  return {
    read: (inputs: Inputs): readonly WorkloadPart[] =>
      inputs.of<WorkloadEntrySpec>('networking.istio.io/WorkloadEntry').map((input) => {
        let part = built.get(input);
        if (!part) {
          part = buildWorkload(input, trustDomain);
          built.set(input, part);
        }
        return part;
      }),
    assemble(parts: readonly WorkloadPart[], services: readonly ServicePart[]): ReadonlyMap<string, Workload> {
      const leads = new Map<WorkloadPart, WorkloadService[]>(parts.map((part) => [part, []]));
      for (const service of services) {
        for (const { workload, via } of service.leads) leads.get(workload)?.push(via);
      }
      const next: typeof workloads = new Map();
      for (const [part, via] of leads) {
        const before = workloads.get(part.key);
        const unchanged = before?.part === part && sameItems(before.workload.services, via);
        next.set(part.key, unchanged ? before : { part, workload: keepEqual(before?.workload, workloadOf(part, via)) });
      }
      workloads = next;
      map = keepMap(map, new Map([...next].map(([key, { workload }]) => [key, workload])));
      return map;
    },
  };
};
