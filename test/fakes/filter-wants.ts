// What cases of filters want of answers and of access logs, and what a client keeps of an answer. For
// test/interop/filters.test.ts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { CaseLog, CaseProgram, FilterCase } from '../../src/filters/filter-case.ts';
import type { FilterPrograms } from './filter-programs.ts';
import { until } from './raw-peer.ts';

type Wanted = string | RegExp | null;

/** What fits a pattern is the pattern. */
export const fitting = (value: unknown, wanted: unknown): unknown =>
  wanted instanceof RegExp && wanted.test(String(value)) ? wanted : value;

export const chosen = (headers: IncomingHttpHeaders, wanted: Readonly<Record<string, Wanted>>) =>
  Object.fromEntries(
    Object.entries(wanted).map(([name, want]) => [name, fitting(headers[name]?.toString() ?? null, want)]),
  );

/** Adds what a client keeps of an answer: cookies by their names, as `name=value`; of others the header. */
export const keep = ({ keeps }: FilterCase, headers: IncomingHttpHeaders, kept: Map<string, string>): void => {
  if (keeps === 'cookies') {
    for (const text of headers['set-cookie'] ?? []) kept.set(`cookie ${text.split('=')[0]}`, text.split(';')[0]!);
  } else if (keeps && headers[keeps.header]) kept.set(keeps.header, String(headers[keeps.header]));
};

/** As headers of the next call. */
export const takenAlong = (kept: ReadonlyMap<string, string>): string[] => {
  const cookies = [...kept].filter(([name]) => name.startsWith('cookie ')).map(([, value]) => value);
  const others = [...kept].filter(([name]) => !name.startsWith('cookie ')).flat();
  return [...(cookies.length > 0 ? ['cookie', cookies.join('; ')] : []), ...others];
};

/** `{a}` is where the program `a` listens. */
export const withAddresses = (text: string, programs: FilterPrograms): string =>
  text.replace(/\{([a-d]|dead)\}/g, (_, name: CaseProgram) => {
    const { address, port } = programs.endpoint(name);
    return `${address}:${port}`;
  });

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
