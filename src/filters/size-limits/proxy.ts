// Limits of sizes on the own engine. Bodies pass as they come: what is told beforehand is refused at once, the rest where it
// goes over. Called by exchange.ts.
import type { ForwardAction } from '../../model/route.ts';
import type { ClientLimits } from '../../model/snapshot.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** Of a request's body: the smaller of what its listener and its route allow. */
export const maxRequestBytes = (listener: ClientLimits | undefined, route: ForwardAction | undefined): number =>
  Math.min(listener?.maxRequestBytes ?? NEVER, route?.maxRequestBytes ?? NEVER);

/** What is left of an answer's limit while its body comes. */
export class ResponseAllowance {
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  /** False: it is too large by now. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }
}
