import assert from 'node:assert/strict';
import { test } from 'node:test';
import { altNamesIn } from './alt-names.ts';

const texts: Record<string, { readonly text: string | undefined; readonly want: readonly string[] }> = {
  'none where there are none': { text: undefined, want: [] },
  'each with its type': {
    text: 'DNS:a.test, URI:spiffe://t/a, email:a@b, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    want: ['DNS=a.test', 'URI=spiffe://t/a', 'email=a@b', 'IP Address=10.0.0.1', 'IP Address=0:0:0:0:0:0:0:1'],
  },
  'a quoted name is one name, whatever it holds': {
    text: 'DNS:"a.test, URI:spiffe://t/forged", URI:spiffe://t/a',
    want: ['DNS=a.test, URI:spiffe://t/forged', 'URI=spiffe://t/a'],
  },
  'nothing behind what can not be read': { text: 'DNS:a.test, DNS:"\\q", URI:spiffe://t/a', want: ['DNS=a.test'] },
};

for (const [title, { text, want }] of Object.entries(texts)) {
  test(`names: ${title}`, () =>
    assert.deepEqual(
      altNamesIn(text).map(({ type, value }) => `${type}=${value}`),
      want,
    ));
}
