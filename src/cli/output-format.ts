// Options that take one word of a few: `-o`, `--validate`. A clear word for one that is not known.
import { WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';

/** Answers the word, or throws USAGE with the known ones. */
export const requireFormat = <F extends string>(word: string, known: readonly F[], option = '-o'): F => {
  const found = known.find((name) => name === word);
  if (found !== undefined) return found;
  const nearest = nearestName(word, known);
  throw new WeftError('USAGE', `${option} ${word} is not supported; it takes ${known.join(', ')}`, {
    hint: `${option} ${nearest ?? known[0]}`,
  });
};
