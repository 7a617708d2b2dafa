// The clusters that a Gateway's routes lead to. Used by backend-tls.ts and header-problems.ts.
import type { MeshGateway } from '../model/mesh.ts';
import { routeClusters } from './route-clusters.ts';

export const targetClusters = ({ listeners }: MeshGateway): string[] =>
  listeners.flatMap(({ hosts, streams }) => [
    ...hosts.flatMap(({ routes }) => routes).flatMap(routeClusters),
    ...streams.flatMap(({ targets }) => targets.map(({ cluster }) => cluster)),
  ]);
