// Opens the admin interface beside Weft's own proxy. Called by engines.ts and standalone-weft.ts.
import { type Clock, systemClock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import { formatHostPort } from '../lib/host-port.ts';
import type { LevelSwitch, Log } from '../lib/log.ts';
import { openAdmin } from '../proxy/admin/admin.ts';
import type { AdminControl } from '../proxy/admin/page.ts';
import type { Admin } from '../proxy/admin/server.ts';
import type { Dns } from '../proxy/dns/dns.ts';
import type { RunningProxy } from '../proxy/proxy.ts';

export interface AdminSettings {
  /** Absent: 15000, or any free one where that is taken, so that many proxies fit on one machine. */
  readonly adminPort?: number | undefined;
  readonly logLevel?: LevelSwitch | undefined;
  /** The resolver beside the proxy, shown with what it counts. */
  readonly dns?: Pick<Dns, 'counts'> | undefined;
}

const USUAL_PORT = 15_000;
/** Between telling clients to go and closing the ports. */
const GRACE_MS = 5_000;

const controlOf = (proxy: RunningProxy, clock: Clock): AdminControl => ({
  setHealthy: (isHealthy) => proxy.setHealthy(isHealthy),
  drainListeners({ inboundOnly, graceful }) {
    const close = () => void proxy.stopListening(inboundOnly ? 'inbound' : undefined);
    if (!graceful) return close();
    proxy.setHealthy(false);
    clock.after(GRACE_MS, close);
  },
  resetCounters: () => proxy.resetCounters(),
  quit: () => process.kill(process.pid, 'SIGTERM'),
});

/** Where an admin interface answers. Throws PORT_TAKEN and its like for a port that the user chose. */
export const openOnUsualPort = async (
  chosen: number | undefined,
  log: Log,
  open: (port: number) => Promise<Admin>,
): Promise<Admin> => {
  const admin = await open(chosen ?? USUAL_PORT).catch((error: unknown) => {
    if (chosen !== undefined || !isWeftError(error, 'PORT_TAKEN')) throw error;
    return open(0);
  });
  log.info('admin interface', { address: formatHostPort(admin.address, admin.port) });
  return admin;
};

export const openProxyAdmin = (
  proxy: RunningProxy,
  { adminPort, logLevel, dns }: AdminSettings,
  log: Log,
  clock: Clock = systemClock,
): Promise<Admin> => {
  const control = controlOf(proxy, clock);
  const inspect = async () => ({ ...(await proxy.inspect()), ...(dns && { dns: dns.counts }) });
  return openOnUsualPort(adminPort, log, (port) => openAdmin({ inspect, clock, logLevel, control, port }));
};
