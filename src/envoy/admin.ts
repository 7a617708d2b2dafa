// Calls to Envoy's admin interface, which is on a private socket: the supervisor's own, and those that app passes on.
import { request } from '../lib/http.ts';
import type { AdminAddress } from './bootstrap.ts';

const TIMEOUT_MS = 2_000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Rejects when Envoy does not answer in time. */
export const callAdmin = (admin: AdminAddress, method: 'GET' | 'POST', path: string): Promise<AdminAnswer> =>
  new Promise((resolve, reject) => {
    const target = 'socketPath' in admin ? admin : { host: admin.address, port: admin.port };
    const call = request({ ...target, method, path, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_BODY_BYTES) call.destroy(new Error('the answer of the admin interface is too long'));
      });
      response.on('end', () => {
        const { statusCode = 0, headers } = response;
        const type = headers['content-type'] ?? 'text/plain';
        resolve({ status: statusCode, type, body: Buffer.concat(chunks).toString('utf8') });
      });
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error('the admin interface does not answer')));
    call.on('error', reject);
    call.end();
  });

/** How many requests and TCP connections of callers are under way; the admin interface itself is left out. */
export const countActive = async (admin: AdminAddress): Promise<number> => {
  const filter = encodeURIComponent('^(http|tcp)\\..*\\.downstream_(rq|cx)_active$');
  const { body } = await callAdmin(admin, 'GET', `/stats?filter=${filter}`);
  let active = 0;
  for (const [, kind, prefix, counted, value] of body.matchAll(
    /^(http|tcp)\.(.*)\.downstream_(rq|cx)_active: (\d+)$/gm,
  )) {
    if (prefix === 'admin') continue;
    // An HTTP connection without a request may be closed at any time; a TCP connection is all there is.
    if (counted === (kind === 'http' ? 'rq' : 'cx')) active += Number(value);
  }
  return active;
};
