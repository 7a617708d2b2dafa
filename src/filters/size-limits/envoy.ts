// The largest request, of a listener and of a route, in Envoy: its buffer filter, which holds a body until it is whole. Named
// by registry.ts.
import { FilterConfigSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { BufferPerRouteSchema, BufferSchema } from '../../gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js';
import type { EnvoySetting } from '../envoy-filter.ts';
import { configured, pack } from '../envoy-message.ts';

const BUFFER = 'envoy.filters.http.buffer';

export const envoySetting: EnvoySetting = {
  /** Without a limit it is for routes that have one. */
  httpFilter({ limits }) {
    const maxBytes = limits?.maxRequestBytes;
    const filter = configured(BUFFER, BufferSchema, { maxRequestBytes: maxBytes ?? 1 });
    return { ...filter, ...(maxBytes === undefined && { disabled: true }) };
  },
  route({ maxRequestBytes }) {
    if (maxRequestBytes === undefined) return {};
    const config = pack(BufferPerRouteSchema, { override: { case: 'buffer', value: { maxRequestBytes } } });
    return { perFilter: { [BUFFER]: pack(FilterConfigSchema, { config }) } };
  },
};
