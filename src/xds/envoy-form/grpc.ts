// What gRPC needs of Envoy beyond HTTP/2, its deadlines and retries: how a late call is answered, gRPC-Web. Used by route.ts
// and http.ts.
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { RouteContext } from '../../filters/envoy-filter.ts';
import { isGrpcPossible } from '../../filters/timeout/envoy.ts';
import { FilterConfigSchema, type RouteSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type {
  HttpFilterSchema,
  ResponseMapperSchema,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { grpcStatus } from '../../model/grpc.ts';
import type { ForwardAction } from '../../model/route.ts';
import { type Init, pack } from './message.ts';

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
