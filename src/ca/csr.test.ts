import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { makeCsr, parseCsr } from './csr.ts';
import { bitString, contextTag, der, integer, oid, sequence } from './der.ts';
import { encodePem, parsePem } from './pem.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/front';
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

/** A request without attributes, signed as told. */
const plainCsr = (key: { privateKey: KeyObject; publicKey: KeyObject }, algorithm: string, hash: string): string => {
  const spki = key.publicKey.export({ type: 'spki', format: 'der' });
  const info = sequence(integer(Buffer.from([0])), sequence(), spki, der(contextTag(0, true)));
  const proof = bitString(sign(hash, info, key.privateKey));
  return encodePem('CERTIFICATE REQUEST', sequence(info, sequence(oid(algorithm)), proof));
};

const damaged = (pem: string, at: number): string => {
  const bytes = Buffer.from(parsePem(pem)[0]!.bytes);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = bytes[index]! ^ 0x01;
  return encodePem('CERTIFICATE REQUEST', bytes);
};

test('reads the key and the asked-for identity of a request it made', () => {
  const csr = parseCsr(makeCsr(p256.privateKey, ID));
  assert.deepEqual(csr.uris, [ID]);
  assert.ok(csr.spki.equals(p256.publicKey.export({ type: 'spki', format: 'der' })));
});

test('reads requests of RSA keys without attributes', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  assert.deepEqual(parseCsr(plainCsr(rsa, '1.2.840.113549.1.1.11', 'sha256')).uris, []);
});

const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
const good = makeCsr(p256.privateKey, ID);

const refused: Record<string, { pem: string; why: RegExp }> = {
  'refuses text without a PEM block': { pem: 'hello', why: /not one PEM block/ },
  'refuses a block of another type': { pem: encodePem('CERTIFICATE', parsePem(good)[0]!.bytes), why: /not one PEM/ },
  'refuses two requests at once': { pem: good + good, why: /not one PEM block/ },
  'refuses a request that is too large': { pem: good + ' '.repeat(20_000), why: /larger than/ },
  'refuses a changed signature': { pem: damaged(good, -1), why: /signature is wrong/ },
  'refuses a changed identity': {
    pem: damaged(good, parsePem(good)[0]!.bytes.indexOf('front')),
    why: /signature is wrong/,
  },
  'refuses bytes that are no DER': { pem: encodePem('CERTIFICATE REQUEST', Buffer.from('nonsense')), why: /malformed/ },
  'refuses another curve': { pem: plainCsr(p384, '1.2.840.10045.4.3.3', 'sha384'), why: /must be P-256/ },
  'refuses a small RSA key': { pem: plainCsr(smallRsa, '1.2.840.113549.1.1.11', 'sha256'), why: /2048 to 8192 bits/ },
  'refuses SHA-1': { pem: plainCsr(p256, '1.2.840.10045.4.1', 'sha1'), why: /not supported/ },
  'refuses an algorithm of another key type': {
    pem: plainCsr(p256, '1.2.840.113549.1.1.11', 'sha256'),
    why: /does not fit its key/,
  },
};

for (const [name, { pem, why }] of Object.entries(refused)) {
  test(name, () => {
    assert.throws(
      () => parseCsr(pem),
      (error) => isWeftError(error, 'CSR_REFUSED') && why.test(error.message),
    );
  });
}

test('refuses every request that is cut short, with the same code', () => {
  const bytes = parsePem(good)[0]!.bytes;
  for (let length = 0; length < bytes.length; length += 3) {
    const pem = encodePem('CERTIFICATE REQUEST', bytes.subarray(0, length));
    assert.throws(
      () => parseCsr(pem),
      (error) => isWeftError(error, 'CSR_REFUSED'),
    );
  }
});

test('refuses or reads, and never breaks on, requests with any one byte changed', () => {
  const { length } = parsePem(good)[0]!.bytes;
  for (let at = 0; at < length; at++) {
    assert.throws(
      () => parseCsr(damaged(good, at)),
      (error) => isWeftError(error, 'CSR_REFUSED'),
      `byte ${at}`,
    );
  }
});
