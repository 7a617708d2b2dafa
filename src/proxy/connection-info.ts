// What is known of a connection that was accepted, once and for all its requests. Called by listener.ts.
import type { Socket } from 'node:net';
import type { ClientCertificate } from './client-certificate.ts';
import type { SecuredPeer } from './handshakes.ts';
import type { PeerIdentity } from './peer-identity.ts';

export interface ConnectionInfo {
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly sni: string;
  readonly tls: 'mutual' | 'simple' | 'none';
  /** Proven by mutual TLS of the mesh. */
  readonly peer: PeerIdentity | undefined;
  readonly certificate?: ClientCertificate | undefined;
}

/** IPv4 addresses that came over an IPv6 socket are IPv4 addresses. */
export const plainAddress = (address: string | undefined): string =>
  address === undefined ? '' : address.startsWith('::ffff:') ? address.slice(7) : address;

export const connectionInfoOf = (socket: Socket, sni: string, secured: SecuredPeer | undefined): ConnectionInfo => ({
  peerAddress: plainAddress(socket.remoteAddress),
  peerPort: socket.remotePort ?? 0,
  localAddress: plainAddress(socket.localAddress),
  localPort: socket.localPort ?? 0,
  sni,
  tls: secured?.tls ?? 'none',
  peer: secured?.identity,
  certificate: secured?.certificate,
});
