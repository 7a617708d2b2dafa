// Follows the addresses of a DNS name, keeping the last good ones. Called by clusters.ts.
import { lookup } from 'node:dns/promises';
import type { Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { ProxyContext } from '../context.ts';

/** All addresses of a name, as the system knows them (hosts file included). */
export type Resolve = (host: string) => Promise<readonly string[]>;

export const resolveBySystem: Resolve = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map((entry) => entry.address);

const REFRESH_MS = 5000;
const RETRY_MS = 1000;

export class Resolution {
  readonly host: string;
  readonly port: number;
  /** Until the first answer, good or bad. */
  first: Promise<void> | undefined;
  readonly #context: ProxyContext;
  readonly #resolve: Resolve;
  readonly #onAddresses: (addresses: readonly string[]) => void;
  #last = '';
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    host: string,
    port: number,
    context: ProxyContext,
    resolve: Resolve,
    onAddresses: (addresses: readonly string[]) => void,
  ) {
    this.host = host;
    this.port = port;
    this.#context = context;
    this.#resolve = resolve;
    this.#onAddresses = onAddresses;
    this.first = this.#look().finally(() => {
      this.first = undefined;
    });
  }

  async #look(): Promise<void> {
    let next = REFRESH_MS;
    try {
      const { captureBlock } = this.#context.node;
      const found = await this.#resolve(this.host);
      // A system that asks the resolver beside this proxy is led to this proxy's own listeners.
      const addresses = found.filter((address) => !address.startsWith(`127.${captureBlock}.`)).sort();
      if (addresses.length < found.length) throw new Error('the name leads back to this proxy');
      const now = addresses.join(',');
      if (!this.#closed && now !== this.#last && addresses.length > 0) this.#onAddresses(addresses);
      this.#last = now;
    } catch (error) {
      next = RETRY_MS;
      if (!this.#closed)
        this.#context.log.warn('a name could not be resolved', { host: this.host, error: messageOf(error) });
    }
    if (!this.#closed) this.#timer = this.#context.clock.after(next, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}
