// What routes say of themselves beside what Envoy does with it: read by the filter that names the cluster of a tunnel
// (tunnel-cluster.ts) and by access logs (access-log.ts). Written by tunnels.ts and route.ts.
import type { Route } from '../../model/route.ts';
import type { VirtualHost } from '../../model/snapshot.ts';

export const WEFT_METADATA = 'weft';
export const CLUSTER_KEY = 'cluster';
export const SERVICE_KEY = 'service';

export const tunnelMetadata = (cluster: string) => ({
  filterMetadata: { [WEFT_METADATA]: { [CLUSTER_KEY]: cluster } },
});

/** Without an endpoint, a log entry of Envoy does not say which cluster was chosen: the only one, else the service asked for. */
export const serviceMetadata = ({ action }: Route, { service }: VirtualHost) => {
  if (action.type !== 'forward') return undefined;
  const [only, more] = action.targets.filter(({ weight }) => weight > 0);
  const text = only && !more ? only.cluster : service && `${service.namespace}/${service.name}`;
  return text === undefined ? undefined : { filterMetadata: { [WEFT_METADATA]: { [SERVICE_KEY]: text } } };
};
