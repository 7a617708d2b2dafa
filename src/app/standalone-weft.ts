// Weft's own proxy as the engine of a gateway without a control plane. Loaded by standalone.ts.
import { systemClock } from '../lib/clock.ts';
import { systemRandom } from '../lib/random.ts';
import { openProxy } from '../proxy/proxy.ts';
import { openProxyAdmin } from './proxy-admin.ts';
import type { StandaloneEngine, StandaloneEngineOptions } from './standalone-engine.ts';

export const openStandaloneWeft = async ({
  node,
  onEvent,
  log,
  ...settings
}: StandaloneEngineOptions): Promise<StandaloneEngine> => {
  const proxy = openProxy({
    node,
    onEvent: onEvent ?? (() => {}),
    clock: systemClock,
    random: systemRandom,
    log: log.child('engine'),
  });
  const admin = await openProxyAdmin(proxy, settings, log).catch(async (error: unknown) => {
    await proxy.close();
    throw error;
  });
  return {
    apply: (snapshot) => proxy.apply(snapshot),
    listeners: () => proxy.listeners(),
    drain: (timeoutMs) => proxy.drain(timeoutMs),
    close: async () => {
      await proxy.close();
      await admin.close();
    },
  };
};
