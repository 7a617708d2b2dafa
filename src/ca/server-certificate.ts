// The control plane's own certificate for its TLS ports, renewed at half its life; app hands it to the servers.
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Authority, ServerCertificate } from './authority.ts';

export interface ServerCertificateSource {
  current(): ServerCertificate;
  /** Calls `listener` on each renewal; returns how to stop. */
  watch(listener: (certificate: ServerCertificate) => void): () => void;
  close(): void;
}

/** Timers of laptops stop while they sleep: look at the time at least this often. */
const CHECK_MS = 60_000;

export const openServerCertificate = (options: {
  readonly authority: Authority;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly ttlMs?: number;
  readonly clock: Clock;
  readonly log: Log;
}): ServerCertificateSource => {
  const { authority, clock, log, ...names } = options;
  const listeners = new Set<(certificate: ServerCertificate) => void>();
  let certificate = authority.serverCertificate(names);
  let renewAt = clock.now() + (certificate.notAfter - clock.now()) / 2;
  let timer: Timer;
  const check = (): void => {
    const now = clock.now();
    if (now >= renewAt) {
      try {
        certificate = authority.serverCertificate(names);
        renewAt = now + (certificate.notAfter - now) / 2;
        for (const listener of listeners) listener(certificate);
      } catch (error) {
        renewAt = now + CHECK_MS;
        log.error('the server certificate could not be renewed', { reason: messageOf(error) });
      }
    }
    schedule();
  };
  const schedule = (): void => {
    timer = clock.after(Math.max(1, Math.min(CHECK_MS, renewAt - clock.now())), check);
  };
  schedule();
  return {
    current: () => certificate,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      timer.cancel();
      listeners.clear();
    },
  };
};
