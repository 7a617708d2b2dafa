// How the cluster of a tunnel gets from its route into the internal listener: as route metadata, then as filter state that
// is handed on with the connection. Used by http.ts; tunnels.ts writes the metadata.
import {
  type FilterStateValueSchema,
  FilterStateValue_SharedWithUpstream as Shared,
} from '../../gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import { ConfigSchema } from '../../gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js';
import { configured, type Init } from './message.ts';
import { CLUSTER_KEY, WEFT_METADATA } from './route-metadata.ts';

/** What Envoy's TCP proxy goes by where it is set. */
const TCP_PROXY_CLUSTER = 'envoy.tcp_proxy.cluster';

const sharedState = (objectKey: string, factoryKey: string): Init<typeof FilterStateValueSchema> => ({
  key: { case: 'objectKey', value: objectKey },
  factoryKey,
  value: {
    case: 'formatString',
    value: {
      format: {
        case: 'textFormatSource',
        value: { specifier: { case: 'inlineString', value: `%METADATA(ROUTE:${WEFT_METADATA}:${CLUSTER_KEY})%` } },
      },
      omitEmptyValues: true,
    },
  },
  sharedWithUpstream: Shared.ONCE,
  skipIfEmpty: true,
});

export const tunnelClusterFilter = () =>
  configured('envoy.filters.http.set_filter_state', ConfigSchema, {
    onRequestHeaders: [
      sharedState(TCP_PROXY_CLUSTER, ''),
      // Connections are pooled by what of their state can be hashed, which the cluster's own object can't: without this
      // a tunnel would get the cluster of whichever came first.
      sharedState('weft.tunnel', 'envoy.hashable_string'),
    ],
  });
