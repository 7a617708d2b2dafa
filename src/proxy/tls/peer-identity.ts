// The SPIFFE identity that a peer's certificate proves. Called by both sides of mutual TLS.
import type { X509Certificate } from 'node:crypto';
import { altNamesIn, valuesOf } from '../../lib/alt-names.ts';
import { type Identity, parseSpiffeId } from '../../model/identity.ts';

export interface PeerIdentity {
  readonly spiffeId: string;
  readonly identity: Identity;
}

/** Undefined unless the certificate carries exactly one URI and it is a SPIFFE id of the trust domain. */
export const peerIdentityOf = (certificate: X509Certificate, trustDomain: string): PeerIdentity | undefined => {
  const uris = valuesOf(altNamesIn(certificate.subjectAltName), 'URI');
  const identity = uris.length === 1 ? parseSpiffeId(uris[0]!) : undefined;
  return identity?.trustDomain === trustDomain ? { spiffeId: uris[0]!, identity } : undefined;
};
