import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizePath } from './path.ts';

// Every answer below was read from Envoy 1.40 with normalize_path, except for the refusals that say so.
const cases: Record<string, string> = {
  '/': '/',
  '/a/b': '/a/b',
  '/a/../b': '/b',
  '/a/./b': '/a/b',
  '/a/%2e%2e/b': '/b',
  '/a/%2E/b': '/a/b',
  '/a/.%2e/b': '/b',
  '/..': '/',
  '/../..': '/',
  '/a//b': '/a//b',
  '//a': '//a',
  '/a/..//b': '//b',
  '/a//..': '/a/',
  '/a//../b': '/a/b',
  '///../a': '//a',
  '//..': '/',
  '/a\\b': '/a/b',
  '/a\\..\\b': '/b',
  '/a\\\\b': '/a//b',
  '/a%5cb': '/a%5cb',
  '/%41%7e%2d%5f%2eb': '/A~-_.b',
  '/%61dmin': '/admin',
  '/a%2fb': '/a%2fb',
  '/a/%2f../b': '/a/%2f../b',
  '/a/%2E%2E%2fb': '/a/..%2fb',
  '/%zz': '/%zz',
  '/a%': '/a%',
  '/a/%4': '/a/%4',
  '/a/%zz%41': '/a/%zzA',
  '/a"<>`{}|^[]b': '/a%22%3C%3E%60%7B%7D%7C%5E[]b',
  '/a;x=1/b': '/a;x=1/b',
  '/a;/../b': '/b',
  '/a/..;/b': '/b',
  '/a/..;x=1/b': '/b',
  '/a/.;/b': '/a/b',
  '/a/..;': '/',
  '/x/y/..;/..;/z': '/z',
  '/a/...;/b': '/a/...;/b',
  '/a/..%3b/b': '/a/..%3b/b',
  '/a/..;\\b': '/',
  '/a/b/..': '/a/',
  '/a/b/.': '/a/b/',
  '/a/b/../../..': '/',
  '/...': '/...',
  '/.a/..b': '/.a/..b',
  '/a/%252e%252e/b': '/a/%252e%252e/b',
  '/%c3%a9': '/%c3%a9',
  "/!$&'()*+,;=:@": "/!$&'()*+,;=:@",
  '*': '*',
};

for (const [path, want] of Object.entries(cases)) {
  test(`${path} is ${want}`, () => {
    assert.equal(normalizePath(path), want);
    assert.equal(normalizePath(want), want, 'and stays so');
  });
}

for (const path of ['/a%00b', '/%%36%31dmin', '/a/%2e%2e;x/b', '/a\\..;\\b', '/a%2/%2e%2e;/b']) {
  test(`${path} is refused`, () => assert.equal(normalizePath(path), undefined));
}

test('whatever comes, the answer is a fixed point or a refusal', () => {
  let seed = 5;
  const parts = ['/', '.', '..', ';', '%', '2e', '%2e', '%2F', '\\', 'a', '%61', '%5c', '{', '%3b', '%25'];
  for (let i = 0; i < 5000; i++) {
    let path = '/';
    for (let k = 0; k < 8; k++) {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      path += parts[(seed >> 8) % parts.length];
    }
    const normal = normalizePath(path);
    if (normal === undefined) continue;
    assert.equal(normalizePath(normal), normal, path);
    assert.doesNotMatch(normal, /\\|\/\.\.?(\/|;|$)/, path);
  }
});
