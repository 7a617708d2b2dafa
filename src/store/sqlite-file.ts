// Opens the store's database file: makes it, locks it, checks it. Refuses what it can't read and never overwrites.
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';

// `weft` in ASCII: marks a database as a store of ours.
const APPLICATION_ID = 0x77656674;
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT, previous INTEGER NOT NULL) STRICT;
  CREATE INDEX log_key ON log (key, revision);
  CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('revision', 0), ('compacted', 0), ('swept', 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** SQLite's primary result code (13 = FULL, 10 = IOERR …), or undefined for other errors. */
const sqliteCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;

const [SQLITE_PERM, SQLITE_BUSY, SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_CANTOPEN, SQLITE_NOTADB] = [
  3, 5, 8, 11, 13, 14, 26,
];
const SQLITE_IOERR = 10;

export const openDatabase = (path: string): DatabaseSync => {
  const stats = statOf(path);
  if (stats && !stats.isFile()) throw unreadable(path, 'it is not a file');
  if (stats?.size === 0) throw corrupt(path, 'the file is empty');
  let db: DatabaseSync | undefined;
  try {
    if (!stats) createDatabase(path);
    chmodSync(path, 0o600);
    db = new DatabaseSync(path, { timeout: 0 });
    lock(db);
    writeFileSync(`${path}.pid`, `${process.pid}\n`, { mode: 0o600 });
    check(db, path);
    // FULL: an acknowledged write has reached the disk, so that it survives a loss of power.
    db.exec('PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
    return db;
  } catch (error) {
    db?.close();
    throw openError(error, path);
  }
};

/** What SQLite says when a read or write fails, in the store's words. */
export const storageError = (error: unknown, path: string): WeftError => {
  if (error instanceof WeftError) return error;
  const code = sqliteCode(error);
  if (code === SQLITE_FULL || code === SQLITE_IOERR || code === SQLITE_READONLY) return full(path, error);
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB || error instanceof SyntaxError) {
    return corrupt(path, messageOf(error), error);
  }
  return new WeftError('STORE_FAILED', `the store failed: ${messageOf(error)}`, { at: path, cause: error });
};

export const corrupt = (path: string, what: string, cause?: unknown): WeftError =>
  new WeftError('STORE_CORRUPT', `the store at ${path} is damaged: ${what}`, {
    at: path,
    hint: 'nothing was overwritten; restore the file from a backup, or move it away to start with an empty store',
    cause,
  });

const full = (path: string, error: unknown): WeftError =>
  new WeftError('STORE_FULL', `the store can't write to ${path}: ${messageOf(error)}; nothing was changed`, {
    hint: 'free space on the disk; reads go on meanwhile, and writes work again as soon as there is room',
    cause: error,
  });

const unreadable = (path: string, what: string, cause?: unknown): WeftError =>
  new WeftError('STORE_UNREADABLE', `the store at ${path} can't be opened: ${what}`, {
    at: path,
    hint: 'check the path and its permissions, or choose another with --data-dir',
    cause,
  });

const statOf = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
};

/** Makes the database beside its place and links it in when it is whole: a crash never leaves half a store. */
const createDatabase = (path: string): void => {
  if (statOf(`${path}-wal`)) throw corrupt(path, `the file is missing, but its log ${path}-wal is there`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new-${process.pid}`;
  rmSync(draft, { force: true });
  writeFileSync(draft, '', { mode: 0o600, flag: 'wx' });
  try {
    const db = new DatabaseSync(draft);
    try {
      db.exec(`PRAGMA synchronous = FULL; BEGIN; ${SCHEMA} COMMIT; PRAGMA journal_mode = WAL`);
    } finally {
      db.close();
    }
    linkSync(draft, path);
  } catch (error) {
    // Another process was faster: its store is as good, and the lock decides who has it.
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
};

/** Takes the kernel's file lock and keeps it; it ends with the process, however that ends. */
const lock = (db: DatabaseSync): void => {
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
};

const check = (db: DatabaseSync, path: string): void => {
  const id = db.prepare('PRAGMA application_id').get()?.application_id;
  const version = db.prepare('PRAGMA user_version').get()?.user_version;
  if (id !== APPLICATION_ID) throw corrupt(path, 'it is a database, but not one of Weft');
  if (version !== SCHEMA_VERSION)
    throw unreadable(path, `it has format ${version}; this program reads ${SCHEMA_VERSION}`);
  const result = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (result !== 'ok') throw corrupt(path, String(result));
};

const holderOf = (path: string): string => {
  try {
    const pid = readFileSync(`${path}.pid`, 'utf8').trim();
    return /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
  } catch {
    return 'another process';
  }
};

const openError = (error: unknown, path: string): unknown => {
  if (error instanceof WeftError) return error;
  const code = sqliteCode(error);
  if (code === SQLITE_BUSY) {
    return new WeftError('STORE_LOCKED', `the store at ${path} is in use by ${holderOf(path)}`, {
      at: path,
      hint: 'stop that process, or choose another place with --data-dir',
    });
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corrupt(path, messageOf(error), error);
  if (systemCode(error) === 'ENOSPC') return full(path, error);
  const refused = code === SQLITE_CANTOPEN || code === SQLITE_PERM || code === SQLITE_READONLY;
  // Without a result code of SQLite's it came from the file system.
  if (refused || code === undefined) return unreadable(path, messageOf(error), error);
  return storageError(error, path);
};
