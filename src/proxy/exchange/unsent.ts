// The word between two proxies of the mesh that a request has not reached the program. Called by exchange.ts.
import { UNSENT_HEADER } from '../../model/http.ts';

export const UNSENT_FIELDS: readonly string[] = [UNSENT_HEADER, 'true'];

/** Takes the word out of an answer's headers, in place; true where it was said. */
export const takeUnsent = (headers: string[]): boolean => {
  let said = false;
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] !== UNSENT_HEADER) continue;
    said = headers[i + 1] === 'true';
    headers.splice(i, 2);
  }
  return said;
};
