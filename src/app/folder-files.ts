// The manifest files below a folder, and word of when something there may have changed. Used by resource-folder.ts.
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

const MANIFEST = /\.(ya?ml|json)$/;
/** What starts with a dot belongs to editors and mounts: half-written copies, older versions. */
const isHidden = (name: string): boolean => name.startsWith('.');
const MAX_FILES = 10_000;
const MAX_DEPTH = 16;

export interface FolderListing {
  /** Relative to the folder, sorted. */
  readonly files: readonly string[];
  /** The folder and those in it, as paths. */
  readonly dirs: readonly string[];
}

const unreadable = (dir: string, why: string, cause?: unknown): WeftError =>
  new WeftError('FOLDER_UNREADABLE', `the folder ${dir} can't be read: ${why}`, {
    hint: 'name a folder of YAML files: --resources DIR',
    ...(cause !== undefined && { cause }),
  });

/** Throws FOLDER_UNREADABLE. */
export const listFolder = (root: string): FolderListing => {
  const files: string[] = [];
  const dirs: string[] = [];
  const visit = (path: string, prefix: string, depth: number): void => {
    dirs.push(path);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const { name } = entry;
      if (isHidden(name)) continue;
      if (entry.isDirectory() && depth < MAX_DEPTH) visit(join(path, name), `${prefix}${name}/`, depth + 1);
      else if (MANIFEST.test(name) && !entry.isDirectory()) files.push(`${prefix}${name}`);
      if (files.length > MAX_FILES) throw unreadable(root, `it has more than ${MAX_FILES} manifests`);
    }
  };
  try {
    if (!statSync(root).isDirectory()) throw unreadable(root, 'it is not a folder');
    visit(root, '', 0);
  } catch (cause) {
    if (cause instanceof WeftError) throw cause;
    const reasons: Readonly<Record<string, string>> = { ENOENT: 'it does not exist', EACCES: 'permission denied' };
    const code = systemCode(cause) ?? '';
    throw unreadable(root, reasons[code] ?? messageOf(cause), cause);
  }
  return { files: files.sort(), dirs };
};

/** Editors write in several steps: wait for the last, but not for ever. */
const SETTLE_MS = 60;
const MAX_SETTLE_MS = 400;
/** Where the system gives no word of changes (network mounts, a folder that was replaced), a look every so often does. */
const LOOK_MS = 2_000;

/** Calls `onChange` some moments after something in the watched folders changed, and every two seconds. */
export class FolderWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #refused = new Set<string>();
  #settling: { readonly timer: Timer; readonly since: number } | undefined;
  #look: Timer;
  #closed = false;

  constructor(clock: Clock, log: Log, onChange: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#look = this.#lookLater();
  }

  /** From now on these folders, and no others. */
  follow(dirs: readonly string[]): void {
    const wanted = new Set(dirs);
    for (const dir of [...this.#watchers.keys()]) if (!wanted.has(dir)) this.#forget(dir);
    for (const dir of wanted) if (!this.#watchers.has(dir)) this.#watch(dir);
  }

  #watch(dir: string): void {
    try {
      const watcher = watch(dir, (event, name) => {
        // A watched folder that goes says its own name; one of the same name may come.
        if (event === 'rename' && (name === null || dir.endsWith(`/${name}`))) this.#forget(dir);
        if (name === null || !isHidden(name) || name === '..data') this.#settle();
      });
      watcher.on('error', () => {
        this.#forget(dir);
        this.#settle();
      });
      this.#watchers.set(dir, watcher);
      this.#refused.delete(dir);
      // What came between the listing and now.
      this.#settle();
    } catch (error) {
      if (this.#refused.has(dir) || systemCode(error) === 'ENOENT') return;
      this.#refused.add(dir);
      const everyMs = LOOK_MS;
      this.#log.warn('changes are looked for instead of waited for', { dir, everyMs, reason: messageOf(error) });
    }
  }

  #forget(dir: string): void {
    this.#watchers.get(dir)?.close();
    this.#watchers.delete(dir);
  }

  #settle(): void {
    if (this.#closed) return;
    const now = this.#clock.monotonic();
    const since = this.#settling?.since ?? now;
    this.#settling?.timer.cancel();
    const waitMs = Math.max(0, Math.min(SETTLE_MS, since + MAX_SETTLE_MS - now));
    this.#settling = { since, timer: this.#clock.after(waitMs, () => this.#tell(), true) };
  }

  #lookLater(): Timer {
    return this.#clock.after(LOOK_MS, () => this.#tell(), true);
  }

  #tell(): void {
    this.#settling?.timer.cancel();
    this.#settling = undefined;
    this.#look.cancel();
    this.#look = this.#lookLater();
    this.#onChange();
  }

  close(): void {
    this.#closed = true;
    this.#settling?.timer.cancel();
    this.#look.cancel();
    for (const dir of [...this.#watchers.keys()]) this.#forget(dir);
  }
}
