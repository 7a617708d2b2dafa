// Server-side TLS handshakes on sockets that were accepted elsewhere: bounded, timed, and told of when they fail. Called by terminate.ts.
import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { messageOf, systemCode } from '../../lib/errors.ts';
import type { ProxyContext } from '../context.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { PeerIdentity } from './peer-identity.ts';

/** Who is at the other end. */
export interface SecuredPeer {
  readonly tls: 'mutual' | 'simple';
  /** Of mesh peers. */
  readonly identity?: PeerIdentity;
  /** What the client has shown, if anything. */
  readonly certificate?: ClientCertificate;
}

export interface HandshakeUser {
  onSecure(secured: TLSSocket, peer: SecuredPeer): void;
  /** The socket is gone already. */
  onRefused(reason: string): void;
}

/** Looks at a connection whose handshake is done; a text says why it is refused. */
export type PeerCheck = (secured: TLSSocket) => SecuredPeer | string;

/** The same for a socket and the TLS socket over it, and for no other that is open. */
const keyOf = (socket: Socket): string =>
  `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;

const REASONS: Readonly<Record<string, string>> = {
  ERR_TLS_HANDSHAKE_TIMEOUT: 'the handshake was not done in time',
  ECONNRESET: 'the client closed the connection during the handshake',
  ERR_SSL_NO_SHARED_CIPHER: 'no suite in common',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'no version of TLS in common',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'no protocol in common (ALPN)',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'no signature algorithm in common',
  ERR_SSL_NO_SUITABLE_KEY_SHARE: 'no curve in common',
};

/** An alert says what the client did not like. */
const reasonOf = (error: Error): string => {
  const code = systemCode(error) ?? '';
  const known = REASONS[code];
  if (known !== undefined) return known;
  const alert = /^ERR_SSL_(?:SSL|TLS)V?[0-9_]*_ALERT_(.+)$/.exec(code)?.[1];
  return alert ? `the client refused: ${alert.toLowerCase().replaceAll('_', ' ')}` : messageOf(error);
};

/** The TLS server of Node without a port of its own: sockets are handed in, and told apart by their addresses. */
export class Handshakes {
  readonly #context: ProxyContext;
  readonly #waiting = new Map<string, HandshakeUser>();
  readonly #server: ReturnType<typeof createServer>;

  constructor(context: ProxyContext, options: TlsOptions, check: PeerCheck) {
    this.#context = context;
    this.#server = createServer({ ...options, handshakeTimeout: context.limits.handshakeTimeoutMs });
    this.#server.on('secureConnection', (secured) => {
      secured.allowHalfOpen = true;
      const user = this.#take(keyOf(secured));
      const peer = user ? check(secured) : '';
      if (user && typeof peer !== 'string') {
        user.onSecure(secured, peer);
        return;
      }
      secured.on('error', () => {});
      secured.destroy();
      if (typeof peer === 'string') user?.onRefused(peer);
    });
    this.#server.on('tlsClientError', (error, secured) => {
      const user = this.#take(keyOf(secured));
      context.log.debug('a TLS handshake failed', { error });
      secured.destroy();
      user?.onRefused(reasonOf(error));
    });
  }

  setContext(options: TlsOptions): void {
    this.#server.setSecureContext(options);
  }

  setTicketKeys(keys: Buffer): void {
    this.#server.setTicketKeys(keys);
  }

  /** Takes a paused socket whose first bytes were pushed back. */
  start(socket: Socket, user: HandshakeUser): void {
    const { stats, limits } = this.#context;
    if (stats.handshakes >= limits.maxHandshakes) {
      socket.destroy();
      user.onRefused('too many handshakes at once');
      return;
    }
    // Reset meanwhile: the system has forgotten whose it was, and all such look the same.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      user.onRefused(REASONS.ECONNRESET!);
      return;
    }
    const key = keyOf(socket);
    stats.handshakes++;
    this.#waiting.set(key, user);
    socket.once('close', () => this.#take(key)?.onRefused(REASONS.ECONNRESET!));
    // Who goes during the handshake is gone: half of a connection is of no use before there is one.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  #take(key: string): HandshakeUser | undefined {
    const user = this.#waiting.get(key);
    if (this.#waiting.delete(key)) this.#context.stats.handshakes--;
    return user;
  }
}
