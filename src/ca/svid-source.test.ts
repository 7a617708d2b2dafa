import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openFakeCaServer } from '../../test/fakes/ca-server.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { Secret } from '../lib/secret.ts';
import type { Svid } from '../model/identity.ts';
import { openAuthority } from './authority.ts';
import { trustDomainOf, verifySvid } from './svid-chain.ts';
import { openSvidRenewal, openSvidSource, type RenewedSvidSource } from './svid-source.ts';

const HOUR_MS = 3600_000;
const ID = 'spiffe://cluster.local/ns/default/sa/front';

const tempDir = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-ca-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

/** A source on a fake clock, wired straight to an authority; `fail` makes requests fail. */
const setup = (t: TestContext, fail?: WeftError) => {
  const clock = new FakeClock();
  const authority = openAuthority({ dir: tempDir(t), trustDomain: 'cluster.local', clock, log: silentLog });
  const state = { fail, calls: [] as ('token' | 'present')[], logs: [] as string[] };
  const log = {
    ...silentLog,
    warn: (text: string) => state.logs.push(text),
    error: (text: string) => state.logs.push(text),
  };
  const source = openSvidRenewal({
    rootPem: authority.bundlePem,
    namespace: 'default',
    serviceAccount: 'front',
    clock,
    random: { next: () => 0.5 },
    log,
    request: async (csrPem, present) => {
      state.calls.push(present ? 'present' : 'token');
      if (state.fail) throw state.fail;
      return authority.sign(csrPem, { spiffeId: ID, ttlMs: 24 * HOUR_MS }).chainPem;
    },
  });
  t.after(() => source.close());
  return { clock, authority, source, state };
};

const away = new WeftError('SVID_UNAVAILABLE', 'connection refused');
const refusal = new WeftError('SVID_REFUSED', 'the token has ended');

/** Moves the clock in steps, letting each request end. */
const advance = async (clock: FakeClock, ms: number, stepMs: number): Promise<void> => {
  for (let moved = 0; moved < ms; moved += stepMs) {
    clock.advance(stepMs);
    await turn();
  }
};

test('renews at half-life with a new key, authorized by the present certificate', async (t) => {
  const { clock, source, state } = setup(t);
  await source.ready;
  const first = source.current();
  assert.equal(first.spiffeId, ID);
  assert.ok(new X509Certificate(first.chainPem).checkPrivateKey(createPrivateKey(first.keyPem)));
  const renewed: Svid[] = [];
  source.watch((svid) => renewed.push(svid));
  await advance(clock, 11.9 * HOUR_MS, 0.1 * HOUR_MS);
  assert.equal(renewed.length, 0);
  await advance(clock, 0.2 * HOUR_MS, 0.1 * HOUR_MS);
  assert.equal(renewed.length, 1);
  assert.equal(source.current(), renewed[0]);
  assert.notEqual(renewed[0]!.keyPem, first.keyPem);
  assert.deepEqual(state.calls, ['token', 'present']);
});

test('keeps the present one to its end while the control plane is away, then joins by token again', async (t) => {
  const { clock, source, state } = setup(t);
  await source.ready;
  const first = source.current();
  state.fail = away;
  await advance(clock, 23.9 * HOUR_MS, 30_000);
  assert.equal(source.current(), first);
  assert.ok(state.logs.length >= 1 && state.logs.length < 20, `${state.logs.length} lines`);
  await advance(clock, 0.2 * HOUR_MS, 30_000);
  assert.ok(state.logs.some((text) => text.includes('the certificate has ended')));
  state.fail = undefined;
  await advance(clock, 60_000, 10_000);
  assert.ok(source.current().notAfter > clock.now());
  assert.equal(state.calls.at(-1), 'token');
});

test('is ready as soon as the control plane comes up', async (t) => {
  const { clock, source, state } = setup(t, away);
  await turn();
  assert.throws(
    () => source.current(),
    (error) => isWeftError(error, 'SVID_MISSING'),
  );
  state.fail = undefined;
  await advance(clock, 200, 50);
  await source.ready;
  assert.equal(source.current().spiffeId, ID);
});

test('gives up when its first request is refused', async (t) => {
  const { source, clock } = setup(t, refusal);
  await assert.rejects(source.ready, refusal);
  assert.equal(clock.timers, 0);
});

