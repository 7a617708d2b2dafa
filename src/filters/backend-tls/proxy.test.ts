import assert from 'node:assert/strict';
import { test } from 'node:test';
import { altNamesIn } from '../../lib/alt-names.ts';
import type { SanMatch } from '../../model/snapshot.ts';
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
