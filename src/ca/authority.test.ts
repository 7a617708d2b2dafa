import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { type AuthorityOptions, openAuthority } from './authority.ts';
import { makeCsr } from './csr.ts';

const DAY_MS = 24 * 3600_000;
const ID = 'spiffe://cluster.local/ns/default/sa/front';
const csr = makeCsr(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey, ID);

const setup = (t: TestContext, options: Partial<AuthorityOptions> = {}) => {
  const dir = join(mkdtempSync(join(tmpdir(), 'weft-ca-')), 'ca');
  t.after(() => rmSync(join(dir, '..'), { recursive: true, force: true }));
  const clock = new FakeClock();
  const warnings: string[] = [];
  const log = {
    ...silentLog,
    warn: (text: string) => warnings.push(text),
    error: (text: string) => warnings.push(text),
  };
  const all: AuthorityOptions = { dir, trustDomain: 'cluster.local', clock, log, ...options };
  return { dir, clock, warnings, open: (more: Partial<AuthorityOptions> = {}) => openAuthority({ ...all, ...more }) };
};

const certificates = (chain: readonly string[]): X509Certificate[] => chain.map((pem) => new X509Certificate(pem));

test('signs an SVID that chains to the root and carries one SPIFFE id and nothing else', (t) => {
  const { open, clock } = setup(t);
  const authority = open();
  const signed = authority.sign(csr, { spiffeId: ID, ttlMs: 3600_000 });
  const [leaf, intermediate] = certificates(signed.chainPem) as [X509Certificate, X509Certificate];
  const root = new X509Certificate(authority.bundlePem);
  assert.equal(signed.chainPem.length, 2);
  assert.equal(leaf.subjectAltName, `URI:${ID}`);
  assert.equal(leaf.subject, undefined);
  assert.equal(leaf.ca, false);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.ok(leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey));
  assert.ok(intermediate.ca && intermediate.checkIssued(root) && intermediate.verify(root.publicKey));
  assert.equal(leaf.validToDate.getTime(), signed.notAfter);
  assert.equal(signed.notAfter, clock.now() + 3600_000);
  assert.equal(signed.notBefore, clock.now() - 60_000);
  assert.notEqual(leaf.serialNumber, certificates(authority.sign(csr, { spiffeId: ID }).chainPem)[0]!.serialNumber);
});

test('keeps root and intermediate over a restart, in files for their owner alone', (t) => {
  const { dir, open } = setup(t);
  const first = open();
  const chain = first.sign(csr, { spiffeId: ID }).chainPem;
  assert.deepEqual(readdirSync(dir).sort(), ['intermediate.pem', 'root.pem']);
  for (const name of readdirSync(dir)) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  const second = open();
  assert.equal(second.bundlePem, first.bundlePem);
  assert.equal(second.sign(csr, { spiffeId: ID }).chainPem[1], chain[1]);
});

test('gives the longest life without a wish, bounds a long wish, and never outlives the intermediate', (t) => {
  const usual = setup(t, {});
  assert.equal(usual.open().sign(csr, { spiffeId: ID }).notAfter, usual.clock.now() + DAY_MS);
  const { open, clock } = setup(t, { maxLeafTtlMs: 2 * DAY_MS, intermediateTtlMs: 30 * DAY_MS });
  const authority = open();
  assert.equal(authority.sign(csr, { spiffeId: ID }).notAfter, clock.now() + 2 * DAY_MS);
  assert.equal(authority.sign(csr, { spiffeId: ID, ttlMs: -5 }).notAfter, clock.now() + 2 * DAY_MS);
  assert.equal(authority.sign(csr, { spiffeId: ID, ttlMs: 5_000 }).notAfter, clock.now() + 5_000);
  assert.equal(authority.sign(csr, { spiffeId: ID, ttlMs: 90 * DAY_MS }).notAfter, clock.now() + 2 * DAY_MS);
  const short = setup(t, { intermediateTtlMs: 3600_000 });
  assert.equal(short.open().sign(csr, { spiffeId: ID }).notAfter, short.clock.now() + 3600_000);
});

