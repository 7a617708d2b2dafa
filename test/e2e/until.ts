// Waits for something to become true. The limit only ends a test that would never end; it asserts no speed.
import { setTimeout as pause } from 'node:timers/promises';

const LIMIT_MS = 30_000;
const EVERY_MS = 50;

/** The first value of `look` that is neither undefined nor false. Errors of `look` count as "not yet". */
export const until = async <T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = LIMIT_MS,
): Promise<T> => {
  const end = performance.now() + limitMs;
  let last: unknown = 'it was not so';
  do {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
      last = 'it was not so';
    } catch (error) {
      last = error;
    }
    await pause(EVERY_MS);
  } while (performance.now() < end);
  throw new Error(`waited ${limitMs / 1000} s for: ${what}`, { cause: last });
};
