// Tests of tokens.ts: what is kept on disk, and which tokens are taken.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import { openTokens } from './tokens.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-tokens-'));
after(() => rmSync(root, { recursive: true }));

let dirs = 0;
const open = async (dir = join(root, String(++dirs)), clock = new FakeClock()) => ({
  dir,
  clock,
  tokens: await openTokens({ dir, clock }),
});

const rejectsWith = (promise: Promise<unknown>, code: string) =>
  assert.rejects(promise, (error) => isWeftError(error, code));

const DAY_MS = 86_400_000;

test('the key and the admin token are kept, for their owner only', async () => {
  const { dir, tokens } = await open();
  const admin = readFileSync(tokens.adminTokenFile, 'utf8');
  for (const file of ['tokens.key', 'admin.token']) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600);
  const again = await open(dir);
  assert.equal(readFileSync(again.tokens.adminTokenFile, 'utf8'), admin);
  const user = await again.tokens.verify(admin.trim(), 'weft-api');
  assert.deepEqual(user, { name: 'admin', groups: ['system:masters'], audiences: ['weft-api'] });
});

test('an admin token near its end, or one that is not a token, is replaced', async () => {
  const { dir, clock, tokens } = await open();
  const first = readFileSync(tokens.adminTokenFile, 'utf8');
  clock.advance(340 * DAY_MS);
  await open(dir, clock);
  const second = readFileSync(tokens.adminTokenFile, 'utf8');
  assert.notEqual(second, first);
  writeFileSync(tokens.adminTokenFile, 'scribble');
  await open(dir, clock);
  assert.equal((await tokens.verify(readFileSync(tokens.adminTokenFile, 'utf8').trim())).name, 'admin');
});

test('a key that others could read is closed to them', async () => {
  const { dir } = await open();
  chmodSync(join(dir, 'tokens.key'), 0o644);
  await open(dir);
  assert.equal(statSync(join(dir, 'tokens.key')).mode & 0o777, 0o600);
});

test('a key that can not be read is refused and not overwritten', async () => {
  const { dir } = await open();
  const path = join(dir, 'tokens.key');
  writeFileSync(path, 'damaged');
  await rejectsWith(open(dir), 'TOKENS_UNREADABLE');
  assert.equal(readFileSync(path, 'utf8'), 'damaged');
});

test('a token says who, for what, and until when', async () => {
  const { tokens, clock } = await open();
  const { token, expiresAt } = await tokens.issue({
    subject: 'system:serviceaccount:default:front',
    groups: ['system:serviceaccounts'],
    uid: 'u1',
    ttlMs: 60_000,
  });
  assert.equal(expiresAt, clock.now() + 60_000);
  assert.deepEqual(await tokens.verify(token, 'weft-ca'), {
    name: 'system:serviceaccount:default:front',
    uid: 'u1',
    groups: ['system:serviceaccounts'],
    audiences: ['weft-ca'],
  });
  await rejectsWith(tokens.verify(token, 'weft-api'), 'TOKEN_AUDIENCE');
  clock.advance(60_001);
  await rejectsWith(tokens.verify(token), 'TOKEN_EXPIRED');
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

const forged: Record<string, { make: (token: string) => string; code: string }> = {
  'an empty one': { make: () => '', code: 'TOKEN_MALFORMED' },
  words: { make: () => 'let me in', code: 'TOKEN_MALFORMED' },
  'one cut short': { make: (token) => token.slice(0, 40), code: 'TOKEN_MALFORMED' },
  'a huge one': { make: (token) => token + 'A'.repeat(10_000), code: 'TOKEN_MALFORMED' },
  'one with other claims under the old signature': {
    make: (token) => {
      const [head, , signature] = token.split('.');
      return `${head}.${part({ iss: 'weft', sub: 'admin', aud: 'weft-api', exp: 4e9, groups: ['system:masters'] })}.${signature}`;
    },
    code: 'TOKEN_UNKNOWN',
  },
  'one without a signature': {
    make: () => `${part({ alg: 'none' })}.${part({ iss: 'weft', sub: 'admin', aud: 'weft-api', exp: 4e9 })}.`,
    code: 'TOKEN_MALFORMED',
  },
};

for (const [name, { make, code }] of Object.entries(forged)) {
  test(`refused: ${name}`, async () => {
    const { tokens } = await open();
    const { token } = await tokens.issue({ subject: 'x', ttlMs: 60_000 });
    await rejectsWith(tokens.verify(make(token)), code);
  });
}

test('refused: a token of another control plane', async () => {
  const [a, b] = [await open(), await open()];
  const { token } = await b.tokens.issue({ subject: 'x', ttlMs: 60_000 });
  await rejectsWith(a.tokens.verify(token), 'TOKEN_UNKNOWN');
});
