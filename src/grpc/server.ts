// The gRPC servers of the control plane: one over TLS for proxies (a client certificate is taken where there is one),
// one in plain text on loopback. xds, ca and telemetry bring the services.
import type { Socket } from 'node:net';
import { experimental, logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { parseHostPort } from '../lib/host-port.ts';
import { bindError } from '../lib/ports.ts';
import type { GrpcService } from './service.ts';

/** A server certificate that may be replaced while it is in use. */
export interface ServerIdentity {
  readonly chainPem: string;
  readonly keyPem: string;
  /** Roots that client certificates are checked against. */
  readonly bundlePem: string;
}

export interface GrpcServer {
  readonly address: string;
  replaceIdentity(identity: ServerIdentity): void;
  close(): Promise<void>;
}

type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];
type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];

/** Hands the newest certificate to grpc-js; never inside its `add…`, whose caller is not listening yet then. */
class IdentityProvider implements experimental.CertificateProvider {
  #identity: ServerIdentity;
  readonly #identityListeners = new Set<IdentityListener>();
  readonly #caListeners = new Set<CaListener>();

  constructor(identity: ServerIdentity) {
    this.#identity = identity;
  }

  replace(identity: ServerIdentity): void {
    this.#identity = identity;
    for (const listener of this.#caListeners) this.#tellCa(listener);
    for (const listener of this.#identityListeners) this.#tellIdentity(listener);
  }

  #tellCa(listener: CaListener): void {
    listener({ caCertificate: Buffer.from(this.#identity.bundlePem) });
  }

  #tellIdentity(listener: IdentityListener): void {
    const { chainPem, keyPem } = this.#identity;
    listener({ certificate: Buffer.from(chainPem), privateKey: Buffer.from(keyPem) });
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    queueMicrotask(() => this.#tellCa(listener));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    queueMicrotask(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }
}

// It writes to standard error what its errors say anyhow.
setLogVerbosity(logVerbosity.NONE);

// Proxies keep one stream open for days: pings find the dead ones.
const OPTIONS = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.max_concurrent_streams': 1_000,
};

/** grpc-js tells the system's error only in its text. */
const withCode = (error: Error): Error => Object.assign(error, { code: /\bE[A-Z]{3,}\b/.exec(error.message)?.[0] });

const bind = (server: Server, address: string, credentials: ServerCredentials): Promise<string> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (!cause) return resolve(address.startsWith('unix:') ? address : address.replace(/:\d+$/, `:${port}`));
      const { host, port: wanted } = parseHostPort(address) ?? { host: address, port: 0 };
      reject(bindError(withCode(cause), { address: host, port: wanted, use: 'xDS' }));
    });
  });

/**
 * Destroys every connection of a server that closes. grpc-js knows those with a finished handshake alone; one in the middle
 * of it would stay open for good, and keep its client's process alive. Its listeners are private, hence the look inside.
 */
const trackSockets = (server: Server): (() => void) => {
  const sockets = new Set<Socket>();
  let isClosed = false;
  const listeners: unknown = Reflect.get(server, 'http2Servers');
  for (const listener of listeners instanceof Map ? listeners.keys() : []) {
    listener.on('connection', (socket: Socket) => {
      if (isClosed) socket.destroy();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  return () => {
    isClosed = true;
    for (const socket of sockets) socket.destroy();
  };
};

/** Opens a server on `host:port` or `unix:<path>`; without an identity it speaks plain text. */
export const openGrpcServer = async (
  address: string,
  services: readonly GrpcService[],
  identity?: ServerIdentity,
): Promise<GrpcServer> => {
  const server = new Server(OPTIONS);
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  const provider = identity && new IdentityProvider(identity);
  const credentials = provider
    ? experimental.createCertificateProviderServerCredentials(provider, provider, false)
    : ServerCredentials.createInsecure();
  const bound = await bind(server, address, credentials);
  const destroySockets = trackSockets(server);
  return {
    address: bound,
    replaceIdentity: (next) => provider?.replace(next),
    // Streams of proxies never end by themselves.
    close: async () => {
      server.forceShutdown();
      destroySockets();
    },
  };
};
