// A real API over a memory store in this process, with the data directory that `weft up` would have written.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiOptions, openApi } from '../../src/api/api.ts';
import { openTokens, type Tokens } from '../../src/api/tokens.ts';
import { kubeconfigOf } from '../../src/app/kubeconfig.ts';
import { kinds } from '../../src/kinds/registry.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { type Store, storeKey } from '../../src/store/store.ts';
import { makeSelfSigned } from './self-signed.ts';

export interface TestApi {
  readonly store: Store;
  readonly tokens: Tokens;
  /** Holds `kubeconfig` and `tokens/admin.token`. */
  readonly dataDir: string;
  readonly port: number;
  readonly caPem: string;
  close(): Promise<void>;
}

/** With the namespace `default`; `extra` as in ApiOptions. */
export const openTestApi = async (extra?: ApiOptions['extra'], port = 0): Promise<TestApi> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'weft-test-'));
  const store = openMemoryStore();
  const created = new Date(systemClock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  await store.put(storeKey('', 'namespaces', '', 'default'), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'default', uid: 'test', creationTimestamp: created },
  });
  mkdirSync(join(dataDir, 'tokens'));
  const tokens = await openTokens({ dir: join(dataDir, 'tokens'), clock: systemClock });
  const tls = makeSelfSigned();
  const api = await openApi({
    store,
    kinds,
    tokens,
    secure: { address: '127.0.0.1', port, ...tls },
    clock: systemClock,
    log: silentLog,
    version: '0.0.0-test',
    ...(extra ? { extra } : {}),
  });
  const bound = api.secure?.port ?? 0;
  const token = readFileSync(tokens.adminTokenFile, 'utf8').trim();
  const server = `https://127.0.0.1:${bound}`;
  writeFileSync(join(dataDir, 'kubeconfig'), kubeconfigOf({ server, rootPem: tls.certPem, token: new Secret(token) }), {
    mode: 0o600,
  });
  return {
    store,
    tokens,
    dataDir,
    port: bound,
    caPem: tls.certPem,
    async close() {
      await api.close();
      await store.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
