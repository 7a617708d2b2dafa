// The WorkloadEntry that stands for a connected proxy. Used by workloads.ts.
import {
  ADMIN_ANNOTATION,
  HBONE_ANNOTATION,
  INBOUND_ANNOTATION,
  REGISTERED_BY_ANNOTATION,
  type WorkloadEntrySpec,
  type WorkloadEntryStatus,
} from '../kinds/workload-entry/schema.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import { formatHostPort } from '../lib/host-port.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Condition, Resource } from '../model/resource.ts';
import { newMetadata } from './bootstrap.ts';

export interface ReportedHealth {
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

type Entry = Resource<WorkloadEntrySpec, WorkloadEntryStatus>;

/** True for an entry that a proxy's connection keeps, not one that a user wrote. */
export const isRegistered = (resource: Resource): boolean =>
  resource.metadata.annotations?.[REGISTERED_BY_ANNOTATION] !== undefined;

export const inboundOf = ({ inbound }: ProxyNode): string =>
  inbound ? formatHostPort(inbound.address, inbound.port) : '';

/** The entry for a node, as a change of the one that is there. */
export const entryFor = (
  node: ProxyNode,
  health: ReportedHealth | undefined,
  present: Entry | undefined,
  clock: Clock,
): Entry => {
  const spec: WorkloadEntrySpec = {
    address: node.inbound?.address ?? node.appAddress,
    ports: node.ports,
    serviceAccount: node.serviceAccount,
    ...(node.locality && { locality: node.locality }),
  };
  const sameSpec = present !== undefined && JSON.stringify(sorted(present.spec)) === JSON.stringify(sorted(spec));
  const { [ADMIN_ANNOTATION]: _, [HBONE_ANNOTATION]: __, ...annotations } = present?.metadata.annotations ?? {};
  const base = present?.metadata ?? newMetadata(clock);
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      ...base,
      name: node.name,
      namespace: node.namespace,
      generation: (present?.metadata.generation ?? 0) + (sameSpec ? 0 : 1),
      labels: node.labels,
      annotations: {
        ...annotations,
        ...(node.inbound ? { [INBOUND_ANNOTATION]: inboundOf(node) } : {}),
        ...(node.hbone ? { [HBONE_ANNOTATION]: formatHostPort(node.hbone.address, node.hbone.port) } : {}),
        ...(node.admin ? { [ADMIN_ANNOTATION]: formatHostPort(node.admin.address, node.admin.port) } : {}),
        [REGISTERED_BY_ANNOTATION]: node.id,
      },
    },
    spec: sameSpec ? present.spec! : spec,
    status: statusFor(health, present?.status, clock),
  };
};

/** Keys in one order: the node's ports come from a map without an order. */
const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, field]) => [key, sorted(field)]),
      )
    : value;

const statusFor = (
  health: ReportedHealth | undefined,
  present: WorkloadEntryStatus | undefined,
  clock: Clock,
): WorkloadEntryStatus => {
  const others = present?.conditions?.filter(({ type }) => type !== 'Healthy') ?? [];
  const before = present?.conditions?.find(({ type }) => type === 'Healthy');
  // Nothing reported yet on this connection: what was known of the same proxy still holds.
  if (!health && before) return present ?? {};
  const { status, reason, message } = health ?? STARTING;
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestampOf(clock.now());
  return { ...present, conditions: [...others, { type: 'Healthy', status, reason, message, lastTransitionTime }] };
};

export const STARTING: ReportedHealth = {
  status: 'Unknown',
  reason: 'Starting',
  message: 'the proxy is connected; the program has not answered yet',
};
