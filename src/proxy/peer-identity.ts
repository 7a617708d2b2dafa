// The SPIFFE identity that a peer's certificate proves. Called by both sides of mutual TLS.
import type { TLSSocket } from 'node:tls';
import { type Identity, parseSpiffeId } from '../model/identity.ts';

/** URI names of a certificate, from Node's text form of the subject alternative names. */
export const uriSans = (text: string | undefined): string[] => {
  if (!text) return [];
  // Node quotes a name that contains what it separates names with; no SPIFFE id does, so a quoted one is not taken apart.
  return text
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice(4));
};

export interface PeerIdentity {
  readonly spiffeId: string;
  readonly identity: Identity;
  /** SHA-256 of its certificate, in lower-case digits; x-forwarded-client-cert has it. */
  readonly certificateHash: string;
}

/** Undefined unless the certificate carries exactly one URI and it is a SPIFFE id of the trust domain. */
export const peerIdentityOf = (socket: TLSSocket, trustDomain: string): PeerIdentity | undefined => {
  const certificate = socket.getPeerX509Certificate();
  const uris = uriSans(certificate?.subjectAltName);
  const identity = uris.length === 1 ? parseSpiffeId(uris[0]!) : undefined;
  if (!certificate || identity?.trustDomain !== trustDomain) return undefined;
  const certificateHash = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { spiffeId: uris[0]!, identity, certificateHash };
};