test('renews the intermediate before its end, under the same root, and keeps the new one', (t) => {
  const { open, clock } = setup(t, { intermediateTtlMs: 30 * DAY_MS });
  const authority = open();
  const before = authority.sign(csr, { spiffeId: ID }).chainPem[1];
  clock.advance(19 * DAY_MS);
  assert.equal(authority.sign(csr, { spiffeId: ID }).chainPem[1], before);
  clock.advance(2 * DAY_MS);
  const after = authority.sign(csr, { spiffeId: ID }).chainPem[1]!;
  assert.notEqual(after, before);
  assert.ok(new X509Certificate(after).verify(new X509Certificate(authority.bundlePem).publicKey));
  assert.equal(open().sign(csr, { spiffeId: ID }).chainPem[1], after);
});

test('goes on with the present intermediate while its folder cannot be written, and says so', (t) => {
  const { dir, open, clock, warnings } = setup(t, { intermediateTtlMs: 30 * DAY_MS });
  const authority = open();
  const before = authority.sign(csr, { spiffeId: ID }).chainPem[1];
  clock.advance(25 * DAY_MS);
  mkdirSync(join(dir, 'intermediate.pem.new'));
  assert.equal(authority.sign(csr, { spiffeId: ID }).chainPem[1], before);
  assert.deepEqual(warnings, ['the intermediate certificate could not be renewed']);
  assert.equal(authority.sign(csr, { spiffeId: ID }).chainPem[1], before);
  assert.equal(warnings.length, 1);
  clock.advance(6 * DAY_MS);
  assert.throws(
    () => authority.sign(csr, { spiffeId: ID }),
    (error) => isWeftError(error, 'CA_UNWRITABLE'),
  );
  rmSync(join(dir, 'intermediate.pem.new'), { recursive: true });
  assert.notEqual(authority.sign(csr, { spiffeId: ID }).chainPem[1], before);
});

test('makes the missing intermediate after a first start that was cut short', (t) => {
  const { dir, open } = setup(t);
  const { bundlePem } = open();
  rmSync(join(dir, 'intermediate.pem'));
  assert.equal(open().bundlePem, bundlePem);
});

test('takes away the access of others to a key file, with a warning', (t) => {
  const { dir, open, warnings } = setup(t);
  open();
  chmodSync(join(dir, 'root.pem'), 0o644);
  open();
  assert.equal(statSync(join(dir, 'root.pem')).mode & 0o777, 0o600);
  assert.match(warnings.join(), /others could read/);
});

const other = (t: TestContext): string => {
  const { dir, open } = setup(t);
  open();
  return dir;
};

const cut = (text: string): string => text.slice(0, text.length / 2);
const broken: Record<string, { damage: (dir: string, t: TestContext) => void; why: RegExp; file: string }> = {
  'refuses a root that is cut short': {
    damage: (dir) => writeFileSync(join(dir, 'root.pem'), cut(readFileSync(join(dir, 'root.pem'), 'utf8'))),
    why: /does not hold/,
    file: 'root.pem',
  },
  'refuses an empty root': { damage: (dir) => writeFileSync(join(dir, 'root.pem'), ''), why: /hold/, file: 'root.pem' },
  'refuses a folder where the root should be': {
    damage: (dir) => {
      rmSync(join(dir, 'root.pem'));
      mkdirSync(join(dir, 'root.pem'));
    },
    why: /not a file/,
    file: 'root.pem',
  },
  'refuses an intermediate without its root': {
    damage: (dir) => rmSync(join(dir, 'root.pem')),
    why: /root is missing/,
    file: 'root.pem',
  },
  'refuses the root of another authority beside its intermediate': {
    damage: (dir, t) => writeFileSync(join(dir, 'root.pem'), readFileSync(join(other(t), 'root.pem'))),
    why: /not issued by the root/,
    file: 'intermediate.pem',
  },
  'refuses a key that does not belong to its certificate': {
    damage: (dir) => {
      const path = join(dir, 'root.pem');
      const certificate = readFileSync(path, 'utf8').split('-----BEGIN PRIVATE KEY')[0];
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      writeFileSync(path, certificate + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    },
    why: /does not belong/,
    file: 'root.pem',
  },
  'refuses bytes that are no certificate': {
    damage: (dir) => {
      const path = join(dir, 'intermediate.pem');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/[A-Za-z0-9]{20}/, 'AAAAAAAAAAAAAAAAAAAA'));
    },
    why: /damaged/,
    file: 'intermediate.pem',
  },
};

