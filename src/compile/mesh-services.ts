// Services and ServiceEntries as the services of the Mesh, with the routes of HTTPRoutes. Used by compiler.ts.

import type { SessionPersistence } from '../filters/session-affinity/schema.ts';
import type { ServiceSpec } from '../kinds/service/schema.ts';
import type { ServiceEntrySpec } from '../kinds/service-entry/schema.ts';
import type { MeshService } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { Route } from '../model/route.ts';
import type { RetryBudget } from '../model/snapshot.ts';
import type { Input, Inputs } from './input.ts';
import { keepEqual, keepMap } from './keep.ts';
import { problemOf } from './problem.ts';
import { openSelection } from './selection.ts';
import { selectorOf as entrySelector, openServiceEntries } from './service-entries.ts';
import { openServices, type ServicePart, selectorOf } from './services.ts';
import type { WorkloadPart } from './workloads.ts';

export const openMeshServices = () => {
  const compileServices = openServices();
  const compileEntries = openServiceEntries();
  const withRoutes = new Map<string, MeshService>();
  let map: ReadonlyMap<string, MeshService> = new Map();
  return {
    read(inputs: Inputs, workloads: readonly WorkloadPart[]) {
      const specs = inputs.of<ServiceSpec>('Service');
      const entries = inputs.of<ServiceEntrySpec>('networking.istio.io/ServiceEntry');
      const selectors = [...specs.map(selectorOf), ...entries.map(entrySelector)];
      const selection = openSelection(workloads, selectors);
      const own = compileServices(specs, inputs.of('discovery.k8s.io/EndpointSlice'), selection);
      const compiled = compileEntries(entries, selection);
      const { kept, problems } = dropTaken(own, compiled.parts, entries);
      const entryProblems = [...compiled.problems, ...problems];
      return {
        own,
        all: [...own, ...kept],
        entryProblems,
        problems: [...own.flatMap((part) => part.problems), ...entryProblems],
      };
    },
    assemble(
      parts: readonly ServicePart[],
      routes: ReadonlyMap<string, readonly Route[]>,
      budgets: ReadonlyMap<string, RetryBudget>,
      sessions: ReadonlyMap<string, SessionPersistence>,
    ): ReadonlyMap<string, MeshService> {
      const next = new Map<string, MeshService>();
      for (const { key, service } of parts) {
        const routed = service.ports.some(({ port }) => routes.has(`${key} ${port}`));
        const retryBudget = budgets.get(key);
        const session = sessions.get(key);
        if (!routed && !retryBudget && !session) {
          withRoutes.delete(key);
          next.set(key, service);
          continue;
        }
        const ports = service.ports.map((port) => {
          const own = routes.get(`${key} ${port.port}`);
          return own ? { ...port, routes: own } : port;
        });
        const policies = { ...(retryBudget && { retryBudget }), ...(session && { session }) };
        const kept = keepEqual(withRoutes.get(key), { ...service, ports, ...policies });
        withRoutes.set(key, kept);
        next.set(key, kept);
      }
      for (const key of withRoutes.keys()) if (!next.has(key)) withRoutes.delete(key);
      map = keepMap(map, next);
      return map;
    },
  };
};

/** A host belongs to one service: Services before ServiceEntries, the first of these before the others. */
const dropTaken = (
  own: readonly ServicePart[],
  entries: readonly ServicePart[],
  inputs: readonly Input<ServiceEntrySpec>[],
): { kept: ServicePart[]; problems: Problem[] } => {
  if (entries.length === 0) return { kept: [], problems: [] };
  const taken = new Map(
    own.flatMap(({ key, service }) => service.hosts.slice(1).map((host) => [host, `Service ${key}`])),
  );
  const problems: Problem[] = [];
  const kept = entries.filter(({ key, service }) => {
    const [host = ''] = service.hosts;
    const owner = taken.get(host);
    taken.set(host, owner ?? `ServiceEntry ${key}`);
    const input =
      owner &&
      inputs.find(
        (entry) =>
          entry.namespace === service.namespace && entry.spec.hosts.some((name) => name.toLowerCase() === host),
      );
    if (input)
      problems.push(
        problemOf(input, 'HOST_TAKEN', `the host ${host} belongs to ${owner} already`, { path: 'spec.hosts' }),
      );
    return !owner;
  });
  return { kept, problems };
};
