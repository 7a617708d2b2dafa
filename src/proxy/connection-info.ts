// What is known of a connection that was accepted, once and for all its requests. Called by listener.ts.
import type { Socket } from 'node:net';
import type { PeerIdentity } from './peer-identity.ts';

export interface ConnectionInfo {
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly sni: string;
  readonly tls: 'mutual' | 'simple' | 'none';
  /** Proven by mutual TLS. */
  readonly peer: PeerIdentity | undefined;
}

/** IPv4 addresses that came over an IPv6 socket are IPv4 addresses. */
export const plainAddress = (address: string | undefined): string =>
  address === undefined ? '' : address.startsWith('::ffff:') ? address.slice(7) : address;

export const connectionInfoOf = (
  socket: Socket,
  tls: ConnectionInfo['tls'],
  sni: string,
  peer: PeerIdentity | undefined,
): ConnectionInfo => ({
  peerAddress: plainAddress(socket.remoteAddress),
  peerPort: socket.remotePort ?? 0,
  localAddress: plainAddress(socket.localAddress),
  localPort: socket.localPort ?? 0,
  sni,
  tls,
  peer,
});