for (const [name, { damage, why, file }] of Object.entries(broken)) {
  test(`${name}, names the file and the next step, and overwrites nothing`, (t) => {
    const { dir, open } = setup(t);
    open();
    damage(dir, t);
    const before = readdirSync(dir);
    assert.throws(
      () => open(),
      (error) =>
        isWeftError(error, 'CA_UNREADABLE') &&
        why.test(error.message) &&
        error.at === join(dir, file) &&
        /restore/.test(error.hint!),
    );
    assert.deepEqual(readdirSync(dir), before);
  });
}

test('refuses the state of another trust domain, and names that are none', (t) => {
  const { open } = setup(t);
  open();
  assert.throws(() => open({ trustDomain: 'example.org' }), /is for URI:spiffe:\/\/cluster.local/);
  assert.throws(
    () => open({ trustDomain: 'Not a name' }),
    (error) => isWeftError(error, 'TRUST_DOMAIN_INVALID'),
  );
});

test('refuses to open when the root has ended, and to sign when it ends meanwhile', (t) => {
  const { open, clock } = setup(t, { rootTtlMs: 30 * DAY_MS });
  const authority = open();
  clock.advance(31 * DAY_MS);
  assert.throws(
    () => authority.sign(csr, { spiffeId: ID }),
    (error) => isWeftError(error, 'CA_EXPIRED'),
  );
  assert.throws(
    () => open(),
    (error) => isWeftError(error, 'CA_EXPIRED'),
  );
});

const refusedIds: Record<string, { spiffeId: string; why: RegExp }> = {
  'refuses a CSR that asks for another identity': {
    spiffeId: 'spiffe://cluster.local/ns/default/sa/back',
    why: /asks for "spiffe:\/\/cluster.local\/ns\/default\/sa\/front", but its sender is/,
  },
  'refuses an identity of another trust domain': {
    spiffeId: 'spiffe://example.org/ns/default/sa/front',
    why: /not an identity of the trust domain/,
  },
  'refuses what is no SPIFFE id': { spiffeId: 'front', why: /not an identity/ },
};

for (const [name, { spiffeId, why }] of Object.entries(refusedIds)) {
  test(name, (t) => {
    assert.throws(
      () => setup(t).open().sign(csr, { spiffeId }),
      (error) => isWeftError(error, 'CSR_REFUSED') && why.test(error.message),
    );
  });
}

test('makes server certificates for names and addresses', (t) => {
  const { open, clock } = setup(t);
  const authority = open();
  const made = authority.serverCertificate({ dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] });
  const leaf = new X509Certificate(made.chainPem);
  assert.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
  assert.ok(leaf.checkPrivateKey(createPrivateKey(made.keyPem)));
  assert.equal(made.notAfter, clock.now() + 30 * DAY_MS);
  for (const names of [
    { dnsNames: ['not a name'], ipAddresses: [] },
    { dnsNames: [], ipAddresses: ['localhost'] },
    { dnsNames: [], ipAddresses: [] },
  ]) {
    assert.throws(
      () => authority.serverCertificate(names),
      (error) => isWeftError(error, 'CA_NAME_INVALID'),
    );
  }
});
