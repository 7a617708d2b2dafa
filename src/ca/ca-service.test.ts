import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { openFakeCaServer } from '../../test/fakes/ca-server.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { Svid } from '../model/identity.ts';
import { requestCertificate } from './ca-client.ts';
import { makeCsr } from './csr.ts';
import { openRateLimit } from './rate-limit.ts';
import { verifySvid } from './svid-chain.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/front';
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

const setup = async (t: TestContext, options: Parameters<typeof openFakeCaServer>[0] = {}) => {
  const server = await openFakeCaServer(options);
  t.after(() => server.close());
  const rootPem = server.authority.bundlePem;
  const call = (csrPem: string, proof: { token: Secret } | { present: Svid }, more: object = {}) =>
    requestCertificate({ address: server.address, rootPem, csrPem, ttlMs: 0, proof, clock: systemClock, ...more });
  const join = async (spiffeId = ID, token = 'default/front'): Promise<Svid> => {
    const key = newKey();
    const chainPem = await call(makeCsr(key, spiffeId), { token: new Secret(token) });
    return verifySvid({ chainPem, bundlePem: rootPem, key, spiffeId, now: systemClock.now() });
  };
  return { server, rootPem, call, join };
};

const refusedWith = (code: string, why: RegExp) => (error: unknown) =>
  isWeftError(error, code) && (why.test(error.message) || assert.fail(error.message));

test('signs for the service account that the join token names, root last', async (t) => {
  const { call, rootPem } = await setup(t);
  const chain = await call(makeCsr(newKey(), ID), { token: new Secret('default/front') }, { ttlMs: 600_000 });
  assert.equal(chain.length, 3);
  assert.equal(chain[2], rootPem);
  const leaf = new X509Certificate(chain[0]!);
  assert.equal(leaf.subjectAltName, `URI:${ID}`);
  assert.ok(leaf.validToDate.getTime() - systemClock.now() <= 601_000);
});

test('renews by the present certificate, without a token, for the same identity alone', async (t) => {
  const { call, join, server } = await setup(t);
  const present = await join();
  const chain = await call(makeCsr(newKey(), ID), { present });
  assert.equal(new X509Certificate(chain[0]!).subjectAltName, `URI:${ID}`);
  assert.deepEqual(server.used, ['default/front']);
  const other = makeCsr(newKey(), 'spiffe://cluster.local/ns/default/sa/back');
  await assert.rejects(call(other, { present }), refusedWith('SVID_REFUSED', /asks for .*back.*sender is .*front/));
});

test('finds the control plane by another name that its certificate carries', async (t) => {
  const { call } = await setup(t);
  const proof = { token: new Secret('default/front') };
  assert.equal((await call(makeCsr(newKey(), ID), proof, { serverName: 'control.test' })).length, 3);
  await assert.rejects(
    call(makeCsr(newKey(), ID), proof, { serverName: 'other.test' }),
    refusedWith('SVID_UNAVAILABLE', /other\.test/),
  );
});

test('takes no certificate of another authority for a proof', async (t) => {
  const { call } = await setup(t);
  const foreign = await setup(t);
  const present = await foreign.join();
  await assert.rejects(
    call(makeCsr(newKey(), ID), { present }),
    refusedWith('SVID_REFUSED', /neither a join token nor/),
  );
});

test('does not talk to a control plane of another root', async (t) => {
  const { call } = await setup(t);
  const { rootPem } = await setup(t);
  const proof = { token: new Secret('default/front') };
  await assert.rejects(call(makeCsr(newKey(), ID), proof, { rootPem }), refusedWith('SVID_UNAVAILABLE', /certificate/));
});

const refusals: Record<string, { token?: string; csr?: string; code?: string; why: RegExp }> = {
  'refuses an expired token and says when it ended': { token: 'expired', why: /ended at 2026-01-01/ },
  'refuses a token that is none': { token: 'nonsense', why: /not a token of this mesh/ },
  'refuses a token with a malformed name': { token: 'Default/../x', why: /no usable service account|not "Bearer/ },
  'refuses a token that is too long': { token: 'x'.repeat(9000), why: /not "Bearer/ },
  'refuses an empty request': { csr: '', why: /not one PEM block/ },
  'refuses a huge request': { csr: 'x'.repeat(70_000), why: /larger than 65536 bytes/ },
  'shows nothing of an inner failure': {
    token: 'broken',
    code: 'SVID_UNAVAILABLE',
    why: /: the certificate could not be signed; the control plane logs why$/,
  },
};

for (const [name, { token = 'default/front', csr, code = 'SVID_REFUSED', why }] of Object.entries(refusals)) {
  test(name, async (t) => {
    const { call } = await setup(t);
    await assert.rejects(call(csr ?? makeCsr(newKey(), ID), { token: new Secret(token) }), refusedWith(code, why));
  });
}

test('stops listening for a while to an address that only makes mistakes', async (t) => {
  const serviceClock = new FakeClock();
  const { call } = await setup(t, { serviceClock });
  const ask = (token: string) => call(makeCsr(newKey(), ID), { token: new Secret(token) });
  for (let i = 0; i < 30; i++) await assert.rejects(ask('nonsense'), refusedWith('SVID_REFUSED', /not a token/));
  await assert.rejects(ask('default/front'), refusedWith('SVID_UNAVAILABLE', /too many refused requests/));
  serviceClock.advance(1000);
  assert.equal((await ask('default/front')).length, 3);
});

test('gives an account that was deleted no further certificate', async (t) => {
  const { call, join, server } = await setup(t);
  const present = await join();
  server.gone.add('default/front');
  await assert.rejects(call(makeCsr(newKey(), ID), { present }), refusedWith('SVID_REFUSED', /it was deleted/));
});

test('renews for who has a certificate, however many mistakes others of its address make', async (t) => {
  const { call, join } = await setup(t, { serviceClock: new FakeClock(systemClock.now()) });
  const present = await join();
  const ask = (token: string) => call(makeCsr(newKey(), ID), { token: new Secret(token) });
  for (let i = 0; i < 30; i++) await assert.rejects(ask('nonsense'), refusedWith('SVID_REFUSED', /not a token/));
  await assert.rejects(ask('default/front'), refusedWith('SVID_UNAVAILABLE', /too many refused requests/));
  assert.equal((await call(makeCsr(newKey(), ID), { present })).length, 3);
});

test('limits the rate per key, refills with time, and forgets old keys', () => {
  const clock = new FakeClock();
  const limit = openRateLimit({ burst: 2, perSecond: 1, clock, maxKeys: 2 });
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a')], [true, true, false]);
  assert.equal(limit.take('b'), true);
  clock.advance(1000);
  assert.deepEqual([limit.take('a'), limit.take('a')], [true, false]);
  limit.take('c');
  assert.equal(limit.has('a'), false);
  limit.take('d');
  assert.equal(limit.has('a'), true);
});
