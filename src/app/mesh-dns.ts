// Opens the resolver beside a sidecar: on the usual port or any free one, or on a block of addresses of its own on which
// the sidecar listens for services. Called by data-plane.ts.
import { hash } from 'node:crypto';
import { type Clock, systemClock } from '../lib/clock.ts';
import { systemCode, WeftError } from '../lib/errors.ts';
import { formatHostPort } from '../lib/host-port.ts';
import type { Log } from '../lib/log.ts';
import { bindError } from '../lib/ports.ts';
import { secretRandom } from '../lib/random.ts';
import type { SocketAddress } from '../model/node.ts';
import { type Dns, type DnsOptions, openDns } from '../proxy/dns/dns.ts';

export interface DnsSettings {
  /** Absent: 15053, or any free one where that is taken, so that many proxies fit on one machine. */
  readonly dnsPort?: number | 'off' | undefined;
  readonly dnsAddress?: string | undefined;
  /** Asked for names that are not of the mesh; absent: those of /etc/resolv.conf. */
  readonly dnsUpstream?: readonly SocketAddress[] | undefined;
  /** Names of services lead to addresses on which this sidecar listens. */
  readonly dnsCapture?: boolean | undefined;
}

export interface MeshDns {
  readonly dns: Dns;
  readonly captureBlock?: number;
}

const USUAL_PORT = 15_053;
const LOOPBACK = '127.0.0.1';
// 127.0.0.0/16 has what machines use already.
const [FIRST_BLOCK, BLOCKS] = [64, 180];

const isTaken = (error: unknown): boolean => systemCode(error) === 'EADDRINUSE';

type Open = (address: string, port: number, captureBlock?: number) => Promise<Dns>;

/** The first block that no other sidecar of this machine has; from the workload's name, so that a restart finds it again. */
const openOnBlock = async (open: Open, port: number, name: string): Promise<MeshDns> => {
  const start = Number.parseInt(hash('sha256', name).slice(0, 8), 16);
  for (let i = 0; i < BLOCKS; i++) {
    const captureBlock = FIRST_BLOCK + ((start + i) % BLOCKS);
    const address = `127.${captureBlock}.0.1`;
    try {
      return { dns: await open(address, port, captureBlock), captureBlock };
    } catch (error) {
      if (!isTaken(error)) throw bindError(error, { address, port, use: 'DNS', flag: '--dns-port' });
    }
  }
  throw new WeftError('NO_FREE_PORT', `none of ${BLOCKS} blocks of loopback addresses is free for --dns-capture`, {
    hint: 'run fewer workloads with --dns-capture on this machine',
  });
};

/** Undefined where it is switched off. Throws PORT_TAKEN and its like for a port that the user chose. */
export const openMeshDns = async (
  { dnsPort, dnsAddress = LOOPBACK, dnsUpstream, dnsCapture }: DnsSettings,
  { name, namespace }: { readonly name: string; readonly namespace: string },
  log: Log,
  clock: Clock = systemClock,
): Promise<MeshDns | undefined> => {
  if (dnsPort === 'off') return;
  const common: Omit<DnsOptions, 'address' | 'port'> = {
    namespace,
    servers: dnsUpstream,
    clock,
    random: secretRandom,
    log,
  };
  const open: Open = (address, port, captureBlock) => openDns({ ...common, address, port, captureBlock });
  const port = dnsPort ?? USUAL_PORT;
  if (dnsCapture) return openOnBlock(open, port, `${namespace}/${name}`);
  const dns = await open(dnsAddress, port)
    .catch((error: unknown) => {
      if (dnsPort !== undefined || !isTaken(error)) throw error;
      return open(dnsAddress, 0);
    })
    .catch((error: unknown) => {
      throw bindError(error, { address: dnsAddress, port, use: 'DNS', flag: '--dns-port' });
    });
  log.info('names are answered', { address: formatHostPort(dns.address, dns.port) });
  return { dns };
};
