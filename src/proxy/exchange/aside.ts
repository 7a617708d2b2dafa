// What the proxy gives its filters; above all requests that are sent beside others, and whose answers nobody reads. Used by prepare.ts.
import type { FilterServices } from '../../filters/filter.ts';
import type { ProxyContext } from '../context.ts';
import type { Clusters } from '../upstream/clusters.ts';

export const filterServices = (context: ProxyContext, _clusters: Clusters): FilterServices => ({
  clock: context.clock,
  random: context.random,
  sendAside: () => undefined,
});
