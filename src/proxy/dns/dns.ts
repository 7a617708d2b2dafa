// A small resolver beside a proxy: answers names of the mesh, and asks the system's servers for all others. Opened by app/.
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { NameRecord } from '../../model/name-record.ts';
import { DnsCounts } from './counts.ts';
import type { DnsServerAddress } from './exchange.ts';
import { Forwarder } from './forwarder.ts';
import { listenDns } from './listen.ts';
import { Resolver } from './resolver.ts';

export interface DnsOptions {
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** Of the workload: in it short names are answered. */
  readonly namespace: string;
  /** See `captureAddress`. */
  readonly captureBlock?: number | undefined;
  /** Seconds that clients may keep names of the mesh. */
  readonly ttl?: number;
  /** Asked for other names; absent: those of `resolvConf`. */
  readonly servers?: readonly DnsServerAddress[] | undefined;
  readonly resolvConf?: string;
  readonly clock: Clock;
  /** Not guessable. */
  readonly random: Random;
  readonly log: Log;
}

export interface Dns {
  readonly address: string;
  readonly port: number;
  readonly counts: Readonly<DnsCounts>;
  /** How many names it knows. */
  readonly names: number;
  update(names: ReadonlyMap<string, NameRecord>): void;
  close(): Promise<void>;
}

/** Long enough to spare questions, short enough that a service that moved is found again. */
const DEFAULT_TTL = 30;

/** True where a question to `server` would come to whoever listens at `own`. */
const leadsTo = (own: DnsServerAddress, server: DnsServerAddress): boolean => {
  if (server.port !== own.port) return false;
  if (server.address === own.address) return true;
  if (own.address !== '0.0.0.0' && own.address !== '::') return false;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  return server.address.startsWith('127.') || addresses.includes(server.address);
};

/** Throws what the system says of a port that can't be had. */
export const openDns = async (options: DnsOptions): Promise<Dns> => {
  const { namespace, captureBlock, ttl = DEFAULT_TTL, servers, resolvConf = '/etc/resolv.conf', ...rest } = options;
  const { clock, random, log } = rest;
  const counts = new DnsCounts();
  let own: DnsServerAddress = { address: options.address, port: options.port };
  const isSelf = (server: DnsServerAddress) => leadsTo(own, server);
  const forwarder = new Forwarder({ servers, resolvConf, isSelf, clock, random, log, counts });
  // In Kubernetes these servers know services too.
  const zoneIsShared = () => forwarder.upstreams.search.some((domain) => /(^|\.)svc\.cluster\.local$/.test(domain));
  const resolver = new Resolver({ namespace, captureBlock, ttl, zoneIsShared, random }, forwarder, counts);
  const bound = await listenDns(own, (bytes, client) => resolver.answer(bytes, client), clock, log);
  own = { address: bound.address, port: bound.port };
  await forwarder.upstreams.look();
  return {
    address: bound.address,
    port: bound.port,
    counts,
    get names() {
      return resolver.names;
    },
    update: (names) => resolver.update(names),
    close: () => {
      forwarder.close();
      return bound.close();
    },
  };
};
