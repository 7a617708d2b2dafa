// Time-outs of routes in Envoy; that of one attempt is part of its retry policy. Named by registry.ts.
import type { ForwardAction } from '../../model/route.ts';
import type { EnvoySetting, RouteContext } from '../envoy-filter.ts';
import { duration } from '../envoy-message.ts';

export const isGrpcPossible = ({ targets }: ForwardAction, { http2Clusters }: RouteContext): boolean =>
  targets.some(({ cluster }) => http2Clusters.has(cluster));

export const envoySetting: EnvoySetting = {
  /** A call's own grpc-timeout holds, where it isn't longer than the route's time-out. */
  route(action, context) {
    const timeout = duration(action.timeoutMs ?? 0);
    return { action: { timeout, ...(isGrpcPossible(action, context) && { maxGrpcTimeout: timeout }) } };
  },
};
