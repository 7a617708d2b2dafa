// Certificates for TLS servers in tests: self-signed, so that they are their own authority.
import { generateKeyPairSync } from 'node:crypto';
import { makeCertificate } from '../../src/ca/certificate.ts';
import type { FakeServerTls } from './http-server.ts';

export interface SelfSignedOptions {
  readonly address?: string;
  readonly dnsNames?: readonly string[];
  readonly notAfter?: Date;
}

export const makeSelfSigned = (options: SelfSignedOptions = {}): FakeServerTls => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const template = {
    subject: { commonName: 'test' },
    names: { ipAddresses: [options.address ?? '127.0.0.1'], dnsNames: options.dnsNames ?? [] },
    notBefore: Date.UTC(2020),
    notAfter: (options.notAfter ?? new Date('2120-01-01')).getTime(),
  };
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    certPem: makeCertificate(template, spki, { key: privateKey }),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
};
