// Which certificates a TLS server shows for a server name: those that fit, RSA and ECDSA side by side. Called by terminate.ts.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { altNamesIn, valuesOf } from '../../lib/alt-names.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import type { TlsSecret } from '../../model/snapshot.ts';

interface Certificate {
  readonly secret: TlsSecret;
  readonly names: readonly string[];
  /** OpenSSL shows the one that the client is able to check. */
  readonly keyType: string;
}

const read = (secret: TlsSecret): Certificate => {
  try {
    const certificate = new X509Certificate(secret.chainPem);
    const names = valuesOf(altNamesIn(certificate.subjectAltName), 'DNS');
    const common = /^CN=(.+)$/m.exec(certificate.subject ?? '')?.[1];
    const all = names.length > 0 || common === undefined ? names : [common];
    const keyType = certificate.publicKey.asymmetricKeyType ?? '';
    createSecureContext({ key: secret.keyPem, cert: secret.chainPem });
    return { secret, names: all.map((name) => name.toLowerCase()), keyType };
  } catch (error) {
    throw new WeftError('CERTIFICATE_INVALID', `the certificate ${secret.name} can not be used: ${messageOf(error)}`, {
      hint: 'give a PEM chain, leaf first, and the private key that belongs to it',
    });
  }
};

/** The first of each key type. */
const distinctTypes = (certificates: readonly Certificate[]): Certificate[] => {
  const byType = new Map<string, Certificate>();
  for (const certificate of certificates)
    if (!byType.has(certificate.keyType)) byType.set(certificate.keyType, certificate);
  return [...byType.values()];
};

export interface ServerCertificates {
  /** Keys and chains that are shown together; the first for clients that ask for no name that a certificate has. */
  readonly sets: readonly SecureContextOptions[];
  /** Which of them. */
  indexFor(serverName: string): number;
}

/** Exact names come before wildcards, earlier certificates before later ones. Throws CERTIFICATE_INVALID. */
export const prepareCertificates = (secrets: readonly TlsSecret[]): ServerCertificates => {
  if (secrets.length === 0) throw new WeftError('CERTIFICATE_MISSING', 'a TLS listener has no certificate');
  const certificates = secrets.map(read);
  const byName = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    for (const name of certificate.names) byName.set(name, [...(byName.get(name) ?? []), certificate]);
  }
  const lists = [distinctTypes(certificates)];
  const indexes = new Map<string, number>();
  for (const [name, some] of byName) {
    const shown = distinctTypes(some);
    const known = lists.findIndex((list) => isDeepStrictEqual(list, shown));
    indexes.set(name, known < 0 ? lists.push(shown) - 1 : known);
  }
  return {
    sets: lists.map((list) => ({
      key: list.map(({ secret }) => secret.keyPem),
      cert: list.map(({ secret }) => secret.chainPem),
    })),
    indexFor(serverName) {
      const dot = serverName.indexOf('.');
      return indexes.get(serverName) ?? (dot > 0 ? indexes.get(`*${serverName.slice(dot)}`) : undefined) ?? 0;
    },
  };
};
