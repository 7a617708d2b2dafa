// The access logs that a configuration names: one writer for each path, opened with its first line. Used by own-proxy.ts.
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type AccessLog, openAccessLog } from './access-log.ts';

export interface LogFiles {
  /** Never waits: what finds no room is left out and counted. */
  write(path: string, line: string): void;
  /** Goes on in new files of the same names, for programs that rename them. */
  reopen(): void;
  close(timeoutMs: number): Promise<void>;
}

/** SIGUSR1, as Envoy has it; answers how to stop. */
export const reopenOnSignal = (reopen: () => void): (() => void) => {
  process.on('SIGUSR1', reopen);
  return () => process.off('SIGUSR1', reopen);
};

/** Of a process; lines of further ones are left out. */
const MAX_FILES = 100;
/** While a file is being opened. */
const MAX_WAITING = 1_000;
const RETRY_MS = 10_000;

interface Opening {
  log: AccessLog | undefined;
  failedAt: number | undefined;
  waiting: string[];
  readonly done: Promise<void>;
}

/** `/dev/stdout`, which may be a socket, can not always be opened by its name. */
const targetOf = (path: string): string => (path === '/dev/stdout' ? '-' : path);

export const openLogFiles = (clock: Clock, log: Log): LogFiles => {
  const files = new Map<string, Opening>();
  const open = (path: string): Opening => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const opening: Opening = { log: undefined, failedAt: undefined, waiting: [], done: promise };
    void openAccessLog({ path: targetOf(path), clock, log })
      .then(
        (opened) => {
          opening.log = opened;
          opened.addEncoded(opening.waiting);
        },
        (error: unknown) => {
          opening.failedAt = clock.monotonic();
          log.error('an access log can not be written', { path, reason: messageOf(error) });
        },
      )
      .finally(() => {
        opening.waiting = [];
        resolve();
      });
    return opening;
  };
  return {
    write(path, line) {
      let file = files.get(path);
      const failed = file?.failedAt !== undefined && clock.monotonic() - file.failedAt > RETRY_MS;
      if (!file || failed) {
        if (!file && files.size >= MAX_FILES) return;
        file = open(path);
        files.set(path, file);
      }
      if (file.log) file.log.addEncoded([line]);
      else if (file.failedAt === undefined && file.waiting.length < MAX_WAITING) file.waiting.push(line);
    },
    reopen() {
      for (const file of files.values()) file.log?.reopen();
    },
    async close(timeoutMs) {
      for (const file of files.values()) {
        await file.done;
        await file.log?.close(timeoutMs);
      }
    },
  };
};
