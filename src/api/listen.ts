// Opens and closes the API's HTTP servers, with the limits that keep slow and vanishing clients from holding it up.
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import { createServer } from '../lib/http.ts';
import { bindError } from '../lib/ports.ts';

export interface Address {
  readonly address: string;
  readonly port: number;
}

export interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
}

// A request with its body must be there within 30 s; a connection may be silent for two minutes inside an answer.
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 90_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 32 * 1024,
};
const SILENCE_MS = 120_000;
const MAX_CONNECTIONS = 2000;
const GRACE_MS = 2000;

export const secureOptions = ({ certPem, keyPem }: Certificate) => ({
  cert: certPem,
  key: keyPem,
  minVersion: 'TLSv1.2' as const,
});

export const openPlainServer = (): Server => limit(createServer(LIMITS));

export const openSecureServer = (certificate: Certificate, listener: RequestListener): SecureServer => {
  try {
    const options = { ...LIMITS, ...secureOptions(certificate), handshakeTimeout: 10_000, ALPNProtocols: ['http/1.1'] };
    return limit(createSecureServer(options, listener));
  } catch (error) {
    throw new WeftError('API_CERTIFICATE', `the API's certificate can not be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
};

const limit = <T extends Server | SecureServer>(server: T): T => {
  server.timeout = SILENCE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
};

export const listen = (server: Server | SecureServer, { address, port }: Address): Promise<Address> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => reject(bindError(error, { address, port, use: 'API' })));
    server.listen(port, address, () => {
      const bound = server.address() as AddressInfo;
      resolve({ address: bound.address, port: bound.port });
    });
  });

/** The requests under way, so that closing can wait for their answers. */
export class Answers {
  readonly #running = new Set<Promise<void>>();

  /** `handled`: when the answer has been written; streams that others keep open are not waited for. */
  add(res: ServerResponse, handled: Promise<void>): void {
    const running = handled.then(() => {
      if (!res.writableEnded || res.writableFinished || res.destroyed) return;
      return new Promise<void>((resolve) => res.once('finish', resolve).once('close', resolve));
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Waits for all, but not for long: a client may not read. */
  async finish(clock: Clock): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.after(GRACE_MS, resolve, true);
    });
    await Promise.race([Promise.allSettled([...this.#running]), late]);
    timer?.cancel();
  }
}

/** Ends a server: no new connection, then what is under way, then what is left is cut. */
export const closeServer = async (server: Server | SecureServer, answers: Answers, clock: Clock): Promise<void> => {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  await answers.finish(clock);
  server.closeAllConnections();
  await closed;
};
