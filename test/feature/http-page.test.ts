// docs/http.md lists every difference from Envoy that the table of strictness has, with its reason, and no other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answerTable, requestTable, type StrictnessCase } from '../interop/strictness-cases.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/http.md'), 'utf8');

const verdictOf = (text: string): string => {
  if (/^\d{3}$/.test(text)) return `refused, ${text}`;
  return text.startsWith('malformed') ? 'passed on, not readable' : 'passed on';
};

const rowsOf = (cases: Readonly<Record<string, StrictnessCase>>): string[] =>
  Object.entries(cases).flatMap(([title, { weft, envoy, why }]) =>
    envoy === undefined ? [] : [`| ${title} | ${verdictOf(weft)} | ${verdictOf(envoy)} | ${why} |`],
  );

test('the differences from Envoy in docs/http.md are those of the table', () => {
  const listed = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (?:case|---) /.test(line));
  assert.deepEqual(listed, [...Object.values(requestTable), answerTable].flatMap(rowsOf));
});
