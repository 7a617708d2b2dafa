// Which certificates a TLS server shows for a server name: those that fit, RSA and ECDSA side by side. Called by terminate.ts.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { TlsSecret } from '../model/snapshot.ts';
import { altNamesIn, valuesOf } from './alt-names.ts';

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

const credentials = (certificates: readonly Certificate[]): SecureContextOptions => {
  const shown = distinctTypes(certificates);
  return { key: shown.map(({ secret }) => secret.keyPem), cert: shown.map(({ secret }) => secret.chainPem) };
};

export interface ServerCertificates {
  /** For clients that ask for no name, or for one that no certificate has. */
  readonly fallback: SecureContextOptions;
  contextFor(serverName: string): SecureContext;
}

/** Exact names come before wildcards, earlier certificates before later ones. Throws CERTIFICATE_INVALID, TLS_INVALID. */
export const prepareCertificates = (
  secrets: readonly TlsSecret[],
  options: SecureContextOptions,
): ServerCertificates => {
  if (secrets.length === 0) throw new WeftError('CERTIFICATE_MISSING', 'a TLS listener has no certificate');
  const certificates = secrets.map(read);
  const byName = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    for (const name of certificate.names) byName.set(name, [...(byName.get(name) ?? []), certificate]);
  }
  const build = (some: readonly Certificate[]): SecureContext => {
    try {
      return createSecureContext({ ...options, ...credentials(some) });
    } catch (error) {
      throw new WeftError('TLS_INVALID', `the TLS settings can not be used: ${messageOf(error)}`, {
        hint: 'check the names of suites and curves, and the authorities',
      });
    }
  };
  const contexts = new Map([...byName].map(([name, some]) => [name, build(some)]));
  const fallback = build(certificates);
  return {
    fallback: { ...options, ...credentials(certificates) },
    contextFor(serverName) {
      const name = serverName.toLowerCase();
      const parent = name.indexOf('.');
      return contexts.get(name) ?? (parent > 0 ? contexts.get(`*${name.slice(parent)}`) : undefined) ?? fallback;
    },
  };
};
