// Which endpoint is a request's own: by the hash that its route takes of it, or the session that it belongs to. Prepared
// by routes/router.ts, used by exchange.ts.
import { namedPlaces } from '../../filters/endpoint-override/proxy.ts';
import { prepareHash } from '../../filters/hash-affinity/proxy.ts';
import { prepareSession } from '../../filters/session-affinity/proxy.ts';
import { joinHashes } from '../../lib/hash.ts';
import type { Random } from '../../lib/random.ts';
import type { RequestHead } from '../../model/http.ts';
import type { ForwardAction } from '../../model/route.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import { NO_HASH } from '../upstream/balancer.ts';
import type { ClusterState } from '../upstream/clusters.ts';

export interface Affinity {
  /** NO_HASH: none. */
  readonly hash: number;
  /** Address and port of the endpoint that has the client's session, or of those that the request names: one for each attempt. */
  readonly places: readonly string[];
  /** Adds to the answer what the client has to send with its next request. */
  mark(headers: string[], endpoint: Endpoint, nowMs: number): void;
}

/** `nowMs`: for sessions that end. */
export type TakeAffinity = (head: RequestHead, clientAddress: string, nowMs: number) => Affinity;

/** Undefined where no request of the route needs one. */
export const prepareAffinity = ({ hash = [], session }: ForwardAction, random: Random): TakeAffinity | undefined => {
  const parts = [...hash.map((policy) => prepareHash(policy, random)), ...(session ? [prepareSession(session)] : [])];
  if (parts.length === 0) return undefined;
  return (head, address, nowMs) => {
    const taken = parts.map((take) => take(head, address, nowMs));
    const hashes = taken.flatMap((part) => part.hash ?? []);
    return {
      hash: hashes.length === 0 ? NO_HASH : hashes.reduce(joinHashes),
      places: taken.flatMap(({ place }) => place ?? []),
      mark(headers, endpoint, atMs) {
        for (const { mark } of taken) mark?.(headers, endpoint, atMs);
      },
    };
  };
};

const NONE: Affinity = { hash: NO_HASH, places: [], mark() {} };

/** With the endpoints that the request names by these headers, as far as the cluster has them; a session comes before them. */
export const withNamed = (
  affinity: Affinity = NONE,
  headers: readonly string[],
  head: RequestHead,
  { balancer }: ClusterState,
): Affinity => ({
  hash: affinity.hash,
  places: [...new Set([...affinity.places, ...namedPlaces(head, headers)])].filter((place) => balancer.find(place)),
  mark: (answer, endpoint, nowMs) => affinity.mark(answer, endpoint, nowMs),
});
