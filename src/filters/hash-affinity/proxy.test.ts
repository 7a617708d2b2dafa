import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashText } from '../../lib/hash.ts';
import type { Random } from '../../lib/random.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import { prepareHash } from './proxy.ts';
import type { HashPolicy } from './schema.ts';

const half: Random = { next: () => 0.5 };
const endpoint: Endpoint = { address: '10.0.0.1', port: 80, mesh: false, weight: 1, health: 'healthy' };

const head: RequestHead = {
  method: 'GET',
  path: '/',
  query: 'a=1&user=ann%20b&user=bob',
  host: 'a.test',
  headers: ['x-user', 'ann', 'x-user', 'bob', 'cookie', 'a=b; u="ann"'],
};

const cases: Readonly<Record<string, { readonly policy: HashPolicy; readonly want: string | undefined }>> = {
  'the address of the client': { policy: { type: 'source-ip' }, want: '10.9.9.9' },
  'the first of several headers': { policy: { type: 'header', name: 'x-user' }, want: 'ann' },
  'no header': { policy: { type: 'header', name: 'x-none' }, want: undefined },
  'the first of several parameters, decoded': { policy: { type: 'query', name: 'user' }, want: 'ann b' },
  'no parameter': { policy: { type: 'query', name: 'none' }, want: undefined },
  'a cookie, without its quotes': { policy: { type: 'cookie', name: 'u', ttlMs: 1, attributes: [] }, want: 'ann' },
  'no cookie': { policy: { type: 'cookie', name: 'v', attributes: [] }, want: undefined },
};

for (const [title, { policy, want }] of Object.entries(cases)) {
  test(`hashed is ${title}`, () => {
    const { hash, mark } = prepareHash(policy, half)(head, '10.9.9.9', 0);
    assert.equal(hash, want === undefined ? undefined : hashText(want));
    assert.equal(mark, undefined);
  });
}

test('a client without the cookie is given the one that it was hashed by', () => {
  const policy: HashPolicy = {
    type: 'cookie',
    name: 'v',
    ttlMs: 90_000,
    attributes: [
      { name: 'SameSite', value: 'Lax' },
      { name: 'Secure', value: '' },
    ],
  };
  const { hash, mark } = prepareHash(policy, half)(head, '', 0);
  const headers: string[] = [];
  mark!(headers, endpoint, 0);
  assert.equal(hash, hashText('8000000080000000'));
  assert.deepEqual(headers, ['set-cookie', 'v="8000000080000000"; Max-Age=90; SameSite=Lax; Secure; HttpOnly']);
});
