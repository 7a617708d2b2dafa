// What cases of filters want of answers and of access logs, and what a client keeps of an answer. For
// test/interop/filters.test.ts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { CaseLog, FilterCase } from '../../src/filters/filter-case.ts';
import { until } from './raw-peer.ts';

type Wanted = string | RegExp | null;

/** What fits a pattern is the pattern. */
export const fitting = (value: unknown, wanted: unknown): unknown =>
  wanted instanceof RegExp && wanted.test(String(value)) ? wanted : value;

export const chosen = (headers: IncomingHttpHeaders, wanted: Readonly<Record<string, Wanted>>) =>
  Object.fromEntries(
    Object.entries(wanted).map(([name, want]) => [name, fitting(headers[name]?.toString() ?? null, want)]),
  );

/** What a client takes along to its next call. */
export const keptOf = ({ keeps }: FilterCase, headers: IncomingHttpHeaders): string[] => {
  if (keeps === undefined) return [];
  if (keeps !== 'cookies') return headers[keeps.header] ? [keeps.header, String(headers[keeps.header])] : [];
  return (headers['set-cookie'] ?? []).flatMap((text) => ['cookie', text.split(';')[0]!]);
};

const linesOf = (path: string): string[] => {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
};

export const assertLines = async (path: string, { format, lines }: CaseLog): Promise<void> => {
  await until(
    () => linesOf(path).length >= lines.length,
    () => `the lines come: ${linesOf(path)}`,
  );
  const read = linesOf(path).map((line) => (format.type === 'json' ? JSON.parse(line) : line));
  assert.deepEqual(
    read.map((line, i) => fitting(line, lines[i])),
    lines,
  );
};
