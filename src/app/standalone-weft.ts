// Weft's own proxy as the engine of a gateway without a control plane. Loaded by standalone.ts.
import { drainableOf, openOwnProxy } from './own-proxy.ts';
import { openProxyAdmin } from './proxy-admin.ts';
import type { StandaloneEngine, StandaloneEngineOptions } from './standalone-engine.ts';

export const openStandaloneWeft = async ({
  node,
  events,
  askRateLimit,
  concurrency,
  log,
  ...settings
}: StandaloneEngineOptions): Promise<StandaloneEngine> => {
  const { logLevel: ownLevel } = settings;
  const { proxy, logLevel, closeLogs } = await openOwnProxy({
    node,
    events,
    askRateLimit,
    concurrency,
    log: log.child('engine'),
    logLevel: ownLevel,
  });
  const admin = await openProxyAdmin(proxy, { ...settings, logLevel }, log).catch(async (error: unknown) => {
    await proxy.close();
    throw error;
  });
  return {
    apply: (snapshot) => proxy.apply(snapshot),
    listeners: () => proxy.listeners(),
    ...drainableOf(proxy),
    close: async () => {
      await proxy.close();
      await closeLogs();
      await admin.close();
    },
  };
};
