// A control plane that only signs: a real authority behind the real gRPC server, with join tokens that tests name.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, openAuthority } from '../../src/ca/authority.ts';
import { caService } from '../../src/ca/ca-service.ts';
import { openGrpcServer } from '../../src/grpc/server.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { WeftError } from '../../src/lib/errors.ts';
import { type Log, silentLog } from '../../src/lib/log.ts';
import type { Identity } from '../../src/model/identity.ts';

export interface FakeCaServer {
  readonly authority: Authority;
  /** `127.0.0.1:<port>`; the same after `restart`. */
  readonly address: string;
  /** The tokens that were used, in order. */
  readonly used: string[];
  /** `<namespace>/<service account>` of those that were deleted. */
  readonly gone: Set<string>;
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** Stops, and removes its files. */
  close(): Promise<void>;
}

/** Join tokens are `<namespace>/<service account>`; `expired` and `broken` are refused as such. */
export const openFakeCaServer = async (
  options: { log?: Log; maxLeafTtlMs?: number; trustDomain?: string; serviceClock?: Clock } = {},
): Promise<FakeCaServer> => {
  const { log = silentLog, trustDomain = 'cluster.local', serviceClock: clock = systemClock, ...rest } = options;
  const dir = mkdtempSync(join(tmpdir(), 'weft-ca-'));
  const authority = openAuthority({ dir, trustDomain, clock: systemClock, log, ...rest });
  const used: string[] = [];
  const gone = new Set<string>();
  const verifyJoin = async (token: string) => {
    used.push(token);
    if (token === 'expired') throw new WeftError('TOKEN_EXPIRED', 'the token ended at 2026-01-01T00:00:00Z');
    if (token === 'broken') throw new Error('disk on fire at /secret/place');
    const [namespace, serviceAccount] = token.split('/');
    if (!namespace || !serviceAccount) throw new WeftError('TOKEN_INVALID', 'this is not a token of this mesh');
    return { namespace, serviceAccount };
  };
  const verifyRenewal = async ({ namespace, serviceAccount }: Identity) => {
    if (gone.has(`${namespace}/${serviceAccount}`)) throw new WeftError('ACCOUNT_UNKNOWN', 'it was deleted');
  };
  const service = caService({ authority, joins: { verifyJoin, verifyRenewal }, clock, log });
  const names = { dnsNames: ['control.test'], ipAddresses: ['127.0.0.1'] };
  const identity = { ...authority.serverCertificate(names), bundlePem: authority.bundlePem };
  const open = (address: string) => openGrpcServer(address, [{ ...service }], identity);
  let server = await open('127.0.0.1:0');
  const { address } = server;
  return {
    authority,
    address,
    used,
    gone,
    stop: () => server.close(),
    async restart() {
      server = await open(address);
    },
    async close() {
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};
