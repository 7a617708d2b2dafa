import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLog } from './log.ts';

test('what others sent can neither forge a line nor steer a terminal', () => {
  const lines: string[] = [];
  const log = openLog('x', { level: 'info', json: false, write: (line) => lines.push(line), now: () => 0 });
  log.info('bad\u001b[2J\nname', { a: 'b\u001b]c', d: 'e\nf' });
  assert.deepEqual(lines, ['1970-01-01T00:00:00.000Z info x: bad\u00b7[2J\u00b7name a=b\u00b7]c d="e\\nf"\n']);
});
