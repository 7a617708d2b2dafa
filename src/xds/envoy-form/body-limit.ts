// The largest request, of a listener and of a route: Envoy's buffer filter, which holds a body until it is whole. Used by http.ts and route.ts.
import { FilterConfigSchema, type RouteSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { BufferPerRouteSchema, BufferSchema } from '../../gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js';
import type { HttpFilterSchema } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ForwardAction } from '../../model/route.ts';
import { configured, type Init, pack } from './message.ts';

const BUFFER = 'envoy.filters.http.buffer';

/** Without a limit it is for routes that have one. */
export const bodyLimit = (maxBytes: number | undefined): Init<typeof HttpFilterSchema> => ({
  ...configured(BUFFER, BufferSchema, { maxRequestBytes: maxBytes ?? 1 }),
  ...(maxBytes === undefined && { disabled: true }),
});

type PerFilter = NonNullable<Init<typeof RouteSchema>['typedPerFilterConfig']>;

export const bodyLimitOfRoute = ({ maxRequestBytes }: ForwardAction): PerFilter => {
  if (maxRequestBytes === undefined) return {};
  const buffer = { maxRequestBytes };
  const config = pack(BufferPerRouteSchema, { override: { case: 'buffer', value: buffer } });
  return { [BUFFER]: pack(FilterConfigSchema, { config }) };
};
