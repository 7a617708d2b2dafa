// Terminates TLS for one filter chain: with the own SVID for mesh peers, or with certificates chosen by name.
// Called by listener.ts.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContext, type TLSSocket, type TlsOptions } from 'node:tls';
import { messageOf, WeftError } from '../lib/errors.ts';
import { parseSpiffeId, type SvidSource } from '../model/identity.ts';
import type { DownstreamTls, TlsSecret } from '../model/snapshot.ts';
import type { ProxyContext } from './context.ts';
import { type PeerIdentity, peerIdentityOf } from './peer-identity.ts';

export interface Terminator {
  readonly mode: DownstreamTls['mode'];
  /** Offered, in order of preference. */
  readonly alpn: readonly string[];
  /** Takes a paused socket whose first bytes were pushed back. Calls `onSecure`, or destroys it. */
  secure(socket: Socket, onSecure: (secured: TLSSocket, peer: PeerIdentity | undefined) => void): void;
  /** Takes new certificates; connections that are open stay as they are. Throws where they can't be used. */
  update(secrets: readonly TlsSecret[]): void;
}

interface NamedContext {
  readonly secret: TlsSecret;
  readonly certificate: X509Certificate;
  readonly context: SecureContext;
}

const prepareSecret = (secret: TlsSecret): NamedContext => {
  try {
    const context = createSecureContext({ key: secret.keyPem, cert: secret.chainPem, minVersion: 'TLSv1.2' });
    return { secret, certificate: new X509Certificate(secret.chainPem), context };
  } catch (error) {
    throw new WeftError('CERTIFICATE_INVALID', `the certificate ${secret.name} can not be used: ${messageOf(error)}`, {
      hint: 'give a PEM chain, leaf first, and the private key that belongs to it',
    });
  }
};

// SSL_OP_NO_TICKET
const NO_TICKET = 0x4000;

const alpnOptions = (alpn: readonly string[]): TlsOptions => (alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {});

const meshOptions = (source: SvidSource): TlsOptions => {
  const svid = source.current();
  // A resumed session would skip the check of the peer's certificate against the present roots.
  return { key: svid.keyPem, cert: svid.chainPem, ca: svid.bundlePem, minVersion: 'TLSv1.2', secureOptions: NO_TICKET };
};

type OnSecure = (secured: TLSSocket, peer: PeerIdentity | undefined) => void;

/** The same for a socket and the TLS socket over it, and for no other that is open. */
const keyOf = (socket: Socket): string =>
  `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;

/** The TLS server of Node without a port of its own: sockets are handed in, and told apart by their addresses. */
class Handshakes {
  readonly #waiting = new Map<string, OnSecure>();
  readonly #server: ReturnType<typeof createServer>;

  constructor(
    context: ProxyContext,
    options: TlsOptions,
    check: (secured: TLSSocket) => PeerIdentity | undefined | false,
  ) {
    this.#server = createServer({ ...options, handshakeTimeout: context.limits.handshakeTimeoutMs });
    this.#server.on('secureConnection', (secured) => {
      secured.allowHalfOpen = true;
      const key = keyOf(secured);
      const onSecure = this.#waiting.get(key);
      this.#waiting.delete(key);
      const peer = check(secured);
      if (!onSecure || peer === false) {
        if (peer === false)
          context.log.warn('a peer without a valid identity was refused', { peer: secured.remoteAddress });
        secured.on('error', () => {});
        secured.destroy();
        return;
      }
      onSecure(secured, peer);
    });
    this.#server.on('tlsClientError', (error, secured) => {
      context.log.debug('a TLS handshake failed', { error });
      secured.destroy();
    });
  }

  setContext(options: TlsOptions): void {
    this.#server.setSecureContext(options);
  }

  start(socket: Socket, onSecure: OnSecure): void {
    const key = keyOf(socket);
    this.#waiting.set(key, onSecure);
    socket.once('close', () => this.#waiting.delete(key));
    // Who goes during the handshake is gone: half of a connection is of no use before there is one.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }
}

/** Mutual TLS: the peer must prove a SPIFFE identity of the own trust domain. */
export const meshTerminator = (context: ProxyContext, source: SvidSource, alpn: readonly string[]): Terminator => {
  const handshakes = new Handshakes(
    context,
    { ...meshOptions(source), ...alpnOptions(alpn), requestCert: true, rejectUnauthorized: true },
    (secured) => {
      const own = parseSpiffeId(source.current().spiffeId);
      return (own && peerIdentityOf(secured, own.trustDomain)) ?? false;
    },
  );
  return {
    mode: 'mesh',
    alpn,
    secure: (socket, onSecure) => handshakes.start(socket, onSecure),
    update: () => handshakes.setContext(meshOptions(source)),
  };
};

/** TLS for anyone; the certificate is the first that fits the name asked for, else the first. */
export const serverTerminator = (
  context: ProxyContext,
  secrets: readonly TlsSecret[],
  alpn: readonly string[],
): Terminator => {
  let named = secrets.map(prepareSecret);
  const options = ({ secret }: NamedContext): TlsOptions => ({
    key: secret.keyPem,
    cert: secret.chainPem,
    minVersion: 'TLSv1.2',
  });
  if (named.length === 0) throw new WeftError('CERTIFICATE_MISSING', 'a TLS listener has no certificate');
  const handshakes = new Handshakes(
    context,
    {
      ...options(named[0]!),
      ...alpnOptions(alpn),
      SNICallback: (name, done) => {
        const fitting = named.find(({ certificate }) => certificate.checkHost(name) !== undefined);
        done(null, (fitting ?? named[0]!).context);
      },
    },
    () => undefined,
  );
  return {
    mode: 'terminate',
    alpn,
    secure: (socket, onSecure) => handshakes.start(socket, onSecure),
    update(next) {
      // A new context would make clients' session tickets useless.
      if (next.length === named.length && next.every((secret, i) => secret === named[i]!.secret)) return;
      const prepared = next.map(prepareSecret);
      if (prepared.length === 0) throw new WeftError('CERTIFICATE_MISSING', 'a TLS listener has no certificate');
      named = prepared;
      handshakes.setContext(options(named[0]!));
    },
  };
};
