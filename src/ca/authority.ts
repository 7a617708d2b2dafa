// The mesh's certificate authority: a root and an intermediate on disk, SVIDs from CSRs. Opened by the control plane.
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { parseSpiffeId } from '../model/identity.ts';
import { type KeyPair, openDirectory, pairPath, readPair, unreadable, writePair } from './authority-files.ts';
import { type CertificateTemplate, makeCertificate, type SubjectNames } from './certificate.ts';
import { parseCsr } from './csr.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Certificates begin a little before now: clocks of other machines may be behind. */
const BACKDATE_MS = MINUTE_MS;

export interface AuthorityOptions {
  /** The authority's own folder; nothing else may stand in it. */
  readonly dir: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly rootTtlMs?: number;
  readonly intermediateTtlMs?: number;
  /** The longest life of an SVID; also what a request without a wish gets. 24 h unless told otherwise. */
  readonly maxLeafTtlMs?: number;
}

export interface SignedCertificate {
  /** Leaf first, then the intermediate; PEM, one certificate each. */
  readonly chainPem: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface ServerCertificate {
  /** PKCS #8 PEM. */
  readonly keyPem: string;
  /** Leaf first, then the intermediate; PEM in one text. */
  readonly chainPem: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Authority {
  readonly trustDomain: string;
  /** The trusted root, PEM. */
  readonly bundlePem: string;
  /**
   * Signs the CSR's public key for an identity that the caller has proven; nothing else is taken from the CSR.
   * Throws CSR_REFUSED, CA_EXPIRED or CA_UNWRITABLE.
   */
  sign(csrPem: string, options: { readonly spiffeId: string; readonly ttlMs?: number }): SignedCertificate;
  /** A key and certificate for the control plane's own TLS ports. */
  serverCertificate(options: {
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
    readonly ttlMs?: number;
  }): ServerCertificate;
}

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const DNS_NAME = /^(\*\.)?[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/;

const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

const makeKey = (): { key: KeyObject; spki: Buffer } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { key: privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) };
};

const makePair = (template: CertificateTemplate, issuer: KeyPair | undefined): KeyPair => {
  const { key, spki } = makeKey();
  const above = issuer ? { key: issuer.key, certificate: issuer.certificate.raw } : { key };
  const certificatePem = makeCertificate(template, spki, above);
  return { key, certificatePem, certificate: new X509Certificate(certificatePem) };
};

const endOf = (pair: KeyPair): number => pair.certificate.validToDate.getTime();
const beginOf = (pair: KeyPair): number => pair.certificate.validFromDate.getTime();

class FileAuthority implements Authority {
  readonly trustDomain: string;
  readonly bundlePem: string;
  readonly #options: AuthorityOptions;
  readonly #root: KeyPair;
  readonly #maxLeafTtlMs: number;
  readonly #intermediateTtlMs: number;
  #intermediate: KeyPair;
  #retryRotationAt = 0;

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.trustDomain = options.trustDomain;
    this.#maxLeafTtlMs = options.maxLeafTtlMs ?? DAY_MS;
    this.#intermediateTtlMs = options.intermediateTtlMs ?? 365 * DAY_MS;
    openDirectory(options.dir);
    this.#root = this.#openRoot();
    this.bundlePem = this.#root.certificatePem;
    this.#intermediate = this.#openIntermediate();
  }

  sign(csrPem: string, options: { readonly spiffeId: string; readonly ttlMs?: number }): SignedCertificate {
    const identity = parseSpiffeId(options.spiffeId);
    if (identity?.trustDomain !== this.trustDomain) {
      throw new WeftError(
        'CSR_REFUSED',
        `${options.spiffeId} is not an identity of the trust domain ${this.trustDomain}`,
      );
    }
    const csr = parseCsr(csrPem);
    const other = csr.uris.find((uri) => uri !== options.spiffeId);
    if (other !== undefined) {
      throw new WeftError(
        'CSR_REFUSED',
        `certificate request refused: it asks for ${JSON.stringify(other.slice(0, 300))}, but its sender is ${options.spiffeId}`,
      );
    }
    return this.#signLeaf(csr.spki, { uris: [options.spiffeId] }, options.ttlMs, this.#maxLeafTtlMs);
  }

  serverCertificate(options: {
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
    readonly ttlMs?: number;
  }): ServerCertificate {
    const { dnsNames, ipAddresses } = options;
    const bad = dnsNames.find((name) => !DNS_NAME.test(name)) ?? ipAddresses.find((address) => !isIP(address));
    if (bad !== undefined || dnsNames.length + ipAddresses.length === 0) {
      throw new WeftError('CA_NAME_INVALID', `a server certificate cannot be made for ${JSON.stringify(bad ?? '')}`, {
        hint: 'give DNS names or IP addresses',
      });
    }
    const { key, spki } = makeKey();
    const signed = this.#signLeaf(spki, { dnsNames, ipAddresses }, options.ttlMs ?? 30 * DAY_MS, 90 * DAY_MS);
    return {
      keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      chainPem: signed.chainPem.join(''),
      notBefore: signed.notBefore,
      notAfter: signed.notAfter,
    };
  }

