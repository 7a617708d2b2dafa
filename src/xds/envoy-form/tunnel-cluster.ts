// How the cluster of a tunnel gets from its route into the internal listener: as route metadata, then as filter state that
// is handed on with the connection. Used by tunnels.ts (routes) and http.ts (the filter).
import { FilterStateValue_SharedWithUpstream as Shared } from '../../gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import { ConfigSchema } from '../../gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js';
import { configured } from './message.ts';

const NAMESPACE = 'weft';
const KEY = 'cluster';
/** What Envoy's TCP proxy goes by where it is set. */
const TCP_PROXY_CLUSTER = 'envoy.tcp_proxy.cluster';

export const tunnelMetadata = (cluster: string) => ({ filterMetadata: { [NAMESPACE]: { [KEY]: cluster } } });

export const tunnelClusterFilter = () =>
  configured('envoy.filters.http.set_filter_state', ConfigSchema, {
    onRequestHeaders: [
      {
        key: { case: 'objectKey', value: TCP_PROXY_CLUSTER },
        value: {
          case: 'formatString',
          value: {
            format: {
              case: 'textFormatSource',
              value: { specifier: { case: 'inlineString', value: `%METADATA(ROUTE:${NAMESPACE}:${KEY})%` } },
            },
            omitEmptyValues: true,
          },
        },
        sharedWithUpstream: Shared.ONCE,
        skipIfEmpty: true,
      },
    ],
  });
