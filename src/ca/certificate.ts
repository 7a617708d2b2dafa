// Makes X.509 certificates (RFC 5280) for the authority: root, intermediate, SVIDs and server certificates.
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv6 } from 'node:net';
import {
  bitString,
  bitStringBytes,
  booleanTrue,
  childrenOf,
  contextTag,
  der,
  expectTag,
  integer,
  octetString,
  oid,
  readDer,
  sequence,
  setOf,
  TAG,
  time,
} from './der.ts';
import { encodePem } from './pem.ts';

export interface SubjectNames {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

export interface CertificateTemplate {
  /** Empty fields make an empty subject: then the alternative names are critical. */
  readonly subject: { readonly organization?: string; readonly commonName?: string };
  readonly names: SubjectNames;
  /** Absent: an end certificate. */
  readonly authority?: { readonly pathLength: number };
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Issuer {
  readonly key: KeyObject;
  /** Absent for a certificate that signs itself. */
  readonly certificate?: Buffer;
}

const OID = {
  ecdsaSha256: oid('1.2.840.10045.4.3.2'),
  organization: oid('2.5.4.10'),
  commonName: oid('2.5.4.3'),
  subjectKeyId: oid('2.5.29.14'),
  keyUsage: oid('2.5.29.15'),
  altName: oid('2.5.29.17'),
  basicConstraints: oid('2.5.29.19'),
  authorityKeyId: oid('2.5.29.35'),
  extKeyUsage: oid('2.5.29.37'),
  serverAuth: oid('1.3.6.1.5.5.7.3.1'),
  clientAuth: oid('1.3.6.1.5.5.7.3.2'),
};

const extension = (id: Buffer, critical: boolean, value: Buffer): Buffer =>
  sequence(id, ...(critical ? [booleanTrue] : []), octetString(value));

const nameOf = (subject: CertificateTemplate['subject']): Buffer => {
  const part = (id: Buffer, text: string | undefined): Buffer[] =>
    text === undefined ? [] : [setOf(sequence(id, der(TAG.utf8String, Buffer.from(text))))];
  return sequence(...part(OID.organization, subject.organization), ...part(OID.commonName, subject.commonName));
};

/** The network form of an address: 4 or 16 bytes. */
const addressBytes = (address: string): Buffer => {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head, tail] = address.replace(/%.*$/, '').split('::') as [string, string | undefined];
  const groups = (text: string | undefined): number[] =>
    (text ? text.split(':') : []).flatMap((group) => {
      if (!group.includes('.')) return [Number.parseInt(group, 16)];
      const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number];
      return [a * 256 + b, c * 256 + d];
    });
  const front = groups(head);
  const back = groups(tail);
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  return Buffer.from([...front, ...zeros, ...back].flatMap((group) => [group >> 8, group & 0xff]));
};

/** SubjectAltName's value, also asked for in CSRs. */
const alternativeNames = (names: SubjectNames): Buffer =>
  sequence(
    ...(names.uris ?? []).map((uri) => der(contextTag(6, false), Buffer.from(uri))),
    ...(names.dnsNames ?? []).map((name) => der(contextTag(2, false), Buffer.from(name))),
    ...(names.ipAddresses ?? []).map((address) => der(contextTag(7, false), addressBytes(address))),
  );

export const altNameExtension = (names: SubjectNames, critical: boolean): Buffer =>
  extension(OID.altName, critical, alternativeNames(names));

const keyIdOf = (spki: Buffer): Buffer => {
  const [, bits] = childrenOf(expectTag(readDer(spki), TAG.sequence, 'the public key'));
  return createHash('sha1').update(bitStringBytes(bits, 'the public key')).digest();
};

/** Subject name and public key of a certificate, as they stand in it. */
const partsOf = (certificate: Buffer): { subject: Buffer; spki: Buffer } => {
  const [body] = childrenOf(expectTag(readDer(certificate), TAG.sequence, 'the certificate'));
  const fields = childrenOf(expectTag(body, TAG.sequence, 'the certificate'));
  // [0] version, serial, signature, issuer, validity, subject, key: what this file makes always has a version.
  return {
    subject: expectTag(fields[5], TAG.sequence, 'the subject').raw,
    spki: expectTag(fields[6], TAG.sequence, 'the public key').raw,
  };
};

const extensionsOf = (
  template: CertificateTemplate,
  spki: Buffer,
  issuerSpki: Buffer,
  emptySubject: boolean,
): Buffer => {
  const { authority } = template;
  // keyUsage bits: digitalSignature (0), or keyCertSign and cRLSign (5, 6).
  const usage = authority ? bitString(Buffer.from([0x06]), 1) : bitString(Buffer.from([0x80]), 7);
  const constraints = authority ? sequence(booleanTrue, integer(Buffer.from([authority.pathLength]))) : sequence();
  return sequence(
    extension(OID.basicConstraints, true, constraints),
    extension(OID.keyUsage, true, usage),
    ...(authority ? [] : [extension(OID.extKeyUsage, false, sequence(OID.serverAuth, OID.clientAuth))]),
    extension(OID.subjectKeyId, false, octetString(keyIdOf(spki))),
    extension(OID.authorityKeyId, false, sequence(der(contextTag(0, false), keyIdOf(issuerSpki)))),
    altNameExtension(template.names, emptySubject),
  );
};

/** Makes and signs a certificate for a public key (SPKI DER); the issuer's key is P-256. Answers PEM. */
export const makeCertificate = (template: CertificateTemplate, spki: Buffer, issuer: Issuer): string => {
  const subject = nameOf(template.subject);
  const above = issuer.certificate ? partsOf(issuer.certificate) : { subject, spki };
  // 127 random bits, never zero at the front: RFC 5280 wants at most 20 bytes and a positive number.
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const algorithm = sequence(OID.ecdsaSha256);
  const body = sequence(
    der(contextTag(0, true), integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    above.subject,
    sequence(time(template.notBefore), time(template.notAfter)),
    subject,
    spki,
    der(contextTag(3, true), extensionsOf(template, spki, above.spki, subject.length === 2)),
  );
  const signature = sign('sha256', body, { key: issuer.key, dsaEncoding: 'der' });
  return encodePem('CERTIFICATE', sequence(body, algorithm, bitString(signature)));
};
