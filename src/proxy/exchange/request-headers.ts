// What every HTTP request gets before routing: ids, trace context, forwarding headers, the caller's certificate.
// Called by exchange.ts. Same meaning as Envoy's connection manager has in the Envoy form.
import type { Random } from '../../lib/random.ts';
import type { HttpHandler } from '../../model/snapshot.ts';
import type { ConnectionInfo } from '../downstream/connection-info.ts';
import type { RequestMessage } from '../http1/head.ts';
import { MESH_FORWARDING, NO_FORWARDING } from '../tls/client-certificate.ts';

export interface RequestIds {
  requestId: string;
  traceparent: string;
  /** Where the request first came from, as far as it can be believed. */
  remoteAddress: string;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

const VARIANTS = Array.from({ length: 16 }, (_, i) => `a${i.toString(16)}`);

const hex32 = (n: number): string => HEX[n >>> 24]! + HEX[(n >>> 16) & 255]! + HEX[(n >>> 8) & 255]! + HEX[n & 255]!;

/** The same 128 random bits as 16 and 16 digits, and in the form of a version 4 UUID. */
export interface RandomId {
  readonly high: string;
  readonly low: string;
  readonly uuid: string;
}

/** The first half is drawn anew every so many ids, to save time. */
export class IdSource {
  readonly #random: Random;
  #left = 0;
  #high = '';
  #uuidHigh = '';

  constructor(random: Random) {
    this.#random = random;
  }

  #draw(): number {
    return Math.floor(this.#random.next() * 4_294_967_296);
  }

  next(): RandomId {
    if (this.#left-- === 0) {
      this.#left = 1000;
      const [first, second] = [hex32(this.#draw()), hex32(this.#draw())];
      // A version 4 UUID has a fixed digit at the 13th place, and one of four at the 17th.
      this.#high = `${first}${second.slice(0, 4)}4${second.slice(5)}`;
      this.#uuidHigh = `${first}-${second.slice(0, 4)}-4${second.slice(5)}-`;
    }
    const n = this.#draw();
    const four = VARIANTS[(n >>> 24) & 15]! + HEX[(n >>> 16) & 255]!;
    const twelve = HEX[(n >>> 8) & 255]! + HEX[n & 255]! + hex32(this.#draw());
    return { high: this.#high, low: four + twelve, uuid: `${this.#uuidHigh}${four}-${twelve}` };
  }
}

// W3C trace context, version 00; later versions may be longer.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;
const REQUEST_ID_LENGTH = 128;

const FORWARDED = 'x-forwarded-for';
const PROTO = 'x-forwarded-proto';
const FORWARDED_HOST = 'x-forwarded-host';
const REQUEST_ID = 'x-request-id';
const TRACE = 'traceparent';
const CLIENT_CERT = 'x-forwarded-client-cert';

const lastAddress = (list: string): string => list.slice(list.lastIndexOf(',') + 1).trim();

/** Changes the headers in place, in one pass, and returns what events and policies need of them. */
export const addRequestHeaders = (
  message: RequestMessage,
  info: ConnectionInfo,
  { edge, clientCert }: Pick<HttpHandler, 'edge' | 'clientCert'>,
  source: IdSource,
): RequestIds => {
  const { headers } = message;
  const ids: RequestIds = { requestId: '', traceparent: '', remoteAddress: '' };
  let proto = false;
  let traces = 0;
  let kept = 0;
  const { certificate } = info;
  const { mode, details } = clientCert ?? (info.peer ? MESH_FORWARDING : NO_FORWARDING);
  const believes =
    mode === 'always-forward-only' || (certificate && (mode === 'forward-only' || mode === 'append-forward'));
  let forwarded = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    // x or t: nothing else is looked at.
    const first = name.charCodeAt(0);
    if (first === 120) {
      if (name === CLIENT_CERT) {
        if (believes) forwarded = forwarded === '' ? value : `${forwarded},${value}`;
        continue;
      }
      if (edge && (name === FORWARDED || name === PROTO || name === FORWARDED_HOST || name === REQUEST_ID)) continue;
      if (name === REQUEST_ID) {
        if (ids.requestId !== '' || value === '' || value.length > REQUEST_ID_LENGTH) continue;
        ids.requestId = value;
      } else if (name === FORWARDED) ids.remoteAddress = lastAddress(value);
      else if (name === PROTO) proto = true;
    } else if (first === 116 && name === TRACE) {
      if (traces++ > 0 || !TRACEPARENT.test(value)) continue;
      ids.traceparent = value;
    }
    headers[kept++] = name;
    headers[kept++] = value;
  }
  headers.length = kept;
  if (edge) headers.push(FORWARDED, info.peerAddress, FORWARDED_HOST, message.host);
  if (ids.remoteAddress === '') ids.remoteAddress = info.peerAddress;
  if (!proto) headers.push(PROTO, info.tls === 'none' ? 'http' : 'https');
  const id = ids.requestId === '' || ids.traceparent === '' ? source.next() : undefined;
  if (id && ids.requestId === '') {
    ids.requestId = id.uuid;
    headers.push(REQUEST_ID, ids.requestId);
  }
  if (id && ids.traceparent === '') {
    // A root: its trace and its span are named by the same random digits, as is the request.
    ids.traceparent = `00-${id.high}${id.low}-${id.low}-01`;
    headers.push(TRACE, ids.traceparent);
  }
  if (certificate && (mode === 'append-forward' || mode === 'sanitize-set')) {
    const own = certificate.element(details);
    forwarded = forwarded === '' ? own : `${forwarded},${own}`;
  }
  if (forwarded !== '') headers.push(CLIENT_CERT, forwarded);
  return ids;
};
