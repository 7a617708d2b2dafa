// docs/errors.md names every code that Weft can show, and no other.
import { deepEqual } from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');

/** Upper-case words that stand where codes stand, but belong to others. */
const NOT_OURS = new Set([
  // Codes of Node, OpenSSL and the YAML parser, which are read and not shown.
  'ABORT_ERR',
  'CERT_ERROR',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DUPLICATE_KEY',
  'EAI_AGAIN',
  // Statuses of gRPC.
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
]);

// The first argument of `new WeftError(…`, what follows `code:`, and the code that a call hands on before its message.
const PLACES = [
  /new WeftError\(([^,]*?)[,)]/g,
  /\bcode(?:: | = | === )([^\n]*)/g,
  /\(\s*(?:[\w.[\]]+,\s*)?('[A-Z][A-Z0-9_]{3,}'),\s*(?=[`'"\w(])/g,
];

const codesIn = (text: string): string[] =>
  PLACES.flatMap((place) => [...text.matchAll(place)]).flatMap(([, found]) =>
    [...(found ?? '').matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g)].map(([, code]) => code!),
  );

const isCode = (word: string): boolean =>
  !NOT_OURS.has(word) &&
  (word.includes('_') || word === 'USAGE' || word === 'INTERRUPTED') &&
  !/^E(RR_|[A-Z]+$)/.test(word);

const used = (): string[] => {
  const files = globSync('src/**/*.ts', { cwd: root }).filter(
    (file) => !/\.test\.ts$|-suite\.ts$|^src\/gen\//.test(file),
  );
  return [...new Set(files.flatMap((file) => codesIn(readFileSync(join(root, file), 'utf8'))))].filter(isCode).sort();
};

const documented = (): string[] =>
  [...readFileSync(join(root, 'docs', 'errors.md'), 'utf8').matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map(
    ([, code]) => code!,
  );

test('every code in the source is on the page, and every code on the page is in the source', () => {
  const page = documented();
  deepEqual([...page].sort(), [...new Set(page)].sort(), 'a code stands twice on the page');
  deepEqual([...page].sort(), used());
});

test('every code on the page has a meaning and a next step', () => {
  const text = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
  const bad = text
    .split('\n')
    .filter((line) => line.startsWith('| `') && !/^\| `[A-Z0-9_]+` \| [^|]{10,} \| [^|]{4,} \|$/.test(line));
  deepEqual(bad, []);
});
