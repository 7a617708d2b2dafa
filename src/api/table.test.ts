// Tests of table.ts: ages as people read them, cells, and a column that fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thing, thingKind } from '../../test/fakes/thing-api.ts';
import { KindIndex } from './kind-index.ts';
import { formatAge, tableOf } from './table.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// As kubectl itself writes them.
const ages: [ms: number, want: string][] = [
  [-5 * SECOND, '<invalid>'],
  [0, '0s'],
  [119 * SECOND, '119s'],
  [2 * MINUTE, '2m'],
  [5 * MINUTE + 30 * SECOND, '5m30s'],
  [10 * MINUTE + 30 * SECOND, '10m'],
  [179 * MINUTE, '179m'],
  [3 * HOUR, '3h'],
  [7 * HOUR + 5 * MINUTE, '7h5m'],
  [47 * HOUR, '47h'],
  [2 * DAY, '2d'],
  [5 * DAY + 3 * HOUR, '5d3h'],
  [9 * DAY, '9d'],
  [729 * DAY, '729d'],
  [730 * DAY, '2y'],
  [800 * DAY, '2y70d'],
  [10 * 365 * DAY, '10y'],
];

for (const [ms, want] of ages) {
  test(`an age of ${ms} ms is ${want}`, () => assert.equal(formatAge(ms), want));
}

const kind = new KindIndex([thingKind]).find('example.dev', 'v1', 'things')!;
const options = { version: 'v1', includeObject: 'Metadata', nowMs: Date.UTC(2026, 0, 2) } as const;

test('a row has the name, the columns and the age', () => {
  const made = thing('a', { size: 3, color: 'red' }, { creationTimestamp: '2026-01-01T00:00:00Z' });
  const table = tableOf(kind, [made], { resourceVersion: '1' }, options);
  assert.deepEqual(table.rows[0]?.cells, ['a', 3, 'red', '24h']);
  assert.deepEqual(
    table.columnDefinitions?.map((column) => [column.name, column.priority]),
    [
      ['Name', 0],
      ['Size', 0],
      ['Color', 1],
      ['Age', 0],
    ],
  );
});

test('an object that a column can not read does not take the table with it', () => {
  const strange = { apiVersion: 'example.dev/v1', kind: 'Thing', metadata: { name: 'old' } };
  const table = tableOf(kind, [strange, thing('b')], { resourceVersion: '1' }, options);
  assert.deepEqual(
    table.rows.map((row) => row.cells.slice(0, 2)),
    [
      ['old', '<unknown>'],
      ['b', 1],
    ],
  );
});
