// PKCS #10 requests (RFC 2986): made by the proxy for its new key, read strictly by the authority.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { altNameExtension } from './certificate.ts';
import {
  bitString,
  bitStringBytes,
  childrenOf,
  contextTag,
  type DerValue,
  der,
  expectTag,
  integer,
  oid,
  oidText,
  readDer,
  sequence,
  setOf,
  TAG,
} from './der.ts';
import { encodePem, parsePem } from './pem.ts';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const ALT_NAME = '2.5.29.17';
const MAX_CSR_BYTES = 16 * 1024;

const SIGNATURES: Readonly<Record<string, { readonly type: 'ec' | 'rsa'; readonly hash: string }>> = {
  '1.2.840.10045.4.3.2': { type: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { type: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { type: 'ec', hash: 'sha512' },
  '1.2.840.113549.1.1.11': { type: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { type: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { type: 'rsa', hash: 'sha512' },
};

export interface CsrContent {
  /** The public key, SPKI DER. */
  readonly spki: Buffer;
  /** URIs asked for as alternative names. */
  readonly uris: readonly string[];
}

/** A request for a P-256 key that asks for one SPIFFE id. Answers PEM. */
export const makeCsr = (privateKey: KeyObject, spiffeId: string): string => {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const extensions = sequence(altNameExtension({ uris: [spiffeId] }, true));
  const info = sequence(
    integer(Buffer.from([0])),
    sequence(),
    spki,
    der(contextTag(0, true), sequence(oid(EXTENSION_REQUEST), setOf(extensions))),
  );
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  return encodePem('CERTIFICATE REQUEST', sequence(info, sequence(oid('1.2.840.10045.4.3.2')), bitString(signature)));
};

const refused = (why: string, cause?: unknown): WeftError =>
  new WeftError('CSR_REFUSED', `certificate request refused: ${why}`, { cause });

const urisOf = (attributes: DerValue | undefined): string[] => {
  const uris: string[] = [];
  for (const attribute of attributes ? childrenOf(attributes) : []) {
    const [type, values] = childrenOf(attribute);
    if (oidText(type, 'an attribute') !== EXTENSION_REQUEST) continue;
    for (const extensions of childrenOf(expectTag(values, TAG.set, 'the asked-for extensions'))) {
      for (const extension of childrenOf(extensions)) {
        const parts = childrenOf(extension);
        if (oidText(parts[0], 'an extension') !== ALT_NAME) continue;
        const value = expectTag(parts.at(-1), TAG.octetString, 'the alternative names');
        const names = childrenOf(expectTag(readDer(value.content), TAG.sequence, 'the alternative names'));
        for (const name of names) if (name.tag === contextTag(6, false)) uris.push(name.content.toString('latin1'));
      }
    }
  }
  return uris;
};

const checkKey = (spki: Buffer, type: 'ec' | 'rsa'): KeyObject => {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (key.asymmetricKeyType !== type) throw refused('its signature does not fit its key');
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (type === 'ec' && namedCurve !== 'prime256v1') throw refused(`the curve must be P-256, not ${namedCurve}`);
  if (type === 'rsa' && (modulusLength! < 2048 || modulusLength! > 8192)) {
    throw refused(`an RSA key must have 2048 to 8192 bits, not ${modulusLength}`);
  }
  return key;
};

const parseBytes = (bytes: Buffer): CsrContent => {
  const [info, algorithm, signature] = childrenOf(expectTag(readDer(bytes), TAG.sequence, 'the request'));
  const fields = childrenOf(expectTag(info, TAG.sequence, 'the request'));
  const spki = expectTag(fields[2], TAG.sequence, 'the public key').raw;
  const attributes = fields[3] && expectTag(fields[3], contextTag(0, true), 'the attributes');
  const id = oidText(childrenOf(expectTag(algorithm, TAG.sequence, 'the signature'))[0], 'the signature');
  const known = SIGNATURES[id];
  if (!known) throw refused(`the signature algorithm ${id} is not supported; use ECDSA P-256 or RSA with SHA-2`);
  const key = checkKey(spki, known.type);
  const proof = bitStringBytes(signature, 'the signature');
  if (!verify(known.hash, info!.raw, { key, dsaEncoding: 'der' }, proof)) throw refused('its signature is wrong');
  return { spki, uris: urisOf(attributes) };
};

/** Key and asked-for URIs of a request whose signature is right. Throws CSR_REFUSED. */
export const parseCsr = (pem: string): CsrContent => {
  if (pem.length > MAX_CSR_BYTES) throw refused(`it is larger than ${MAX_CSR_BYTES} bytes`);
  const blocks = parsePem(pem);
  const [block] = blocks;
  if (!block || blocks.length > 1 || !/^(NEW )?CERTIFICATE REQUEST$/.test(block.label)) {
    throw refused('it is not one PEM block of type CERTIFICATE REQUEST');
  }
  try {
    return parseBytes(block.bytes);
  } catch (error) {
    if (isWeftError(error, 'CSR_REFUSED')) throw error;
    throw refused(isWeftError(error) ? error.message : 'it could not be read', error);
  }
};
