// The clusters that a Gateway's routes lead to. Used by backend-tls.ts and header-problems.ts.
import type { MeshGateway } from '../model/mesh.ts';

export const targetClusters = ({ listeners }: MeshGateway): string[] =>
  listeners.flatMap(({ hosts, streams }) => [
    ...hosts
      .flatMap(({ routes }) => routes)
      .flatMap(({ action }) => (action.type === 'forward' ? action.targets.map(({ cluster }) => cluster) : [])),
    ...streams.flatMap(({ targets }) => targets.map(({ cluster }) => cluster)),
  ]);
