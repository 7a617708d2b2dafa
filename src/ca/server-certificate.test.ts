import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { silentLog } from '../lib/log.ts';
import { type Authority, openAuthority } from './authority.ts';
import { openServerCertificate } from './server-certificate.ts';

const HOUR_MS = 3600_000;

const setup = (t: TestContext, wrap: (authority: Authority) => Authority = (authority) => authority) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-ca-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const clock = new FakeClock();
  const authority = wrap(openAuthority({ dir, trustDomain: 'cluster.local', clock, log: silentLog }));
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  const source = openServerCertificate({ authority, ...names, ttlMs: 10 * HOUR_MS, clock, log: silentLog });
  return { clock, source };
};

test('renews at half-life and tells its listeners', (t) => {
  const { clock, source } = setup(t);
  const first = source.current();
  const told: string[] = [];
  const stop = source.watch((certificate) => told.push(certificate.chainPem));
  clock.advance(4.9 * HOUR_MS);
  assert.equal(source.current(), first);
  clock.advance(0.2 * HOUR_MS);
  assert.deepEqual(told, [source.current().chainPem]);
  assert.equal(new X509Certificate(source.current().chainPem).subjectAltName, 'DNS:localhost, IP Address:127.0.0.1');
  stop();
  clock.advance(5 * HOUR_MS);
  assert.equal(told.length, 1);
  source.close();
  assert.equal(clock.timers, 0);
});

test('keeps the present one when the authority fails, and tries again', (t) => {
  let fails = false;
  const { clock, source } = setup(t, (authority) => ({
    ...authority,
    serverCertificate: (options) => {
      if (fails) throw new Error('no');
      return authority.serverCertificate(options);
    },
  }));
  const first = source.current();
  fails = true;
  clock.advance(6 * HOUR_MS);
  assert.equal(source.current(), first);
  fails = false;
  clock.advance(60_000);
  assert.notEqual(source.current(), first);
});
