// Reads the admin interface of a proxy on this machine: which address, whose it is, and its JSON. Used by proxy-config.ts.

import type { Client } from '../client/client.ts';
import { ADMIN_ANNOTATION, REGISTERED_BY_ANNOTATION } from '../kinds/workload-entry/schema.ts';
import { systemCode, WeftError } from '../lib/errors.ts';
import { formatHostPort, parseHostPort } from '../lib/host-port.ts';
import { request } from '../lib/http.ts';
import type { SocketAddress } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { listAt, textAt } from './admin-json.ts';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 64 * 1024 * 1024;

const unreachable = (at: string, why: string, cause?: unknown): WeftError =>
  new WeftError('PROXY_UNREACHABLE', `the proxy's admin interface ${why}`, {
    at,
    hint: 'it answers on the machine of its proxy alone: run this there, while the proxy runs',
    cause,
  });

export const badAnswer = (at: string, why: string, cause?: unknown): WeftError =>
  new WeftError('PROXY_ANSWER', `what answers is not the admin interface of a Weft proxy: ${why}`, {
    at,
    hint: "the proxy's log names its address",
    cause,
  });

const read = ({ address, port }: SocketAddress, path: string): Promise<string> => {
  const at = formatHostPort(address, port);
  return new Promise((resolve, reject) => {
    const call = request({ host: address, port, path, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_BYTES) call.destroy(badAnswer(at, 'it says more than 64 MiB'));
      });
      response.on('error', (error) => reject(error instanceof WeftError ? error : unreachable(at, 'broke off', error)));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else reject(badAnswer(at, `${path} gives ${response.statusCode}`));
      });
    });
    call.on('timeout', () => call.destroy(unreachable(at, 'does not answer')));
    call.on('error', (error) => {
      if (error instanceof WeftError) return reject(error);
      const code = systemCode(error) ?? '';
      if (code.startsWith('HPE_')) return reject(badAnswer(at, 'it does not speak HTTP', error));
      reject(unreachable(at, code === 'ECONNREFUSED' ? 'does not listen' : `can't be reached (${code})`, error));
    });
    call.end();
  });
};

/** The JSON of one page. Throws PROXY_UNREACHABLE or PROXY_ANSWER. */
export const readAdmin = async (admin: SocketAddress, path: string): Promise<unknown> => {
  const text = await read(admin, path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badAnswer(formatHostPort(admin.address, admin.port), `${path} is not JSON`, cause);
  }
};

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

/** A loopback address with a port; undefined for anything else, such as a place that others would like us to call. */
export const parseAdminAddress = (text: string): SocketAddress | undefined => {
  const parts = parseHostPort(text);
  return parts && parts.port > 0 && isLoopback(parts.host) ? { address: parts.host, port: parts.port } : undefined;
};

/** Makes sure that it is this proxy that answers there, as ports change hands. */
const verified = async (at: string, told: string, id: string | undefined): Promise<SocketAddress> => {
  const admin = parseAdminAddress(told);
  if (!admin) throw badAnswer(at, `its admin interface "${told}" is not a loopback address with a port`);
  const info = (await readAdmin(admin, '/server_info')) as { node?: { id?: unknown } } | null;
  const found = info?.node?.id;
  if (found !== id) {
    const where = `is not on this machine: another proxy (${String(found)}) has that address here`;
    throw unreachable(`${at}, ${told}`, where);
  }
  return admin;
};

/** Where the proxy of a workload answers. */
export const findAdmin = async ({ metadata }: Resource): Promise<SocketAddress> => {
  const { name, namespace, annotations = {} } = metadata;
  const at = `workload ${namespace}/${name}`;
  const told = annotations[ADMIN_ANNOTATION];
  if (told === undefined) {
    throw new WeftError('PROXY_ADMIN_UNKNOWN', 'its proxy tells of no admin interface', {
      at,
      hint: 'a workload written by hand has no proxy',
    });
  }
  return verified(at, told, annotations[REGISTERED_BY_ANNOTATION]);
};

/** Where a gateway of this name answers: in the namespace, or the only one of all. Undefined: there is none. */
export const findGatewayAdmin = async (
  client: Client,
  name: string,
  namespace: string,
): Promise<SocketAddress | undefined> => {
  // Of a control plane that is older than this page there is nothing to learn.
  const answer = await client.getJson('/weft/v1/gateways').catch(() => undefined);
  const named = listAt(answer, 'items').filter((one) => textAt(one, 'name') === name);
  const chosen =
    named.find((one) => textAt(one, 'namespace') === namespace) ?? (named.length === 1 ? named[0] : undefined);
  const told = textAt(chosen, 'admin');
  return told === ''
    ? undefined
    : verified(`gateway ${textAt(chosen, 'namespace')}/${name}`, told, textAt(chosen, 'id'));
};
