// The own engine's TLS to servers with certificates of ordinary authorities: what is shown to them, and which of theirs are
// taken. Called by proxy/tls/upstream-tls.ts once for each cluster's settings and certificates.
import type { ConnectionOptions, SecureContextOptions } from 'node:tls';
import { altNamesIn } from '../../lib/alt-names.ts';
import { WeftError } from '../../lib/errors.ts';
import { isTlsSecret, type SnapshotSecret, type TlsParameters } from '../../model/snapshot.ts';
import type { SimpleTls } from './schema.ts';
import { prepareAltNames, unwantedName } from './wanted-names.ts';

export interface BackendTlsOptions {
  readonly secure: SecureContextOptions;
  readonly check: NonNullable<ConnectionOptions['checkServerIdentity']>;
}

/** What the settings name; what is missing is undefined. */
export interface BackendTlsSecrets {
  readonly authorities: SnapshotSecret | undefined;
  readonly own: SnapshotSecret | undefined;
}

/** Throws CERTIFICATE_MISSING, PATTERN_INVALID. `systemRoots`: where no authority is named. */
export const prepareBackendTls = (
  tls: SimpleTls,
  { authorities, own }: BackendTlsSecrets,
  systemRoots: () => string[],
): BackendTlsOptions => {
  if (tls.ca !== undefined && (!authorities || isTlsSecret(authorities))) throw missing(tls.ca);
  if (tls.certificate !== undefined && (!own || !isTlsSecret(own))) throw missing(tls.certificate);
  const isWanted = prepareAltNames(tls.subjectAltNames ?? [{ name: 'DNS', type: 'exact', value: tls.sni }]);
  const { caPem, crlPem } = authorities && !isTlsSecret(authorities) ? authorities : {};
  return {
    secure: {
      ...parameterOptions(tls),
      ca: caPem ?? systemRoots(),
      ...(crlPem !== undefined && { crl: crlPem }),
      ...(own && isTlsSecret(own) && { key: own.keyPem, cert: own.chainPem }),
    },
    check: (_host, certificate) => {
      const names = altNamesIn(certificate.subjectaltname);
      return isWanted(names) ? undefined : unwantedName(names);
    },
  };
};

const missing = (name: string): WeftError => new WeftError('CERTIFICATE_MISSING', `there is no certificate ${name}`);

export const parameterOptions = (tls: TlsParameters): SecureContextOptions => ({
  minVersion: `TLSv${tls.minVersion ?? '1.2'}`,
  maxVersion: `TLSv${tls.maxVersion ?? '1.3'}`,
  ...(tls.ciphers && { ciphers: [...TLS13_SUITES, ...tls.ciphers].join(':') }),
  ...(tls.curves && { ecdhCurve: tls.curves.join(':') }),
});

/** Named besides those of TLS 1.2, or OpenSSL has no suite for 1.3. */
const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
