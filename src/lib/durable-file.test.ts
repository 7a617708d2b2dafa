import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeDurably } from './durable-file.ts';

const place = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-file-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return join(dir, 'key');
};

test('writes a file for this user alone, and leaves nothing beside it', (t) => {
  const path = place(t);
  writeDurably(path, 'one', { replace: false });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  writeDurably(path, 'two', { replace: true });
  assert.equal(readFileSync(path, 'utf8'), 'two');
  assert.deepEqual(readdirSync(join(path, '..')), ['key']);
});

test('never touches a file that is there unless it is to be replaced', (t) => {
  const path = place(t);
  writeDurably(path, 'one', { replace: true });
  assert.throws(() => writeDurably(path, 'two', { replace: false }), { code: 'EEXIST' });
  assert.equal(readFileSync(path, 'utf8'), 'one');
});

test('a failed write leaves the old text', (t) => {
  const path = place(t);
  writeDurably(path, 'one', { replace: true });
  mkdirSync(`${path}.new`);
  assert.throws(() => writeDurably(path, 'two', { replace: true }));
  assert.equal(readFileSync(path, 'utf8'), 'one');
});
