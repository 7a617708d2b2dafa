// What resolvers beside sidecars answer: one record per service, shared by all of them. Computed once per Mesh. Used by
// snapshot.ts.
import { hash } from 'node:crypto';
import type { Mesh, MeshService } from '../model/mesh.ts';
import { FIRST_SLOT, type NameInstance, type NameRecord, SLOT_COUNT } from '../model/name-record.ts';
import type { Endpoint } from '../model/snapshot.ts';
import { serviceHost } from './cluster-names.ts';
import { keepEqual, keepMap } from './keep.ts';

export type Names = ReadonlyMap<string, NameRecord>;

/** Each one makes every sidecar that captures listen: the services after these are reached in the other ways. */
const MAX_SLOTS = 4096;

/** Records and slots stay as they are while their service does. */
export const openNames = (): ((mesh: Mesh) => Names) => {
  let slots = new Map<string, number>();
  let services: Mesh['services'] | undefined;
  let memos = new Map<string, { service: MeshService; record: NameRecord }>();
  let names: Names = new Map();
  return (mesh) => {
    if (services === mesh.services) return names;
    services = mesh.services;
    slots = assignSlots(mesh.services, slots);
    const next: typeof memos = new Map();
    for (const [key, service] of mesh.services) {
      const before = memos.get(key);
      const slot = slots.get(key);
      const unchanged = before?.service === service && before.record.slot === slot;
      next.set(key, unchanged ? before : { service, record: keepEqual(before?.record, recordOf(service, slot)) });
    }
    memos = next;
    names = keepMap(names, new Map([...memos.values()].map(({ record }) => [record.name, record])));
    return names;
  };
};

/** From the service's name, so that it is the same after a restart; a slot that is taken gives way to the next. */
const assignSlots = (services: Mesh['services'], before: ReadonlyMap<string, number>): Map<string, number> => {
  const slots = new Map([...before].filter(([key]) => hasSlot(services.get(key))));
  const taken = new Set(slots.values());
  for (const key of [...services.keys()].sort()) {
    if (slots.size >= MAX_SLOTS) break;
    if (slots.has(key) || !hasSlot(services.get(key))) continue;
    let slot = FIRST_SLOT + (Number.parseInt(hash('sha256', key).slice(0, 8), 16) % SLOT_COUNT);
    while (taken.has(slot)) slot = slot + 1 < FIRST_SLOT + SLOT_COUNT ? slot + 1 : FIRST_SLOT;
    slots.set(key, slot);
    taken.add(slot);
  }
  return slots;
};

const hasSlot = (service: MeshService | undefined): boolean =>
  service !== undefined && !service.headless && service.ports.length > 0;

const recordOf = (service: MeshService, slot: number | undefined): NameRecord => {
  const name = serviceHost(service);
  const [short = '', ...others] = service.hosts;
  const isService = service.origin === 'Service';
  const target = service.ports.find(({ dns }) => dns)?.dns?.host;
  return {
    name,
    aliases: others.filter((host) => host !== name),
    ...(isService && { near: { namespace: service.namespace, name: short } }),
    addresses: service.addresses ?? [],
    ...(slot !== undefined && { slot }),
    // The one that proxies resolve is often the host itself, which other servers know.
    ...(target !== undefined && target !== name && { target }),
    ports: service.ports.map((port) => ({
      name: port.name,
      port: port.port,
      instances: port.endpoints.filter(({ health }) => health === 'healthy').map(instanceOf),
    })),
  };
};

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const instanceOf = ({ address, port, workload }: Endpoint): NameInstance => {
  const hostname = workload?.slice(workload.indexOf('/') + 1);
  return { address, port, ...(hostname !== undefined && LABEL.test(hostname) && { hostname }) };
};
