// Turns what Envoy writes to stderr into our own log, bounded. Used by envoy.ts.
import type { Readable } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import type { Level, Log } from '../lib/log.ts';

/** For `--log-format`: level, logger, message. */
export const LOG_FORMAT = '[%l][%n] %v';

const LEVELS: Readonly<Record<string, Level>> = { warning: 'warn', error: 'error', critical: 'error', off: 'error' };
const MAX_LINE = 4_096;
const KEPT_LINES = 10;
const WINDOW_MS = 10_000;
const LINES_PER_WINDOW = 100;

export interface EnvoyOutput {
  /** The last lines of warnings and errors, to tell why it did not start. */
  readonly last: readonly string[];
}

export const readOutput = (stream: Readable, clock: Clock, log: Log): EnvoyOutput => {
  const last: string[] = [];
  let rest = '';
  let level: Level = 'info';
  let windowStart = clock.monotonic();
  let lines = 0;
  const take = (line: string): void => {
    const match = /^\[([a-z]+)\]\[([a-z0-9_ ]+)\] (.*)$/.exec(line);
    // A line without a head belongs to the message before.
    if (match) level = LEVELS[match[1]!] ?? 'debug';
    const text = (match?.[3] ?? line).slice(0, MAX_LINE);
    if (text.trim() === '') return;
    if (level === 'error' || level === 'warn' || !match) {
      last.push(text);
      if (last.length > KEPT_LINES) last.shift();
    }
    if (clock.monotonic() - windowStart > WINDOW_MS) {
      if (lines > LINES_PER_WINDOW) log.warn(`${lines - LINES_PER_WINDOW} more lines of Envoy were left out`);
      windowStart = clock.monotonic();
      lines = 0;
    }
    lines += 1;
    if (lines <= LINES_PER_WINDOW) log[level](text);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!.slice(0, MAX_LINE);
    for (const part of parts) take(part);
  });
  stream.on('end', () => take(rest));
  stream.on('error', () => {});
  return { last };
};
