// Whom to ask for names of the world: the servers of resolv.conf, read again when it changes, or those that a user named.
// Used by forwarder.ts.
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { DnsServerAddress } from './exchange.ts';
import { parseResolvConf, type ResolvConf } from './resolv-conf.ts';

export interface UpstreamOptions {
  /** In place of those of `resolvConf`. */
  readonly servers?: readonly DnsServerAddress[] | undefined;
  readonly resolvConf: string;
  /** True for an address of this resolver itself, which would ask itself without end. */
  readonly isSelf: (server: DnsServerAddress) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** What other servers say may differ from what is kept. */
  onChange(): void;
}

const DNS_PORT = 53;
const LOOK_MS = 1000;
/** A server that gave no answer is asked after the others for so long. */
const AVOID_MS = 30_000;

const placeOf = ({ address, port }: DnsServerAddress): string => `${address} ${port}`;

export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #failedAt = new Map<string, number>();
  #text = '';
  #conf: ResolvConf = parseResolvConf('');
  #servers: readonly DnsServerAddress[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    if (options.servers) this.#use(options.servers);
  }

  get timeoutMs(): number {
    return this.#conf.timeoutMs;
  }

  get attempts(): number {
    return this.#conf.attempts;
  }

  /** Domains that the system adds to short names. */
  get search(): readonly string[] {
    return this.#conf.search;
  }

  /** The present ones, those that failed lately last. */
  async current(): Promise<readonly DnsServerAddress[]> {
    await this.look();
    const now = this.#options.clock.monotonic();
    const avoided = (server: DnsServerAddress) => {
      const failedAt = this.#failedAt.get(placeOf(server));
      return failedAt !== undefined && now - failedAt < AVOID_MS ? 1 : 0;
    };
    return [...this.#servers].sort((a, b) => avoided(a) - avoided(b));
  }

  note(server: DnsServerAddress, answered: boolean): void {
    if (answered) this.#failedAt.delete(placeOf(server));
    else this.#failedAt.set(placeOf(server), this.#options.clock.monotonic());
  }

  /** Reads the file where that was not done just now. */
  look(): Promise<void> {
    const { clock } = this.#options;
    if (!this.#looking && clock.monotonic() - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = clock.monotonic();
      this.#looking = this.#read().finally(() => {
        this.#looking = undefined;
      });
    }
    return this.#looking ?? Promise.resolve();
  }

  async #read(): Promise<void> {
    const { resolvConf, servers, onChange, log } = this.#options;
    // While the file is being replaced, or is gone, what it said last is the best guess.
    const text = await readFile(resolvConf, 'utf8').catch(() => undefined);
    if (text === undefined || text === this.#text) return;
    const isFirst = this.#text === '';
    this.#text = text;
    this.#conf = parseResolvConf(text);
    if (servers) return;
    this.#use(this.#conf.servers.map((address) => ({ address, port: DNS_PORT })));
    if (isFirst) return;
    onChange();
    log.info('the name servers changed', { servers: this.#conf.servers.join(' ') });
  }

  #use(servers: readonly DnsServerAddress[]): void {
    const { isSelf, log } = this.#options;
    this.#servers = servers.filter((server) => !isSelf(server));
    this.#failedAt.clear();
    if (this.#servers.length < servers.length) {
      const hint = 'name the servers to ask instead: --dns-upstream IP[:PORT]';
      log.warn('a name server is this resolver itself; it is not asked', { try: hint });
    }
  }
}
