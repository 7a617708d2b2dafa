import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerCases } from './cases.ts';
import { prepareHeaderEdit } from './proxy.ts';
import type { HeaderModifier } from './schema.ts';

/** `name: value` lines, sorted by name; values of one name keep their order. */
const lines = (headers: readonly string[]): string[] => {
  const pairs: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i]!, headers[i + 1]!]);
  return pairs.sort((a, b) => (a[0] < b[0] ? -1 : +(a[0] > b[0]))).map(([name, value]) => `${name}: ${value}`);
};

for (const [name, { filters, before, after }] of Object.entries(headerCases)) {
  test(name, () => {
    const head = { headers: [...before] };
    prepareHeaderEdit(filters, 'request-headers')?.(head);
    assert.deepEqual(lines(head.headers), lines(after));
  });

  test(`${name}, on an answer`, () => {
    const onAnswer: HeaderModifier[] = filters.map((filter) => ({ ...filter, type: 'response-headers' }));
    const head = { headers: [...before] };
    assert.equal(prepareHeaderEdit(onAnswer, 'request-headers'), undefined);
    prepareHeaderEdit(onAnswer, 'response-headers')?.(head);
    assert.deepEqual(lines(head.headers), lines(after));
  });
}

test('names are matched in lower case', () => {
  const head = { headers: ['x-a', '1'] };
  const set = [{ name: 'X-A', value: '2' }];
  prepareHeaderEdit([{ type: 'request-headers', set, add: [], remove: [] }], 'request-headers')?.(head);
  assert.deepEqual(head.headers, ['x-a', '2']);
});
