// The own engine's sessions: finds the endpoint that a request names, and names it to the client. Prepared by
// proxy/exchange/affinity.ts.
import { formatHostPort } from '../../lib/host-port.ts';
import { bytesField, numberField, numberOf, readFields, textOf } from '../../lib/protobuf.ts';
import { headerOf } from '../../model/http.ts';
import { type AffinityPart, NO_AFFINITY, type TakeAffinityPart } from '../affinity.ts';
import { cookieOf, setCookie } from '../cookies.ts';
import type { SessionPersistence } from './schema.ts';

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

export const prepareSession = (session: SessionPersistence): TakeAffinityPart =>
  session.type === 'header' ? prepareHeaderSession(session) : prepareCookieSession(session);

const prepareHeaderSession =
  ({ name }: Extract<SessionPersistence, { type: 'header' }>): TakeAffinityPart =>
  (head) => {
    const value = headerOf(head, name);
    const place = value === undefined ? undefined : Buffer.from(value, 'base64').toString('latin1');
    return withPlace(place, (headers, now) => headers.push(name, Buffer.from(now, 'latin1').toString('base64')));
  };

const prepareCookieSession = ({
  name,
  path,
  ttlMs,
  untilClosed,
}: Extract<SessionPersistence, { type: 'cookie' }>): TakeAffinityPart => {
  const rest = `; Path=${path}`;
  return (head, _, nowMs) => {
    // Its client would not send it here.
    if (!isBelow(head.path, path)) return NO_AFFINITY;
    const value = cookieOf(head, name);
    const place = value === undefined ? undefined : decodeSession(value, nowMs, ttlMs !== undefined);
    return withPlace(place, (headers, now, atMs) => {
      const endsAt = ttlMs === undefined ? undefined : Math.floor((atMs + ttlMs) / 1000);
      headers.push('set-cookie', setCookie(name, encodeSession(now, endsAt), untilClosed ? undefined : ttlMs, rest));
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
): AffinityPart => ({
  ...(place !== undefined && { place }),
  mark(headers, { address, port }, nowMs) {
    const now = formatHostPort(address, port);
    if (now !== place) tell(headers, now, nowMs);
  },
});