  #signLeaf(spki: Buffer, names: SubjectNames, wishedMs: number | undefined, maxMs: number): SignedCertificate {
    const issuer = this.#currentIntermediate();
    const now = this.#options.clock.now();
    const ttlMs = wishedMs && wishedMs > 0 ? Math.min(wishedMs, maxMs) : maxMs;
    const notBefore = wholeSeconds(Math.max(now - BACKDATE_MS, beginOf(issuer)));
    const notAfter = Math.min(Math.ceil((now + ttlMs) / 1000) * 1000, endOf(issuer));
    const template = { subject: {}, names, notBefore, notAfter };
    const leaf = makeCertificate(template, spki, { key: issuer.key, certificate: issuer.certificate.raw });
    return { chainPem: [leaf, issuer.certificatePem], notBefore, notAfter };
  }

  #openRoot(): KeyPair {
    const { dir, log, clock } = this.#options;
    const path = pairPath(dir, 'root');
    const root = readPair(dir, 'root', log);
    if (!root) {
      if (readPair(dir, 'intermediate', log)) throw unreadable(path, 'the root is missing beside its intermediate');
      return this.#makeRoot();
    }
    if (!root.certificate.verify(createPublicKey(root.key))) throw unreadable(path, 'the root does not sign itself');
    const uri = `URI:spiffe://${this.trustDomain}`;
    if (root.certificate.subjectAltName !== uri) {
      throw unreadable(path, `the root is for ${root.certificate.subjectAltName}, not for ${uri}`);
    }
    if (endOf(root) <= clock.now()) {
      throw new WeftError('CA_EXPIRED', `the root certificate ended at ${root.certificate.validToDate.toISOString()}`, {
        at: path,
        hint: 'is the clock right? If it is, move the folder away to start with a new authority',
      });
    }
    return root;
  }

  #makeRoot(): KeyPair {
    const { clock, rootTtlMs = 3650 * DAY_MS, dir, log } = this.#options;
    const now = clock.now();
    const root = makePair(
      {
        subject: { organization: this.trustDomain, commonName: 'Weft root' },
        names: { uris: [`spiffe://${this.trustDomain}`] },
        authority: { pathLength: 1 },
        notBefore: wholeSeconds(now - BACKDATE_MS),
        notAfter: wholeSeconds(now + rootTtlMs),
      },
      undefined,
    );
    writePair(dir, 'root', root, false);
    log.info('made a new root certificate', {
      trustDomain: this.trustDomain,
      until: root.certificate.validToDate.toISOString(),
    });
    return root;
  }

  #openIntermediate(): KeyPair {
    const { dir, log } = this.#options;
    const present = readPair(dir, 'intermediate', log);
    if (!present) return this.#makeIntermediate(false);
    if (
      !present.certificate.checkIssued(this.#root.certificate) ||
      !present.certificate.verify(this.#root.certificate.publicKey)
    ) {
      throw unreadable(pairPath(dir, 'intermediate'), 'the intermediate was not issued by the root beside it');
    }
    return present;
  }

  #makeIntermediate(replace: boolean): KeyPair {
    const { clock, dir, log } = this.#options;
    const now = clock.now();
    const notAfter = Math.min(wholeSeconds(now + this.#intermediateTtlMs), endOf(this.#root));
    const pair = makePair(
      {
        subject: { organization: this.trustDomain, commonName: 'Weft intermediate' },
        names: { uris: [`spiffe://${this.trustDomain}`] },
        authority: { pathLength: 0 },
        notBefore: Math.max(wholeSeconds(now - BACKDATE_MS), beginOf(this.#root)),
        notAfter,
      },
      this.#root,
    );
    writePair(dir, 'intermediate', pair, replace);
    log.info('made a new intermediate certificate', { until: pair.certificate.validToDate.toISOString() });
    return pair;
  }

  /** The intermediate to sign with: a new one in the last third of the present one's life, so that leaves get their full time. */
  #currentIntermediate(): KeyPair {
    const { clock, log } = this.#options;
    const now = clock.now();
    const end = endOf(this.#intermediate);
    const life = end - beginOf(this.#intermediate);
    const isDue = end - now < life / 3 && end < endOf(this.#root);
    if (isDue && (now >= this.#retryRotationAt || now >= end)) {
      try {
        this.#intermediate = this.#makeIntermediate(true);
      } catch (error) {
        if (now >= end) throw error;
        // The present one still holds: go on signing with it, and try again in a while.
        this.#retryRotationAt = now + MINUTE_MS;
        log.error('the intermediate certificate could not be renewed', { reason: messageOf(error) });
      }
    }
    if (endOf(this.#intermediate) <= now) {
      throw new WeftError('CA_EXPIRED', 'the certificate authority has expired', { hint: 'is the clock right?' });
    }
    return this.#intermediate;
  }
}

/**
 * Opens the authority in `dir`, or makes one on first start. Throws CA_UNREADABLE for a state that is damaged or does
 * not fit (it is never overwritten), CA_EXPIRED, CA_UNWRITABLE.
 */
export const openAuthority = (options: AuthorityOptions): Authority => {
  if (!TRUST_DOMAIN.test(options.trustDomain)) {
    throw new WeftError('TRUST_DOMAIN_INVALID', `${JSON.stringify(options.trustDomain)} is not a SPIFFE trust domain`, {
      hint: 'use lower-case letters, digits, dots, dashes and underscores, e.g. cluster.local',
    });
  }
  return new FileAuthority(options);
};
