// Which events a person wants to see, and filters of flows. Called by the hub and by flows.
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import { isGrpcFailure } from '../model/grpc.ts';
import { parseSpiffeId } from '../model/identity.ts';

/** `namespace/name`; names from outside may carry their namespace already. */
export const qualified = (namespace: string | undefined, name: string): string =>
  name.includes('/') || !namespace ? name : `${namespace}/${name}`;

/** `namespace/name` of the service that was called, where it is known. */
export const serviceOf = ({ service, namespace }: EventPeer): string | undefined =>
  service === undefined ? undefined : qualified(namespace, service);

export const workloadOf = ({ workload, namespace }: EventPeer): string | undefined =>
  workload === undefined ? undefined : qualified(namespace, workload);

/** `namespace/service account` of the proven identity. */
const accountOf = ({ identity }: EventPeer): string | undefined => {
  const id = identity === undefined ? undefined : parseSpiffeId(identity);
  return id && `${id.namespace}/${id.serviceAccount}`;
};

export const isDenied = (event: TrafficEvent): boolean =>
  event.policy?.verdict === 'deny' || event.flags.includes('RBAC');

/** It did not go as it should: no answer, an error of a proxy, or of the service itself. */
export const isFailed = (event: TrafficEvent): boolean =>
  isDenied(event) ||
  event.flags.length > 0 ||
  (event.http !== undefined &&
    (event.http.status === 0 || event.http.status >= 500 || isGrpcFailure(event.http.grpcStatus)));

/**
 * One event for what both ends report: the callee's, or the gateway's. A caller's event counts where the callee has no
 * proxy to tell of it, or where the caller's own proxy failed it.
 */
const isPrimary = (event: TrafficEvent): boolean =>
  event.direction !== 'outbound' || event.destination.identity === undefined || event.flags.length > 0;

/** True when the event stands for a request at the service called, so that each request counts once there. */
export const isAtCallee = (event: TrafficEvent): boolean =>
  event.direction === 'inbound' || event.destination.identity === undefined;

export interface FlowFilter {
  readonly verdict?: 'allow' | 'deny' | undefined;
  /** Workload, service or service account; with or without its namespace. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** `503`, or a class: `5xx`. */
  readonly status?: string | undefined;
  /** Both ends' events. */
  readonly all?: boolean | undefined;
}

const namesOf = (peer: EventPeer): (string | undefined)[] => [workloadOf(peer), serviceOf(peer), accountOf(peer)];

const fits = (peer: EventPeer, wanted: string): boolean =>
  peer.identity === wanted ||
  namesOf(peer).some((name) => name !== undefined && (name === wanted || name.slice(name.indexOf('/') + 1) === wanted));

const fitsStatus = (status: number | undefined, wanted: string): boolean =>
  status !== undefined &&
  (wanted.endsWith('xx') ? Math.floor(status / 100) === Number(wanted[0]) : status === Number(wanted));

export const matchesFilter = (event: TrafficEvent, filter: FlowFilter): boolean => {
  if (!filter.all && !isPrimary(event)) return false;
  if (filter.verdict && (filter.verdict === 'deny') !== isDenied(event)) return false;
  if (filter.from !== undefined && !fits(event.source, filter.from)) return false;
  if (filter.to !== undefined && !fits(event.destination, filter.to)) return false;
  return filter.status === undefined || fitsStatus(event.http?.status, filter.status);
};
