import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOf } from './balancing-settings.ts';

const cases: Readonly<Record<string, { readonly spec: Parameters<typeof hashOf>[0]; readonly want: unknown }>> = {
  'the address of the client': { spec: { type: 'SourceIP' }, want: [{ type: 'source-ip' }] },
  'a header, in lower case': {
    spec: { type: 'Header', header: { name: 'X-User' } },
    want: [{ type: 'header', name: 'x-user' }],
  },
  'several headers, in their order': {
    spec: { type: 'Headers', headers: [{ name: 'X-User' }, { name: 'X-Shop' }] },
    want: [
      { type: 'header', name: 'x-user' },
      { type: 'header', name: 'x-shop' },
    ],
  },
  'parameters as they are spelt': {
    spec: { type: 'QueryParams', queryParams: [{ name: 'User' }] },
    want: [{ type: 'query', name: 'User' }],
  },
  'a cookie until the client closes': {
    spec: { type: 'Cookie', cookie: { name: 'u', ttl: '0s' } },
    want: [{ type: 'cookie', name: 'u', ttlMs: 0, attributes: [] }],
  },
  'a cookie that is never given': {
    spec: { type: 'Cookie', cookie: { name: 'u' } },
    want: [{ type: 'cookie', name: 'u', attributes: [] }],
  },
};

for (const [title, { spec, want }] of Object.entries(cases)) {
  test(`hashed is ${title}`, () => assert.deepEqual(hashOf(spec), want));
}
