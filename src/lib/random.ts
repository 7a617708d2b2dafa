// Chance as an argument: the only place that draws random numbers.
import { randomBytes, randomInt } from 'node:crypto';

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export const systemRandom: Random = { next: () => Math.random() };

/** Slower, and nobody can guess what comes next. */
export const secretRandom: Random = { next: () => randomInt(2 ** 32) / 2 ** 32 };

/** How long to wait after so many failures: doubled each time up to `maxMs`, and at random, so that not all come at once. */
export const backoffMs = (random: Random, failures: number, firstMs: number, maxMs: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30)) * (0.5 + random.next() / 2);

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name suffix as Kubernetes makes them: lower case, no vowels, safe in DNS labels. */
export const randomSuffix = (length = 5): string =>
  Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
