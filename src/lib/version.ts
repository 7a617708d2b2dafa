// The product's version, said by `weft version` and by the API.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version in package.json, which lies one folder above `src` and above `dist`. */
export const programVersion = (): string => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
