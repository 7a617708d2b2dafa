import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteCases } from './cases.ts';
import { prepareUrlRewrite } from './proxy.ts';

for (const [name, { match, rewrite, paths }] of Object.entries(rewriteCases)) {
  test(name, () => {
    for (const [before, after] of Object.entries(paths)) {
      const [path, query] = before.split('?');
      const head = {
        method: 'GET',
        path: path!,
        query: query ?? '',
        host: 'before.test',
        headers: ['host', 'before.test'],
      };
      prepareUrlRewrite(rewrite, match)?.(head);
      assert.equal(head.path + (head.query && `?${head.query}`), after);
      assert.equal(head.host, rewrite.host ?? 'before.test');
      assert.deepEqual(head.headers, ['host', rewrite.host ?? 'before.test']);
    }
  });
}

test('a head without a host header gets none', () => {
  const head = { method: 'GET', path: '/', query: '', host: 'a', headers: ['x', 'host'] };
  prepareUrlRewrite({ host: 'b' }, { type: 'prefix', value: '/' })?.(head);
  assert.deepEqual(head, { method: 'GET', path: '/', query: '', host: 'b', headers: ['x', 'host'] });
});

test('nothing to rewrite prepares nothing', () => {
  assert.equal(prepareUrlRewrite({}, { type: 'prefix', value: '/' }), undefined);
});
