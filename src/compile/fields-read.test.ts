// No field of the Gateway API is taken and then forgotten: compile has the name of each, to use it or to refuse it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Schema } from '../kinds/kind.ts';
import { kinds } from '../kinds/registry.ts';

/** What compile has nothing to do with, by the way to it from the spec, and why. */
const NOT_READ: Readonly<Record<string, string>> = {
  'GatewayClass description': 'words for people',
};

const wordsOf = (folder: string): Set<string> => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll(/^(import|\/\/) .*$/gm, ''));
  return new Set(text.join('\n').match(/\w+/g));
};

/** The outermost fields whose names are not there. */
const unread = (schema: Schema, words: ReadonlySet<string>, path: string): string[] => [
  ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    words.has(name) ? unread(field, words, `${path} ${name}`) : [`${path} ${name}`],
  ),
  ...(schema.items ? unread(schema.items, words, path) : []),
];

test('every field of the Gateway API is used or refused', () => {
  const words = wordsOf(import.meta.dirname);
  const found = kinds
    .filter(({ group }) => group.startsWith('gateway.networking.'))
    .flatMap(({ kind, schema }) => unread(schema.properties!.spec!, words, kind));
  assert.deepEqual(found.sort(), Object.keys(NOT_READ).sort());
});
