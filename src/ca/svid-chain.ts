// Checks what a CA answered before it is used: the key, the identity, the way up to a trusted root. Used by svid-source.ts.
import { type KeyObject, X509Certificate } from 'node:crypto';
import { isWeftError, WeftError } from '../lib/errors.ts';
import type { Svid } from '../model/identity.ts';
import { certificatesOf, parsePem } from './pem.ts';

const MAX_CERTIFICATES = 10;

const rejected = (why: string, cause?: unknown): WeftError =>
  new WeftError('SVID_REJECTED', `the certificate from the control plane was rejected: ${why}`, { cause });

const readChain = (chainPem: readonly string[]): X509Certificate[] => {
  const blocks = chainPem.flatMap((pem) => parsePem(pem));
  if (blocks.length === 0 || blocks.length > MAX_CERTIFICATES) throw rejected(`it came with ${blocks.length} parts`);
  try {
    return blocks.map((block) => new X509Certificate(block.bytes));
  } catch (cause) {
    throw rejected('it could not be read', cause);
  }
};

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/** The chain from the leaf up to, and without, the root that issued its last part. */
const pathToRoot = (chain: readonly X509Certificate[], roots: readonly X509Certificate[]): X509Certificate[] => {
  const path = [chain[0]!];
  for (const next of chain.slice(1)) {
    if (roots.some((root) => isIssuedBy(path.at(-1)!, root))) break;
    if (!isIssuedBy(path.at(-1)!, next)) throw rejected('one part of its chain did not issue the part before');
    path.push(next);
  }
  if (!roots.some((root) => isIssuedBy(path.at(-1)!, root))) throw rejected('it does not lead to the trusted root');
  return path;
};

/** Makes an SVID of a CA's answer. Throws SVID_REJECTED. */
export const verifySvid = (answer: {
  /** Leaf first; the root may stand at the end. */
  readonly chainPem: readonly string[];
  readonly bundlePem: string;
  readonly key: KeyObject;
  readonly spiffeId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}): Svid => {
  const { bundlePem, key, spiffeId, now } = answer;
  const chain = readChain(answer.chainPem);
  const roots = certificatesOf(bundlePem, 'the trust bundle').map((pem) => new X509Certificate(pem));
  const leaf = chain[0]!;
  if (!leaf.checkPrivateKey(key)) throw rejected('it is for another key');
  if (leaf.subjectAltName !== `URI:${spiffeId}`)
    throw rejected(`it is for ${leaf.subjectAltName}, not URI:${spiffeId}`);
  if (leaf.ca) throw rejected('it is the certificate of an authority');
  const path = pathToRoot(chain, roots);
  const notAfter = Math.min(...path.map((certificate) => certificate.validToDate.getTime()));
  if (notAfter <= now) throw rejected('it has already ended; are the clocks of both machines right?');
  return {
    spiffeId,
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chainPem: path.map((certificate) => certificate.toString()).join(''),
    bundlePem,
    notBefore: leaf.validFromDate.getTime(),
    notAfter,
  };
};

/** The trust domain that the first root of a bundle names. Throws ROOT_UNREADABLE. */
export const trustDomainOf = (bundlePem: string): string => {
  try {
    const root = new X509Certificate(certificatesOf(bundlePem, 'the root certificate')[0]!);
    const match = /^URI:spiffe:\/\/([a-z0-9._-]{1,255})$/.exec(root.subjectAltName ?? '');
    if (match) return match[1]!;
    throw new WeftError('PEM_EMPTY', 'the root certificate names no SPIFFE trust domain');
  } catch (cause) {
    throw new WeftError('ROOT_UNREADABLE', isWeftError(cause) ? cause.message : 'the root certificate is damaged', {
      hint: 'give the PEM of the root certificate that the control plane of the mesh uses',
      cause,
    });
  }
};
