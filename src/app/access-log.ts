// One line of JSON per finished request or connection, for a gateway without a control plane. Opened by standalone.ts.
import { write as writeFd } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Clock, pause, type Timer } from '../lib/clock.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { TrafficEvent } from '../model/event.ts';

export interface AccessLog {
  /** Never waits: what finds no room is left out and counted. */
  add(event: TrafficEvent): void;
  /** The same for events that are JSON already. */
  addEncoded(events: readonly string[]): void;
  /** Goes on in a new file of the same name, for programs that rename it. */
  reopen(): void;
  /** Writes what is left, as long as `timeoutMs` allows. */
  close(timeoutMs: number): Promise<void>;
}

export interface AccessLogOptions {
  /** `-`: standard output. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What `write` of a file does, as far as it is needed here. */
type WriteBytes = (bytes: Buffer, offset: number) => Promise<number>;

const FLUSH_MS = 100;
const MAX_WAITING = 8 * 1024 * 1024;
const CHUNK = 256 * 1024;
const RETRY_MS = 1_000;
const FULL_MS = 20;
/** So often lines are tried on a file that takes none, such as one on a full disk. */
const MAX_TRIES = 3;

class LineWriter implements AccessLog {
  readonly #options: AccessLogOptions;
  #file: FileHandle | undefined;
  #lines: string[] = [];
  #waiting = 0;
  #lost = 0;
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #reopens = false;
  #closed = false;
  #abandoned = false;
  #failing = false;

  constructor(options: AccessLogOptions, file: FileHandle | undefined) {
    this.#options = options;
    this.#file = file;
  }

  add(event: TrafficEvent): void {
    this.#push(JSON.stringify(event));
  }

  addEncoded(events: readonly string[]): void {
    for (const event of events) this.#push(event);
  }

  #push(event: string): void {
    const line = `${event}\n`;
    if (this.#closed || this.#waiting + line.length > MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#timer ??= this.#options.clock.after(FLUSH_MS, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#work = this.#work.then(() => this.#writeAll());
    this.#work.finally(() => {
      this.#timer = undefined;
      if (this.#lines.length > 0 && !this.#closed) this.#flushSoon();
    });
  }

  reopen(): void {
    this.#reopens = true;
    this.#flush();
  }

  async #writeAll(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    for (let at = 0; at < lines.length; ) {
      let text = '';
      let count = 0;
      while (at < lines.length && text.length < CHUNK) {
        text += lines[at++];
        count++;
      }
      if (!(await this.#writeChunk(Buffer.from(text)))) this.#lost += count;
      this.#waiting -= text.length;
    }
    if (this.#reopens) await this.#openAgain();
    this.#tellLost();
  }

  async #writeChunk(bytes: Buffer): Promise<boolean> {
    const { path, clock, log } = this.#options;
    for (let attempt = 1, offset = 0; ; ) {
      try {
        offset += await this.#writeBytes(bytes, offset);
        this.#failing = false;
        if (offset === bytes.length) return true;
      } catch (error) {
        // A pipe whose reader is slow is full now, not broken.
        if (systemCode(error) === 'EAGAIN' && !this.#abandoned) await pause(clock, FULL_MS);
        else if (attempt >= MAX_TRIES || this.#closed) {
          // Told once: how many lines it costs is told as it goes on.
          if (!this.#failing) log.error('the access log can not be written', { path, reason: messageOf(error) });
          this.#failing = true;
          return false;
        } else {
          attempt += 1;
          await pause(clock, RETRY_MS);
        }
      }
    }
  }

  readonly #writeBytes: WriteBytes = async (bytes, offset) => {
    if (!this.#file) return writeOut(bytes, offset);
    return (await this.#file.write(bytes, offset)).bytesWritten;
  };

  async #openAgain(): Promise<void> {
    this.#reopens = false;
    const { path, log } = this.#options;
    if (!this.#file) return;
    try {
      const next = await openFile(path);
      await this.#file.close();
      this.#file = next;
    } catch (error) {
      log.error('the access log goes on in the old file', { path, reason: messageOf(error) });
    }
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    this.#options.log.warn('lines of the access log were left out', { lines: this.#lost });
    this.#lost = 0;
  }

  async close(timeoutMs: number): Promise<void> {
    this.#flush();
    this.#closed = true;
    const timeout = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(timeoutMs, timeout.resolve, true);
    await Promise.race([this.#work, timeout.promise]);
    timer.cancel();
    this.#timer?.cancel();
    this.#abandoned = true;
    await this.#work;
    await this.#file?.close();
  }
}

// Not process.stdout: that may wait for a slow reader, and ends the program when there is none any more.
const writeOut: WriteBytes = (bytes, offset) =>
  new Promise((resolve, reject) => {
    writeFd(1, bytes, offset, (error, written) => (error ? reject(error) : resolve(written)));
  });

const openFile = (path: string): Promise<FileHandle> => open(path, 'a', 0o640);

/** Throws FILE_UNWRITABLE. */
export const openAccessLog = async (options: AccessLogOptions): Promise<AccessLog> => {
  const { path } = options;
  if (path === '-') return new LineWriter(options, undefined);
  try {
    return new LineWriter(options, await openFile(path));
  } catch (cause) {
    throw new WeftError('FILE_UNWRITABLE', `the access log can't be written to ${path}: ${messageOf(cause)}`, {
      at: path,
      hint: 'name a file that this user may write, or - for standard output',
      cause,
    });
  }
};
