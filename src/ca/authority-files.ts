// The authority's two files: key and certificate of the root and of the intermediate, each pair in one file of mode 0600.
// One file per pair, replaced in one step: a crash can never leave a key beside a certificate of another key.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../lib/durable-file.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { encodePem, parsePem } from './pem.ts';

export interface KeyPair {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  readonly certificatePem: string;
}

export type PairName = 'root' | 'intermediate';

const MAX_FILE_BYTES = 64 * 1024;

export const pairPath = (dir: string, name: PairName): string => join(dir, `${name}.pem`);

export const unreadable = (path: string, why: string, cause?: unknown): WeftError =>
  new WeftError('CA_UNREADABLE', `the certificate authority cannot be used: ${why}`, {
    at: path,
    hint: 'restore this file from a backup; to start with a new authority, which every workload must then join anew, move its folder away',
    cause,
  });

const unwritable = (path: string, cause: unknown): WeftError =>
  new WeftError('CA_UNWRITABLE', `the certificate authority cannot write its state: ${messageOf(cause)}`, {
    at: path,
    hint: 'is the disk full, or the folder owned by another user?',
    cause,
  });

/** Makes the folder, for this user alone. Throws CA_UNWRITABLE. */
export const openDirectory = (dir: string): void => {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (statSync(dir).mode & 0o077) chmodSync(dir, 0o700);
  } catch (error) {
    throw unwritable(dir, error);
  }
};

const parsePair = (path: string, text: string): KeyPair => {
  const blocks = parsePem(text);
  const certificates = blocks.filter((block) => block.label === 'CERTIFICATE');
  const keys = blocks.filter((block) => block.label === 'PRIVATE KEY');
  if (certificates.length !== 1 || keys.length !== 1) {
    throw unreadable(path, 'the file does not hold one certificate and one private key');
  }
  let key: KeyObject;
  let certificate: X509Certificate;
  try {
    key = createPrivateKey(keys[0]!.pem);
    certificate = new X509Certificate(certificates[0]!.pem);
  } catch (error) {
    throw unreadable(path, 'its key or certificate is damaged', error);
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw unreadable(path, 'its key is not a P-256 key');
  if (!certificate.checkPrivateKey(key)) throw unreadable(path, 'its key does not belong to its certificate');
  if (!certificate.ca) throw unreadable(path, 'its certificate is not that of an authority');
  return { key, certificate, certificatePem: certificates[0]!.pem };
};

/** Reads a pair; undefined when there is no file. Others' access to the file is taken away, with a warning. Throws CA_UNREADABLE. */
export const readPair = (dir: string, name: PairName, log: Log): KeyPair | undefined => {
  const path = pairPath(dir, name);
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw unreadable(path, 'this is not a file that it wrote');
    if (stat.mode & 0o077) {
      chmodSync(path, 0o600);
      log.warn('others could read a key file of the authority; its mode is now 0600', { path });
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (error instanceof WeftError) throw error;
    throw unreadable(path, messageOf(error), error);
  }
  return parsePair(path, text);
};

/** Writes a pair in one step. `replace: false` never touches a file that is already there. Throws CA_UNWRITABLE. */
export const writePair = (dir: string, name: PairName, pair: KeyPair, replace: boolean): void => {
  const path = pairPath(dir, name);
  try {
    const keyDer = pair.key.export({ type: 'pkcs8', format: 'der' });
    writeDurably(path, pair.certificatePem + encodePem('PRIVATE KEY', keyDer), { replace });
  } catch (error) {
    throw unwritable(path, error);
  }
};
