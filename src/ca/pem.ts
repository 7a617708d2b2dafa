// PEM: text armour around DER. Used wherever certificates and requests are read or written.
import { WeftError } from '../lib/errors.ts';

export const encodePem = (label: string, bytes: Buffer): string => {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----/g;

export interface PemBlock {
  readonly label: string;
  readonly bytes: Buffer;
  /** The block as PEM again, in one form whatever it came in. */
  readonly pem: string;
}

/** The blocks in a text; what stands between them is left out. */
export const parsePem = (text: string): PemBlock[] =>
  [...text.matchAll(BLOCK)].map(([, label, body]) => {
    const bytes = Buffer.from(body!, 'base64');
    return { label: label!, bytes, pem: encodePem(label!, bytes) };
  });

/** The certificates in a text, each as PEM. Throws PEM_EMPTY when there is none. */
export const certificatesOf = (text: string, what: string): string[] => {
  const certificates = parsePem(text).filter((block) => block.label === 'CERTIFICATE');
  if (certificates.length === 0) throw new WeftError('PEM_EMPTY', `${what} holds no certificate`);
  return certificates.map((block) => block.pem);
};
