// What gRPC needs of Envoy beyond HTTP/2: deadlines and how they are told, retries by its statuses, gRPC-Web. Used by route.ts and http.ts.
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { RouteContext } from '../../filters/envoy-filter.ts';
import {
  FilterConfigSchema,
  type RouteActionSchema,
  type RouteSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type {
  HttpFilterSchema,
  ResponseMapperSchema,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { grpcStatus } from '../../model/grpc.ts';
import type { ForwardAction, GrpcRetryStatus, RetryPolicy } from '../../model/route.ts';
import { duration, type Init, pack } from './message.ts';

const isGrpcPossible = ({ targets }: ForwardAction, { http2Clusters }: RouteContext): boolean =>
  targets.some(({ cluster }) => http2Clusters.has(cluster));

/** A call's own grpc-timeout holds, where it isn't longer than the route's time-out. */
export const callTimeout = (action: ForwardAction, context: RouteContext): Init<typeof RouteActionSchema> =>
  isGrpcPossible(action, context) ? { maxGrpcTimeout: duration(action.timeoutMs ?? 0) } : {};

/** Envoy tells a call that took too long UNAVAILABLE, as it tells HTTP 504. */
export const timedOutCall = (): Init<typeof ResponseMapperSchema> => ({
  filter: {
    filterSpecifier: {
      case: 'andFilter',
      value: {
        filters: [
          { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UT'] } } },
          {
            filterSpecifier: {
              case: 'headerFilter',
              value: {
                header: {
                  name: 'content-type',
                  headerMatchSpecifier: {
                    case: 'stringMatch',
                    value: { matchPattern: { case: 'prefix', value: 'application/grpc' } },
                  },
                },
              },
            },
          },
        ],
      },
    },
  },
  headersToAdd: [{ header: { key: 'grpc-status', value: `${grpcStatus('DEADLINE_EXCEEDED')}` } }],
});

const TRIGGERS: Readonly<Record<GrpcRetryStatus, string>> = {
  1: 'cancelled',
  4: 'deadline-exceeded',
  8: 'resource-exhausted',
  13: 'internal',
  14: 'unavailable',
};

/** To be put behind other conditions of a retry. */
export const callTriggers = ({ grpcStatuses = [] }: RetryPolicy): string =>
  grpcStatuses.map((status) => `,${TRIGGERS[status]}`).join('');

const WEB = 'envoy.filters.http.grpc_web';
/** The filter has nothing to be configured. */
const NOTHING = create(AnySchema, { typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb' });

/** For routes that ask for it. */
export const webFilter = (): Init<typeof HttpFilterSchema> => ({
  name: WEB,
  disabled: true,
  configType: { case: 'typedConfig', value: NOTHING },
});

/** Backends that are no servers of gRPC may speak gRPC-Web themselves. */
export const webOfRoute = (
  action: ForwardAction,
  context: RouteContext,
): NonNullable<Init<typeof RouteSchema>['typedPerFilterConfig']> =>
  isGrpcPossible(action, context) ? { [WEB]: pack(FilterConfigSchema, { config: create(AnySchema) }) } : {};
