// Why a request goes to one endpoint rather than another: the hash that its route takes of it, or the session that it
// belongs to. Prepared by routes/router.ts, used by exchange.ts.

import { formatHostPort } from '../../lib/host-port.ts';
import { bytesField, numberField, numberOf, readFields, textOf } from '../../lib/protobuf.ts';
import type { Random } from '../../lib/random.ts';
import type { HashPolicy, SessionPersistence } from '../../model/balancing.ts';
import { headerOf, type RequestHead } from '../../model/http.ts';
import type { ForwardAction } from '../../model/route.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import type { PreparedForward, PreparedTarget } from '../routes/router.ts';
import { NO_HASH } from '../upstream/balancer.ts';
import type { ClusterState } from '../upstream/clusters.ts';
import { hashText, joinHashes } from '../upstream/hash.ts';

export interface Affinity {
  /** NO_HASH: none. */
  readonly hash: number;
  /** Address and port of the endpoint that has the client's session. */
  readonly place: string | undefined;
  /** Adds to the answer what the client has to send with its next request. */
  mark(headers: string[], endpoint: Endpoint, nowMs: number): void;
}

/** `nowMs`: for sessions that end. */
export type TakeAffinity = (head: RequestHead, clientAddress: string, nowMs: number) => Affinity;

interface Part {
  hash?: number;
  place?: string;
  mark?: Affinity['mark'];
}

type TakePart = (head: RequestHead, clientAddress: string, nowMs: number) => Part;

const NOTHING: Part = {};

/** The first of this name, without quotes. */
const cookieOf = (head: RequestHead, name: string): string | undefined => {
  const { headers } = head;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of headers[i + 1]!.split(';')) {
      const cut = pair.indexOf('=');
      if (cut > 0 && pair.slice(0, cut).trim() === name)
        return pair
          .slice(cut + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1');
    }
  }
  return undefined;
};

const setCookie = (name: string, value: string, ttlMs: number | undefined, rest: string): string => {
  const age = ttlMs ? `; Max-Age=${Math.floor(ttlMs / 1000)}` : '';
  return `${name}="${value}"${age}${rest}; HttpOnly`;
};

const queryValue = (head: RequestHead, name: string): string | undefined =>
  new URLSearchParams(head.query).get(name) ?? undefined;

const hashPart = (policy: HashPolicy, random: Random): TakePart => {
  const of = (value: string | undefined): Part => (value === undefined ? NOTHING : { hash: hashText(value) });
  if (policy.type === 'source-ip') return (_, address) => of(address);
  if (policy.type === 'query') return (head) => of(queryValue(head, policy.name));
  if (policy.type === 'header') return (head) => of(headerOf(head, policy.name));
  const { name, ttlMs } = policy;
  const rest = policy.attributes.map((one) => `; ${one.name}${one.value === '' ? '' : `=${one.value}`}`).join('');
  return (head) => {
    const value = cookieOf(head, name);
    if (value !== undefined || ttlMs === undefined) return of(value);
    const made = Array.from({ length: 2 }, () =>
      Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
    const mark: Affinity['mark'] = (headers) => headers.push('set-cookie', setCookie(name, made, ttlMs, rest));
    return { hash: hashText(made), mark };
  };
};

const SLASH = 47;

const PLACE = 1;
const ENDS = 2;

/** As Envoy writes it, so that sessions outlive a change of engines: a message with the place, and when it ends. */
const encodeSession = (place: string, endsAt: number | undefined): string =>
  Buffer.concat([bytesField(PLACE, place), ...(endsAt === undefined ? [] : [numberField(ENDS, endsAt)])]).toString(
    'base64',
  );

/** Undefined for whatever is not of that shape, or over. */
const decodeSession = (text: string, nowMs: number, ends: boolean): string | undefined => {
  try {
    const fields = readFields(Buffer.from(text, 'base64'));
    const place = fields.find(({ number }) => number === PLACE);
    const endsAt = fields.find(({ number }) => number === ENDS);
    if (!place || (ends && (!endsAt || numberOf(endsAt) * 1000 <= nowMs))) return undefined;
    return textOf(place);
  } catch {
    return undefined;
  }
};

const sessionPart = (session: SessionPersistence): TakePart => {
  const { name } = session;
  if (session.type === 'header') {
    return (head) => {
      const value = headerOf(head, name);
      const place = value === undefined ? undefined : Buffer.from(value, 'base64').toString('latin1');
      return withPlace(place, (headers, now) => headers.push(name, Buffer.from(now, 'latin1').toString('base64')));
    };
  }
  const { path, ttlMs } = session;
  const rest = `; Path=${path}`;
  return (head, _, nowMs) => {
    // Its client would not send it here.
    if (!isBelow(head.path, path)) return NOTHING;
    const value = cookieOf(head, name);
    const place = value === undefined ? undefined : decodeSession(value, nowMs, ttlMs !== undefined);
    return withPlace(place, (headers, now, atMs) => {
      const endsAt = ttlMs === undefined ? undefined : Math.floor((atMs + ttlMs) / 1000);
      headers.push('set-cookie', setCookie(name, encodeSession(now, endsAt), ttlMs, rest));
    });
  };
};

/** RFC 6265, 5.1.4. */
const isBelow = (path: string, cookiePath: string): boolean =>
  path.startsWith(cookiePath) &&
  (path.length === cookiePath.length || cookiePath.endsWith('/') || path.charCodeAt(cookiePath.length) === SLASH);

/** `tell` is called where the client does not know its place yet. */
const withPlace = (
  place: string | undefined,
  tell: (headers: string[], place: string, nowMs: number) => void,
): Part => ({
  ...(place !== undefined && { place }),
  mark(headers, { address, port }, nowMs) {
    const now = formatHostPort(address, port);
    if (now !== place) tell(headers, now, nowMs);
  },
});

/** Undefined where no request of the route needs one. */
export const prepareAffinity = ({ hash = [], session }: ForwardAction, random: Random): TakeAffinity | undefined => {
  const parts = [...hash.map((policy) => hashPart(policy, random)), ...(session ? [sessionPart(session)] : [])];
  if (parts.length === 0) return undefined;
  return (head, address, nowMs) => {
    const taken = parts.map((take) => take(head, address, nowMs));
    const hashes = taken.flatMap((part) => part.hash ?? []);
    return {
      hash: hashes.length === 0 ? NO_HASH : hashes.reduce(joinHashes),
      place: taken.find(({ place }) => place !== undefined)?.place,
      mark(headers, endpoint, atMs) {
        for (const { mark } of taken) mark?.(headers, endpoint, atMs);
      },
    };
  };
};

/** The target that has the endpoint of the client's session, where there is one. */
export const targetOf = (
  { targets, pick }: PreparedForward,
  place: string | undefined,
  clusterOf: (name: string) => ClusterState | undefined,
): PreparedTarget => {
  if (place === undefined) return pick();
  const hasPlace = ({ cluster, weight }: PreparedTarget) =>
    weight > 0 && clusterOf(cluster)?.balancer.find(place) !== undefined;
  return targets.find(hasPlace) ?? pick();
};
