import assert from 'node:assert/strict';
import { test } from 'node:test';
import { altNamesIn } from '../../lib/alt-names.ts';
import type { SanMatch } from '../../model/snapshot.ts';
import { prepareBackendTls } from './proxy.ts';
import type { SimpleTls } from './schema.ts';
import { prepareAltNames } from './wanted-names.ts';

const exact = (name: SanMatch['name'], value: string): SanMatch => ({ name, type: 'exact', value });

const matches: Record<string, { readonly match: SanMatch; readonly names: string; readonly want: boolean }> = {
  'a DNS name in any case': { match: exact('DNS', 'A.test'), names: 'DNS:a.TEST', want: true },
  'a wildcard for one label': { match: exact('DNS', 'x.a.test'), names: 'DNS:*.a.test', want: true },
  'a wildcard not for two': { match: exact('DNS', 'x.y.a.test'), names: 'DNS:*.a.test', want: false },
  'a wildcard not for none': { match: exact('DNS', 'a.test'), names: 'DNS:*.a.test', want: false },
  'no wildcard for a part of a label': { match: exact('DNS', 'xy.a.test'), names: 'DNS:x*.a.test', want: false },
  'a URI to the letter': { match: exact('URI', 'spiffe://t/a'), names: 'URI:spiffe://t/A', want: false },
  'the type counts': { match: exact('URI', 'a.test'), names: 'DNS:a.test', want: false },
  'a pattern is for the whole name': {
    match: { name: 'DNS', type: 'regex', value: 'a' },
    names: 'DNS:a.test',
    want: false,
  },
};

for (const [title, { match, names, want }] of Object.entries(matches)) {
  test(`matching: ${title}`, () => assert.equal(prepareAltNames([match])(altNamesIn(names)), want));
}

const roots = () => ['the roots of the machine'];
const none = { authorities: undefined, own: undefined };
const simple: SimpleTls = { mode: 'simple', sni: 'a.test' };

test('without an authority the roots of the machine count', () => {
  assert.deepEqual(prepareBackendTls(simple, none, roots).secure, {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ca: roots(),
  });
});

test('what is named is shown and trusted', () => {
  const { secure } = prepareBackendTls(
    { ...simple, ca: 'ca', certificate: 'own', minVersion: '1.3', curves: ['P-256'] },
    {
      authorities: { name: 'ca', caPem: 'CA', crlPem: 'LIST' },
      own: { name: 'own', keyPem: 'KEY', chainPem: 'CHAIN' },
    },
    roots,
  );
  assert.deepEqual(secure, {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: 'P-256',
    ca: 'CA',
    crl: 'LIST',
    key: 'KEY',
    cert: 'CHAIN',
  });
});

for (const [what, tls] of Object.entries({ ca: { ...simple, ca: 'x' }, own: { ...simple, certificate: 'x' } })) {
  test(`nothing is called without a certificate that it needs: ${what}`, () =>
    assert.throws(() => prepareBackendTls(tls, none, roots), { code: 'CERTIFICATE_MISSING' }));
}
