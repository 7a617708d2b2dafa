// The agent beside an Envoy: a private folder, SDS with the proxy's SVID, and the Envoy itself. Opened by app.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type AdminAddress, type BootstrapOptions, bootstrapOf } from './bootstrap.ts';
import { type Envoy, openEnvoy } from './envoy.ts';

export interface EnvoyEngineOptions extends Pick<BootstrapOptions, 'node' | 'xds' | 'maxConnections'> {
  /** The binary, as `findEnvoy` found it. */
  readonly path: string;
  /** Serves the proxy's SVID on this socket; opened before Envoy, closed after it. Absent: Envoy has no identity. */
  readonly openSds?: (socketPath: string) => Promise<{ close(): Promise<void> }>;
  /** A private folder of the caller's, removed when Envoy has ended, or with this process. Absent: a new one. */
  readonly dir?: string;
  /** Absent: a unix socket in the private folder. */
  readonly admin?: AdminAddress;
  /** How many cores it works on; absent: one. */
  readonly concurrency?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Throws what `openSds` throws; whether Envoy itself starts, `ready` tells. */
export const openEnvoyEngine = async (options: EnvoyEngineOptions): Promise<Envoy> => {
  const { path, openSds, concurrency = 1, clock, log } = options;
  // Short, and of this user alone: unix sockets allow about a hundred bytes.
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'weft-envoy-'));
  const removeDir = (): void => rmSync(dir, { recursive: true, force: true });
  const sdsSocket = join(dir, 'sds.sock');
  const admin = options.admin ?? { socketPath: join(dir, 'admin.sock') };
  let sds: { close(): Promise<void> } | undefined;
  let envoy: Envoy;
  try {
    sds = await openSds?.(sdsSocket);
    envoy = openEnvoy({
      path,
      dir,
      admin,
      concurrency,
      clock,
      log,
      bootstrap: bootstrapOf({ ...options, sdsSocket, admin }),
    });
  } catch (error) {
    await sds?.close();
    removeDir();
    throw error;
  }
  const exited = envoy.exited.then(async (code) => {
    await sds?.close();
    removeDir();
    return code;
  });
  return {
    ready: envoy.ready,
    exited,
    adminAddress: admin,
    get pid() {
      return envoy.pid;
    },
    isReady: () => envoy.isReady(),
    setHealthy: (isHealthy) => envoy.setHealthy(isHealthy),
    reopenLogs: () => envoy.reopenLogs(),
    drain: (timeoutMs) => envoy.drain(timeoutMs),
    async close() {
      await envoy.close();
      await exited;
    },
  };
};
