// What is known of a connection that was accepted, once and for all its requests. Called by listener.ts.
import type { Socket } from 'node:net';
import type { EventPeer } from '../../model/event.ts';
import type { Origin } from '../proxy-protocol/header.ts';
import type { ClientCertificate } from '../tls/client-certificate.ts';
import type { SecuredPeer } from '../tls/handshakes.ts';
import type { PeerIdentity } from '../tls/peer-identity.ts';

export interface ConnectionInfo {
  /** Who the client is: by its address, or by the PROXY protocol's header in front of it. */
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Who holds the other end of the socket. */
  readonly directAddress: string;
  readonly sni: string;
  readonly tls: 'mutual' | 'simple' | 'none';
  /** Proven by mutual TLS of the mesh. */
  readonly peer: PeerIdentity | undefined;
  readonly certificate?: ClientCertificate | undefined;
  /** How events name the client; kept by events.ts. */
  caller: EventPeer | undefined;
}

/** IPv4 addresses that came over an IPv6 socket are IPv4 addresses. */
export const plainAddress = (address: string | undefined): string =>
  address === undefined ? '' : address.startsWith('::ffff:') ? address.slice(7) : address;

export const connectionInfoOf = (
  socket: Socket,
  sni: string,
  secured: SecuredPeer | undefined,
  origin: Origin | undefined,
): ConnectionInfo => ({
  peerAddress: origin?.peerAddress ?? plainAddress(socket.remoteAddress),
  peerPort: origin?.peerPort ?? socket.remotePort ?? 0,
  localAddress: origin?.localAddress ?? plainAddress(socket.localAddress),
  localPort: origin?.localPort ?? socket.localPort ?? 0,
  directAddress: plainAddress(socket.remoteAddress),
  sni,
  tls: secured?.tls ?? 'none',
  peer: secured?.identity,
  certificate: secured?.certificate,
  caller: undefined,
});
