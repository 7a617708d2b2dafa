// The SQLite driver's prepared statements, typed.
import type { DatabaseSync } from 'node:sqlite';

export interface ValueRow {
  key: string;
  value: string;
  revision: number;
}

export interface LogRow {
  key: string;
  value: string | null;
  revision: number;
  previous_value: string | null;
}

/** Keys from `start` up to, not including, `end`, and behind `after`. */
export interface KeyRange {
  start: string;
  end: string;
  after: string;
}

type Meta = 'revision' | 'compacted' | 'swept';

export type Statements = ReturnType<typeof prepareStatements>;

/** The first string behind all that start with `prefix`. */
export const prefixEnd = (prefix: string): string => {
  if (prefix === '') return '\u{10ffff}';
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
};

// Of each key the last version up to a revision; SQLite takes the other columns from the row that has the maximum.
const AT_REVISION = `
  SELECT key, value, revision FROM (
    SELECT key, value, max(revision) AS revision FROM log
    WHERE key >= ? AND key < ? AND key > ? AND revision <= ? GROUP BY key
  ) WHERE value IS NOT NULL`;

export const prepareStatements = (db: DatabaseSync, maxSizeBytes: number | undefined) => {
  if (maxSizeBytes !== undefined) {
    const pageSize = Number(db.prepare('PRAGMA page_size').get()?.page_size);
    db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSizeBytes / pageSize))}`);
  }
  const current = 'FROM current c JOIN log l ON l.revision = c.revision';
  const range = 'c.key >= ? AND c.key < ? AND c.key > ?';
  const get = db.prepare(`SELECT c.key, l.value, c.revision ${current} WHERE c.key = ?`);
  const list = db.prepare(`SELECT c.key, l.value, c.revision ${current} WHERE ${range} ORDER BY c.key LIMIT ?`);
  const count = db.prepare(`SELECT count(*) AS n FROM current c WHERE ${range}`);
  const listAt = db.prepare(`${AT_REVISION} ORDER BY key LIMIT ?`);
  const countAt = db.prepare(`SELECT count(*) AS n FROM (${AT_REVISION})`);
  const insertLog = db.prepare('INSERT INTO log (revision, key, value, previous) VALUES (?, ?, ?, ?)');
  const setCurrent = db.prepare('INSERT OR REPLACE INTO current (key, revision) VALUES (?, ?)');
  const deleteCurrent = db.prepare('DELETE FROM current WHERE key = ?');
  const logAfter = db.prepare(
    `SELECT l.key, l.value, l.revision, p.value AS previous_value
     FROM log l LEFT JOIN log p ON p.revision = l.previous WHERE l.revision > ? ORDER BY l.revision LIMIT ?`,
  );
  const sweepable = db.prepare(
    'SELECT revision, previous, value IS NULL AS deleted FROM log WHERE revision > ? AND revision <= ?',
  );
  const deleteLog = db.prepare('DELETE FROM log WHERE revision = ? RETURNING length(value) AS size');
  const getMeta = db.prepare('SELECT value FROM meta WHERE name = ?');
  const setMeta = db.prepare('UPDATE meta SET value = ? WHERE name = ?');
  const logBytes = db.prepare('SELECT coalesce(sum(length(value)), 0) AS n FROM log');
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  return {
    get: (key: string) => get.get(key) as ValueRow | undefined,
    list: (r: KeyRange, limit: number) => list.all(r.start, r.end, r.after, limit) as unknown as ValueRow[],
    count: (r: KeyRange) => Number(count.get(r.start, r.end, r.after)?.n),
    listAt: (r: KeyRange, revision: number, limit: number) =>
      listAt.all(r.start, r.end, r.after, revision, limit) as unknown as ValueRow[],
    countAt: (r: KeyRange, revision: number) => Number(countAt.get(r.start, r.end, r.after, revision)?.n),
    insertLog: (revision: number, key: string, value: string | null, previous: number) =>
      insertLog.run(revision, key, value, previous),
    setCurrent: (key: string, revision: number) => setCurrent.run(key, revision),
    deleteCurrent: (key: string) => deleteCurrent.run(key),
    logAfter: (revision: number, limit: number) => logAfter.all(revision, limit) as unknown as LogRow[],
    sweepable: (after: number, upTo: number) =>
      sweepable.all(after, upTo) as unknown as { revision: number; previous: number; deleted: number }[],
    /** Answers how much of the values' size went with it. */
    deleteLog: (revision: number) => Number(deleteLog.get(revision)?.size ?? 0),
    meta: (name: Meta) => Number(getMeta.get(name)?.value),
    setMeta: (name: Meta, value: number) => setMeta.run(value, name),
    logBytes: () => Number(logBytes.get()?.n),
    begin: () => begin.run(),
    commit: () => commit.run(),
    rollback: () => rollback.run(),
  };
};
