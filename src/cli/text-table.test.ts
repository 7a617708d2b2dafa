import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { paintWith } from './state-colour.ts';
import { formatTable, printable, TextTable } from './text-table.ts';

const plain = paintWith(false);

test('columns are two spaces apart, numbers at the right, nothing trails', () => {
  const columns = [{ name: 'Name' }, { name: 'Count', right: true }, { name: 'Age' }];
  deepEqual(
    formatTable(
      columns,
      [
        ['reviews', 3, '5s'],
        ['a', 1200, ''],
      ],
      plain,
    ),
    ['NAME     COUNT  AGE', 'reviews      3  5s', 'a         1200  <none>'],
  );
});

test('widths stay from one batch to the next', () => {
  const table = new TextTable([{ name: 'Name', min: 6 }, { name: 'X' }], plain);
  deepEqual(table.rows([['a', 'b']]), ['a       b']);
  deepEqual(table.rows([['longer-name', 'b']]), ['longer-name  b']);
  deepEqual(table.rows([['a', 'b']]), ['a            b']);
});

test('state words are coloured only where colour is', () => {
  const columns = [{ name: 'Name', state: true }, { name: 'Ready', state: true }, { name: 'Note' }];
  const rows = [['True', 'False', 'True']];
  deepEqual(formatTable(columns, rows, plain)[1], 'True  False  True');
  deepEqual(formatTable(columns, rows, paintWith(true))[1], '\u001b[32mTrue\u001b[0m  \u001b[31mFalse\u001b[0m  True');
});

test('control characters from outside never reach the screen', () => {
  equal(printable('a\u001b[2Jb\nc\u0085'), 'a·[2Jb·c·');
  deepEqual(formatTable([{ name: 'Path' }], [['/\u001b]0;x\u0007']], plain)[1], '/·]0;x·');
});
