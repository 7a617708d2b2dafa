// Tests of sqlite.ts: the shared suite, durability, and every way in which its file can be bad.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { openSqliteStore } from './sqlite.ts';
import { resource, storeSuite } from './store-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-store-'));
after(() => rmSync(root, { recursive: true, force: true }));

let files = 0;
const newPath = () => join(root, `${++files}`, 'store.db');

storeSuite(async (keepRevisions) =>
  openSqliteStore({ path: newPath(), ...(keepRevisions === undefined ? {} : { keepRevisions }) }),
);

const throwsCode = (fn: () => unknown, code: string, text?: RegExp) =>
  assert.throws(fn, (error) => isWeftError(error, code) && (text === undefined || text.test(error.message)));

test('a new store opened again has everything, history included', async () => {
  const path = newPath();
  const first = openSqliteStore({ path });
  await first.put('/a', resource('a', 1));
  await first.put('/a', resource('a', 2));
  await first.put('/b', resource('b', 1));
  await first.delete('/b');
  await first.close();
  const second = openSqliteStore({ path });
  assert.equal(second.revision(), 4);
  assert.deepEqual(
    (await second.list('', { revision: 3 })).entries.map((entry) => entry.key),
    ['/a', '/b'],
  );
  await second.compact(4);
  await second.close();
  const third = openSqliteStore({ path });
  assert.deepEqual([third.revision(), third.compacted()], [4, 4]);
  await third.close();
});

test('the files are for their owner only', async () => {
  const path = newPath();
  const store = openSqliteStore({ path });
  await store.put('/a', resource('a'));
  for (const file of [path, `${path}-wal`, `${path}.pid`]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
  await store.close();
});

test('compaction gives the space back to later writes', async () => {
  const path = newPath();
  const store = openSqliteStore({ path, keepRevisions: 1_000_000, keepBytes: 100_000 });
  const big = { ...resource('a'), spec: { n: 1, text: 'x'.repeat(10_000) } };
  for (let n = 0; n < 300; n++) await store.put('/a', big);
  await store.compact(store.compacted());
  assert.ok(store.compacted() > 0);
  await store.close();
  assert.ok(statSync(path).size < 2_500_000, `${statSync(path).size} bytes`);
});

const holdStore = (path: string, body: string): ChildProcess => {
  const source = `
    import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, 'sqlite.ts'))};
    const store = openSqliteStore({ path: ${JSON.stringify(path)} });
    ${body}`;
  return spawn(process.execPath, ['--input-type=module-typescript', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
};

test('every acknowledged write survives kill -9 of its process', async () => {
  const path = newPath();
  const child = holdStore(
    path,
    `for (let n = 0; n < 100000; n++) {
      const entries = await Promise.all([0, 1, 2].map((i) => store.put('/' + n + '-' + i, {
        apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x' }, spec: { n } })));
      process.stdout.write(entries.map((entry) => entry.key).join(' ') + '\\n');
    }`,
  );
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged.push(...line.split(' '));
    if (acknowledged.length >= 60) child.kill('SIGKILL');
  }
  const store = openSqliteStore({ path });
  for (const key of acknowledged) assert.ok(await store.get(key), `${key} was acknowledged and is lost`);
  assert.ok(store.revision() >= acknowledged.length);
  await store.close();
});

test('a second process is refused by name of the first, and let in once that was killed', async () => {
  const path = newPath();
  const child = holdStore(path, `setInterval(() => {}, 1000); process.stdout.write('open\\n');`);
  await once(child.stdout!, 'data');
  throwsCode(() => openSqliteStore({ path }), 'STORE_LOCKED', new RegExp(`process ${child.pid}`));
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  await openSqliteStore({ path }).close();
});

test('the same process is refused a second time too', async () => {
  const path = newPath();
  const store = openSqliteStore({ path });
  throwsCode(() => openSqliteStore({ path }), 'STORE_LOCKED');
  await store.put('/a', resource('a'));
  await store.close();
});

test('a full store refuses writes, changes nothing and goes on reading', async () => {
  const store = openSqliteStore({ path: newPath(), maxSizeBytes: 200_000 });
  const big = { ...resource('big'), spec: { n: 1, text: 'x'.repeat(150_000) } };
  await store.put('/small', resource('small'));
  await store.put('/big', big);
  const results = await Promise.allSettled([
    store.put('/big2', big),
    store.put('/small2', resource('small2')),
    store.put('/small', resource('small'), { expected: 99 }),
  ]);
  assert.ok(results[0]?.status === 'rejected' && isWeftError(results[0].reason, 'STORE_FULL'));
  assert.equal(results[1]?.status, 'fulfilled', 'a small write in the same group still fits');
  assert.ok(results[2]?.status === 'rejected' && isWeftError(results[2].reason, 'STORE_CONFLICT'));
  assert.deepEqual(
    (await store.list('')).entries.map((entry) => entry.key),
    ['/big', '/small', '/small2'],
  );
  assert.equal(store.revision(), 3);
  await store.delete('/big');
  await store.compact(store.revision());
  await store.put('/big2', big);
  await store.close();
});

const filled = async () => {
  const path = newPath();
  const store = openSqliteStore({ path });
  for (let n = 0; n < 200; n++) void store.put(`/a${n}`, resource('a'.repeat(100), n));
  await store.put('/z', resource('z'));
  await store.close();
  return path;
};

const damage: Record<string, { harm: (path: string) => void; code: string }> = {
  'an emptied file is refused': { harm: (path) => truncateSync(path, 0), code: 'STORE_CORRUPT' },
  'a file cut in half is refused': {
    harm: (path) => truncateSync(path, Math.floor(statSync(path).size / 8192) * 4096),
    code: 'STORE_CORRUPT',
  },
  'a file of something else is refused': {
    harm: (path) => writeFileSync(path, 'this is a letter, not a database\n'.repeat(100)),
    code: 'STORE_CORRUPT',
  },
  'a database of something else is refused': {
    harm: (path) => {
      rmSync(path);
      const db = new DatabaseSync(path);
      db.exec('CREATE TABLE t (x)');
      db.close();
    },
    code: 'STORE_CORRUPT',
  },
  'pages overwritten with noise are refused': {
    harm: (path) => {
      const bytes = readFileSync(path);
      bytes.fill(0xa5, 4096, 4096 * 4);
      writeFileSync(path, bytes);
    },
    code: 'STORE_CORRUPT',
  },
  'a later format is refused': {
    harm: (path) => {
      const db = new DatabaseSync(path);
      db.exec('PRAGMA user_version = 99');
      db.close();
    },
    code: 'STORE_UNREADABLE',
  },
};

for (const [name, { harm, code }] of Object.entries(damage)) {
  test(`${name}, and not overwritten`, async () => {
    const path = await filled();
    harm(path);
    const before = readFileSync(path);
    throwsCode(() => openSqliteStore({ path }), code);
    assert.deepEqual(readFileSync(path), before);
  });
}

test('a log without its database is refused', () => {
  const path = newPath();
  mkdirSync(join(path, '..'));
  writeFileSync(`${path}-wal`, 'left behind');
  throwsCode(() => openSqliteStore({ path }), 'STORE_CORRUPT');
});

test('a folder, or a path through a file, is refused', () => {
  throwsCode(() => openSqliteStore({ path: root }), 'STORE_UNREADABLE');
  writeFileSync(join(root, 'plain'), 'x');
  throwsCode(() => openSqliteStore({ path: join(root, 'plain', 'store.db') }), 'STORE_UNREADABLE');
});
