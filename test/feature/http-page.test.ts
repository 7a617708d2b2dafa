// docs/http.md and docs/http2.md list every difference from Envoy that the tables of strictness have, with its reason, and no
// other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answerTable, requestTable, type StrictnessCase } from '../interop/strictness-cases.ts';
import { http2AnswerTable, http2Table } from '../interop/strictness-http2.ts';

/** The rows of all tables of a page. */
const listedIn = (page: string): string[] =>
  readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:case|---) /.test(line));

const ENDS: Readonly<Record<string, string>> = {
  reset: 'refused, the stream is reset',
  closed: 'refused, the connection is closed',
  'goes on': 'ignored',
};

const verdictOf = (text: string): string => {
  if (ENDS[text] !== undefined) return ENDS[text];
  if (/^\d{3}$/.test(text)) return `refused, ${text}`;
  return text.startsWith('malformed') ? 'passed on, not readable' : 'passed on';
};

const rowsOf = (cases: Readonly<Record<string, Pick<StrictnessCase, 'weft' | 'envoy' | 'why'>>>): string[] =>
  Object.entries(cases).flatMap(([title, { weft, envoy, why }]) =>
    envoy === undefined ? [] : [`| ${title} | ${verdictOf(weft)} | ${verdictOf(envoy)} | ${why} |`],
  );

test('the differences from Envoy in docs/http.md are those of the table', () => {
  assert.deepEqual(listedIn('http.md'), [...Object.values(requestTable), answerTable].flatMap(rowsOf));
});

test('the differences from Envoy in docs/http2.md are those of the table', () => {
  assert.deepEqual(listedIn('http2.md'), [...Object.values(http2Table), http2AnswerTable].flatMap(rowsOf));
});
