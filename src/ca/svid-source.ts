// A proxy's own SVID, kept fresh: a new key and CSR for each renewal, at half-life, retried while the control plane is
// away. Opened in the proxy's process (own engine) or in Envoy's agent; the keys never leave it.
import { generateKeyPairSync } from 'node:crypto';
import type { Clock, Timer } from '../lib/clock.ts';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Secret } from '../lib/secret.ts';
import { formatSpiffeId, type Svid, type SvidSource } from '../model/identity.ts';
import { requestCertificate } from './ca-client.ts';
import { makeCsr } from './csr.ts';
import { trustDomainOf, verifySvid } from './svid-chain.ts';

export interface SvidRenewalOptions {
  readonly rootPem: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Gets a chain for a CSR: by the present SVID while it holds, else by a join token. */
  readonly request: (csrPem: string, present: Svid | undefined) => Promise<readonly string[]>;
}

export interface SvidSourceOptions extends Omit<SvidRenewalOptions, 'request'> {
  /** `host:port` of the control plane. */
  readonly address: string;
  /** The name that its certificate must carry; absent: the host of the address. */
  readonly serverName?: string;
  /** Called for the first SVID, and again when the present one has ended. */
  readonly joinToken: () => Promise<Secret>;
  /** Wanted lifetime; absent: as the authority likes. */
  readonly ttlMs?: number;
}

export interface RenewedSvidSource extends SvidSource {
  /** Throws SVID_MISSING before `ready`. After its end the ended one is returned: peers refuse it. */
  current(): Svid;
  /** Resolves with the first SVID; rejects when the control plane refuses to give one, or on `close`. */
  readonly ready: Promise<void>;
  close(): void;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 30_000;
const URGENT_RETRY_MS = 1_000;
/** Timers of laptops stop while they sleep: look at the time at least this often. */
const CHECK_MS = 60_000;

class RenewingSource implements RenewedSvidSource {
  readonly ready: Promise<void>;
  readonly #options: SvidRenewalOptions;
  readonly #spiffeId: string;
  readonly #listeners = new Set<(svid: Svid) => void>();
  readonly #settleReady = Promise.withResolvers<void>();
  #svid: Svid | undefined;
  #dueAt = 0;
  #failures = 0;
  #hasToldEnd = false;
  /** Set when the present SVID was refused though it holds: the clocks may differ. */
  #prefersToken = false;
  #isClosed = false;
  #timer: Timer | undefined;

  constructor(options: SvidRenewalOptions) {
    this.#options = options;
    const { namespace, serviceAccount, rootPem } = options;
    this.#spiffeId = formatSpiffeId({ trustDomain: trustDomainOf(rootPem), namespace, serviceAccount });
    this.ready = this.#settleReady.promise;
    // Whoever never looks at `ready` must not die of its rejection.
    this.ready.catch(() => {});
    void this.#renew();
  }

  current(): Svid {
    if (this.#svid) return this.#svid;
    throw new WeftError('SVID_MISSING', `${this.#spiffeId} has no certificate yet`);
  }

  watch(listener: (svid: Svid) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
    this.#settleReady.reject(new WeftError('SVID_MISSING', 'closed before the first certificate came'));
  }

  async #renew(): Promise<void> {
    const { clock, rootPem: bundlePem, request } = this.#options;
    try {
      const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const holds = this.#svid !== undefined && this.#svid.notAfter > clock.now();
      const present = holds && !this.#prefersToken ? this.#svid : undefined;
      const chainPem = await request(makeCsr(key, this.#spiffeId), present);
      if (this.#isClosed) return;
      this.#accept(verifySvid({ chainPem, bundlePem, key, spiffeId: this.#spiffeId, now: clock.now() }));
    } catch (error) {
      if (this.#isClosed) return;
      this.#fail(error);
    }
  }

  #accept(svid: Svid): void {
    const { clock, random, log } = this.#options;
    const life = svid.notAfter - clock.now();
    this.#svid = svid;
    this.#failures = 0;
    this.#prefersToken = false;
    this.#hasToldEnd = false;
    log.info('got a certificate', { spiffeId: svid.spiffeId, until: new Date(svid.notAfter).toISOString() });
    // Half-life, a little earlier or later, so that proxies started together don't renew together.
    this.#schedule(clock.now() + life * (0.45 + 0.1 * random.next()));
    this.#settleReady.resolve();
    for (const listener of this.#listeners) {
      try {
        listener(svid);
      } catch (error) {
        log.error('a user of the certificate failed to take the new one', { reason: messageOf(error) });
      }
    }
  }

  #fail(error: unknown): void {
    const { clock, random, log } = this.#options;
    this.#failures += 1;
    if (!this.#svid && isFinal(error)) {
      this.#settleReady.reject(error);
      return;
    }
    if (isWeftError(error, 'SVID_REFUSED')) this.#prefersToken = !this.#prefersToken;
    const now = clock.now();
    const remainingMs = this.#svid ? this.#svid.notAfter - now : 0;
    if (this.#svid && remainingMs <= 0 && !this.#hasToldEnd) {
      this.#hasToldEnd = true;
      log.error('the certificate has ended; peers now refuse this proxy', { spiffeId: this.#spiffeId });
    }
    // The 1st, 2nd, 4th, 8th… failure: a long outage must not fill the log.
    if ((this.#failures & (this.#failures - 1)) === 0) {
      const left = this.#svid ? { remainingSeconds: Math.max(0, Math.round(remainingMs / 1000)) } : {};
      log.warn('no new certificate yet; trying again', { reason: messageOf(error), ...left });
    }
    const backoffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 20));
    // Short lives, and the end of long ones, want quicker tries; most of all a proxy that has no certificate.
    const limitMs = remainingMs > 0 ? Math.max(FIRST_RETRY_MS, remainingMs / 8) : URGENT_RETRY_MS;
    this.#schedule(now + Math.min(backoffMs, limitMs) * (0.75 + 0.5 * random.next()));
  }

  #schedule(dueAt: number): void {
    this.#dueAt = dueAt;
    this.#wait();
  }

  #wait(): void {
    const { clock } = this.#options;
    const waitMs = Math.max(1, Math.min(CHECK_MS, this.#dueAt - clock.now()));
    // Until the first SVID somebody waits for `ready`: the process must not end meanwhile.
    this.#timer = clock.after(waitMs, () => this.#check(), !this.#svid);
  }

  #check(): void {
    if (this.#options.clock.now() >= this.#dueAt) void this.#renew();
    else this.#wait();
  }
}

/** Whether asking again with the same token and address is of no use. */
const FINAL: ReadonlySet<string> = new Set(['SVID_REFUSED', 'SVID_REJECTED', 'FILE_UNREADABLE']);
const isFinal = (error: unknown): boolean => isWeftError(error) && FINAL.has(error.code);

/** The renewal alone, over any way to a CA. */
export const openSvidRenewal = (options: SvidRenewalOptions): RenewedSvidSource => new RenewingSource(options);

/** Opens a source that gets its SVIDs from the control plane over TLS. Throws ROOT_UNREADABLE. */
export const openSvidSource = (options: SvidSourceOptions): RenewedSvidSource => {
  const { address, serverName, rootPem, joinToken, ttlMs = 0, clock } = options;
  return openSvidRenewal({
    ...options,
    request: async (csrPem, present) =>
      requestCertificate({
        address,
        ...(serverName ? { serverName } : {}),
        rootPem,
        csrPem,
        ttlMs,
        clock,
        proof: present ? { present } : { token: await joinToken() },
      }),
  });
};
