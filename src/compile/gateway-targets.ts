// The clusters that a Gateway's routes lead to. Used by backend-tls.ts and header-problems.ts.
import type { MeshGateway } from '../model/mesh.ts';
import { asked, routeClusters } from './route-clusters.ts';

export const targetClusters = ({ listeners }: MeshGateway): string[] =>
  listeners.flatMap(({ hosts, streams, filters = [] }) => [
    ...asked(filters),
    ...hosts.flatMap(({ routes }) => routes).flatMap(routeClusters),
    ...streams.flatMap(({ targets }) => targets.map(({ cluster }) => cluster)),
  ]);
