// Opens and closes the API's HTTP servers, with the limits that keep slow and vanishing clients from holding it up.
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';

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
    server.once('error', (error) => reject(listenError(error, address, port)));
    server.listen(port, address, () => {
      const bound = server.address() as AddressInfo;
      resolve({ address: bound.address, port: bound.port });
    });
  });

const listenError = (error: unknown, address: string, port: number): WeftError => {
  const at = `${address}:${port}`;
  const code = systemCode(error);
  if (code === 'EADDRINUSE') {
    return new WeftError('PORT_IN_USE', `port ${port} on ${address} is taken by another program`, {
      at,
      hint: 'stop that program, or choose another port',
      cause: error,
    });
  }
  if (code === 'EACCES') {
    return new WeftError('PORT_REFUSED', `this user may not listen on port ${port}`, {
      at,
      hint: 'choose a port above 1023',
      cause: error,
    });
  }
  return new WeftError('LISTEN_FAILED', `the API can't listen on ${at}: ${messageOf(error)}`, { at, cause: error });
};

/** Ends a server; answers under way were ended before, what is left is cut. */
export const closeServer = (server: Server | SecureServer): Promise<void> =>
  new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
    server.closeIdleConnections();
    setImmediate(() => server.closeAllConnections());
  });
