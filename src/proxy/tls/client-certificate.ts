// A client's certificate as programs are told of it, in x-forwarded-client-cert. Made by terminate.ts, read by request-headers.ts.
import type { X509Certificate } from 'node:crypto';
import { type AltName, altNamesIn, valuesOf } from '../../lib/alt-names.ts';
import type { ClientCertDetail, ForwardClientCert } from '../../model/snapshot.ts';

/** Mesh peers are told by their identity. */
export const MESH_FORWARDING: ForwardClientCert = { mode: 'sanitize-set', details: ['uri'] };
export const NO_FORWARDING: ForwardClientCert = { mode: 'sanitize', details: [] };

/** Envoy's order. */
const ORDER: readonly ClientCertDetail[] = ['cert', 'chain', 'subject', 'uri', 'dns'];

const ESCAPES: Readonly<Record<string, string>> = { '\n': '%0A', ' ': '%20', '+': '%2B', '/': '%2F', '=': '%3D' };

const escapePem = (pem: string): string => pem.replace(/[\n +/=]/g, (character) => ESCAPES[character]!);

const escapeByte = (byte: number): string => `\\${byte.toString(16).padStart(2, '0').toUpperCase()}`;

/** RFC 2253: the last part first; Node has one part on each line, the first first. */
const subjectOf = ({ subject = '' }: X509Certificate): string =>
  (subject ?? '')
    .split('\n')
    .reverse()
    .join(',')
    .replaceAll(' + ', '+')
    .replace(/[^\x20-\x7e]+/gu, (text) => [...Buffer.from(text)].map(escapeByte).join(''));

const MAX_CHAIN = 16;

/** As the client sent it. */
const chainOf = (certificate: X509Certificate): string => {
  const pems: string[] = [];
  let next: X509Certificate | undefined = certificate;
  while (next && pems.length < MAX_CHAIN) {
    pems.push(next.toString());
    next = next.issuerCertificate;
  }
  return pems.join('');
};

export class ClientCertificate {
  readonly names: readonly AltName[];
  readonly #certificate: X509Certificate;
  readonly #by: readonly string[];
  #details: readonly ClientCertDetail[] | undefined;
  #text = '';

  /** `by`: URI names of the own certificate that was shown. */
  constructor(certificate: X509Certificate, by: readonly string[]) {
    this.#certificate = certificate;
    this.#by = by;
    this.names = altNamesIn(certificate.subjectAltName);
  }

  /** One element of the header; the same for each request of a connection. */
  element(details: readonly ClientCertDetail[]): string {
    if (details === this.#details) return this.#text;
    const hash = this.#certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    const parts = [...this.#by.map((uri) => `By=${uri}`), `Hash=${hash}`];
    for (const detail of ORDER) if (details.includes(detail)) parts.push(...this.#parts(detail));
    this.#details = details;
    this.#text = parts.join(';');
    return this.#text;
  }

  #parts(detail: ClientCertDetail): string[] {
    const certificate = this.#certificate;
    switch (detail) {
      case 'cert':
        return [`Cert="${escapePem(certificate.toString())}"`];
      case 'chain':
        return [`Chain="${escapePem(chainOf(certificate))}"`];
      case 'subject':
        return [`Subject="${subjectOf(certificate)}"`];
      case 'uri': {
        const uris = valuesOf(this.names, 'URI');
        return uris.length > 0 ? uris.map((uri) => `URI=${uri}`) : ['URI='];
      }
      case 'dns':
        return valuesOf(this.names, 'DNS').map((name) => `DNS=${name}`);
    }
  }
}
