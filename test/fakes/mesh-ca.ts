// An authority that lives in memory, and SVID sources that tests renew by hand.
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { makeCertificate } from '../../src/ca/certificate.ts';
import type { Svid, SvidSource } from '../../src/model/identity.ts';

const HOUR = 3_600_000;

export interface FakeSvidSource extends SvidSource {
  /** A new key and certificate from the same authority, or from another. */
  renew(authority?: FakeAuthority, bundlePem?: string): void;
}

export class FakeAuthority {
  readonly rootPem: string;
  readonly #key: KeyObject;
  readonly #raw: Buffer;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.rootPem = makeCertificate(
      {
        subject: { commonName: 'test root' },
        names: {},
        authority: { pathLength: 0 },
        notBefore: Date.now() - HOUR,
        notAfter: Date.now() + 24 * HOUR,
      },
      publicKey.export({ type: 'spki', format: 'der' }),
      { key: privateKey },
    );
    this.#raw = new X509Certificate(this.rootPem).raw;
  }

  issue(names: { uris?: string[]; dnsNames?: string[] }): { keyPem: string; chainPem: string } {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const template = { subject: {}, names, notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return {
      keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      chainPem: makeCertificate(template, spki, { key: this.#key, certificate: this.#raw }),
    };
  }

  svid(spiffeId: string, bundlePem = this.rootPem): Svid {
    const { keyPem, chainPem } = this.issue({ uris: [spiffeId] });
    return { spiffeId, keyPem, chainPem, bundlePem, notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
  }

  source(spiffeId: string): FakeSvidSource {
    const listeners = new Set<(svid: Svid) => void>();
    let present = this.svid(spiffeId);
    return {
      current: () => present,
      watch: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      renew: (authority = this, bundlePem) => {
        present = authority.svid(spiffeId, bundlePem);
        for (const listener of listeners) listener(present);
      },
    };
  }
}

export const spiffeId = (serviceAccount: string, namespace = 'default'): string =>
  `spiffe://cluster.local/ns/${namespace}/sa/${serviceAccount}`;
