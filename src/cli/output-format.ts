// The `-o` option: which formats there are, and a clear word for one that is not. Used by get, flows, version.
import { WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';

/** Answers the format, or throws USAGE with the known ones. */
export const requireFormat = <F extends string>(format: string, known: readonly F[]): F => {
  const found = known.find((name) => name === format);
  if (found !== undefined) return found;
  const nearest = nearestName(format, known);
  throw new WeftError('USAGE', `-o ${format} is not supported; the formats are ${known.join(', ')}`, {
    hint: `-o ${nearest ?? known[0]}`,
  });
};
