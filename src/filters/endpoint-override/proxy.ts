// Which endpoints a request names, on the own engine. Called by proxy/exchange/affinity.ts where the cluster allows it.
import { headerOf, type RequestHead } from '../../model/http.ts';

/** Of one request; what follows is left out. */
const MAX_PLACES = 10;

/** In the order of preference: the headers', and within one its own. */
export const namedPlaces = (head: RequestHead, headers: readonly string[]): string[] =>
  headers
    .flatMap((name) => headerOf(head, name)?.split(',', MAX_PLACES) ?? [])
    .slice(0, MAX_PLACES)
    .map((place) => place.trim());