test('tries its join token when a certificate that holds is refused', async (t) => {
  const { clock, source, state } = setup(t);
  await source.ready;
  state.fail = refusal;
  await advance(clock, 12.1 * HOUR_MS, 60_000);
  assert.deepEqual(state.calls.slice(0, 3), ['token', 'present', 'token']);
});

test('sets no timer and tells nobody after close', async (t) => {
  const { clock, source } = setup(t);
  await source.ready;
  source.watch(() => assert.fail('told after close'));
  source.close();
  assert.equal(clock.timers, 0);
});

test('rejects ready when closed before the first certificate', async (t) => {
  const { source } = setup(t, away);
  source.close();
  await assert.rejects(source.ready, /closed before/);
});

const answers: Record<string, { why: RegExp; answer: (t: TestContext) => Partial<Parameters<typeof verifySvid>[0]> }> =
  {
    'rejects a chain for another key': {
      why: /another key/,
      answer: () => ({ key: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey }),
    },
    'rejects a chain for another identity': {
      why: /it is for URI:.*front, not URI:.*back/,
      answer: () => ({ spiffeId: 'spiffe://cluster.local/ns/default/sa/back' }),
    },
    'rejects a chain to another root': {
      why: /does not lead to the trusted root/,
      answer: (t) => ({
        bundlePem: openAuthority({
          dir: tempDir(t),
          trustDomain: 'cluster.local',
          clock: systemClock,
          log: silentLog,
        }).bundlePem,
      }),
    },
    'rejects an empty answer': { why: /came with 0 parts/, answer: () => ({ chainPem: [] }) },
    'rejects an ended one': { why: /already ended/, answer: () => ({ now: Date.UTC(2040, 0, 1) }) },
  };

for (const [name, { why, answer }] of Object.entries(answers)) {
  test(name, async (t) => {
    const { clock, source, authority } = setup(t);
    await source.ready;
    const { keyPem, chainPem, bundlePem, spiffeId } = source.current();
    const good = { key: createPrivateKey(keyPem), chainPem: [chainPem], bundlePem, spiffeId, now: clock.now() };
    assert.equal(verifySvid(good).chainPem, chainPem);
    assert.equal(verifySvid({ ...good, chainPem: [chainPem, authority.bundlePem] }).chainPem, chainPem);
    assert.throws(
      () => verifySvid({ ...good, ...answer(t) }),
      (error) => isWeftError(error, 'SVID_REJECTED') && why.test(error.message),
    );
    const [leaf] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
    assert.throws(() => verifySvid({ ...good, chainPem: [leaf!] }), /does not lead/);
  });
}

test('says what is wrong with a root certificate', () => {
  for (const pem of ['', 'hello', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    assert.throws(
      () => trustDomainOf(pem),
      (error) => isWeftError(error, 'ROOT_UNREADABLE'),
    );
  }
});

const nextSvid = (source: RenewedSvidSource): Promise<Svid> =>
  new Promise((resolve) => {
    const stop = source.watch((svid) => {
      stop();
      resolve(svid);
    });
  });

test('renews over TLS with lives of seconds, and again after the control plane was away', async (t) => {
  const server = await openFakeCaServer();
  t.after(() => server.close());
  const source = openSvidSource({
    address: server.address,
    rootPem: server.authority.bundlePem,
    namespace: 'default',
    serviceAccount: 'front',
    joinToken: async () => new Secret('default/front'),
    ttlMs: 2_000,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  t.after(() => source.close());
  // The source's own timers don't keep a process alive.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  await source.ready;
  await nextSvid(source);
  await server.stop();
  const present = source.current();
  // Away for longer than the present certificate lives.
  await new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (Date.now() < present.notAfter) return;
      clearInterval(poll);
      resolve();
    }, 20);
  });
  assert.equal(source.current(), present);
  const next = nextSvid(source);
  await server.restart();
  assert.ok((await next).notAfter > present.notAfter);
});

test('says at once that a join token has ended', async (t) => {
  const server = await openFakeCaServer();
  t.after(() => server.close());
  const source = openSvidSource({
    address: server.address,
    rootPem: server.authority.bundlePem,
    namespace: 'default',
    serviceAccount: 'front',
    joinToken: async () => new Secret('expired'),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await assert.rejects(
    source.ready,
    (error) =>
      isWeftError(error, 'SVID_REFUSED') && /the token ended at/.test(error.message) && /weft token/.test(error.hint!),
  );
});
