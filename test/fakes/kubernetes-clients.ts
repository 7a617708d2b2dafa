// The program of test/interop/kubernetes-clients: Kubernetes' own clients and merge library in Go.
import { join } from 'node:path';
import { buildGoProgram } from './go-program.ts';

export const buildKubernetesClients = (): string => {
  const folder = join(import.meta.dirname, '../interop/kubernetes-clients');
  return buildGoProgram('kubernetes-clients', folder, (out) => ['build', '-ldflags=-s -w', '-o', out, '.']);
};

// Ahead of the tests, so that none of them waits for it.
if (import.meta.main) buildKubernetesClients();
