// Envoy's admin interface for programs of this machine: Envoy itself has it on a private socket, as it trusts whoever asks.
// Opened by engine-envoy.ts and standalone-envoy.ts.
import { callAdmin } from '../envoy/admin.ts';
import type { Envoy } from '../envoy/envoy.ts';
import { systemClock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Admin, AdminPages } from '../proxy/admin/server.ts';
import { openAdminServer } from '../proxy/admin/server.ts';
import { openOnUsualPort } from './proxy-admin.ts';

/** Pages that would end Envoy, or stop it for a while, behind the back of this process, which looks after it. */
const OWN: ReadonlySet<string> = new Set(['/cpuprofiler', '/heapprofiler', '/allocprofiler']);

const pagesOf =
  (envoy: () => Envoy | undefined): AdminPages =>
  async (method, path, query) => {
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      return { status: 405, allow: 'GET, HEAD, POST', body: 'only GET and POST\n' };
    }
    if (OWN.has(path)) return { status: 403, body: `${path} is not passed on to this Envoy\n` };
    if (path === '/quitquitquit' && method === 'POST') {
      process.kill(process.pid, 'SIGTERM');
      return { body: 'OK\n' };
    }
    const target = query === '' ? path : `${path}?${query}`;
    const running = envoy();
    if (!running) return { status: 503, body: 'Envoy has no configuration yet\n' };
    return callAdmin(running.adminAddress, method === 'POST' ? 'POST' : 'GET', target).catch((error) => ({
      status: 503,
      body: `Envoy does not answer: ${messageOf(error)}\n`,
    }));
  };

/** Throws PORT_TAKEN and its like for a port that the user chose. */
export const openEnvoyAdmin = (
  envoy: () => Envoy | undefined,
  adminPort: number | undefined,
  log: Log,
): Promise<Admin> => openOnUsualPort(adminPort, log, (port) => openAdminServer(port, systemClock, pagesOf(envoy)));
