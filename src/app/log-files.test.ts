import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../test/fakes/raw-peer.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { openLogFiles } from './log-files.ts';

const open = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-log-files-'));
  const files = openLogFiles(systemClock, silentLog);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const text = (name: string) => {
    try {
      return readFileSync(join(dir, name), 'utf8');
    } catch {
      return '';
    }
  };
  return { dir, files, text };
};

test('each path is a file of its own, from its first line on', async (t) => {
  const { dir, files, text } = open(t);
  files.write(join(dir, 'a'), 'one');
  files.write(join(dir, 'b'), 'two');
  files.write(join(dir, 'a'), 'three');
  await files.close(1000);
  assert.deepEqual([text('a'), text('b')], ['one\nthree\n', 'two\n']);
});

test('a renamed file is left for a new one', async (t) => {
  const { dir, files, text } = open(t);
  const path = join(dir, 'a');
  files.write(path, 'old');
  await until(() => text('a') === 'old\n', 'the line is there');
  renameSync(path, `${path}.1`);
  files.reopen();
  await until(() => readable(path), 'there is a new file');
  files.write(path, 'new');
  await files.close(1000);
  assert.deepEqual([text('a.1'), text('a')], ['old\n', 'new\n']);
});

const readable = (path: string): boolean => {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
};

test('a file that can not be made costs its lines, and no others', async (t) => {
  const { dir, files, text } = open(t);
  files.write(join(dir, 'none', 'a'), 'lost');
  files.write(join(dir, 'b'), 'kept');
  await files.close(1000);
  assert.equal(text('b'), 'kept\n');
});
