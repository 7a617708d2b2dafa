// Strict parser of HTTP/1 heads: one latin1 string in, a flat head with its framing out. Called by the proxy's both sides.
import type { RequestHead, ResponseHead } from '../../model/http.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  DROPPED,
  detached,
  EXPECT,
  type FieldNames,
  HOST,
  hasControl,
  isToken,
  KEEP_ALIVE,
  NameGuesses,
  PLAIN,
  parseLength,
  TE,
  TRANSFER_ENCODING,
  trimField,
  UPGRADE,
} from './fields.ts';

/** Why a message can't be taken: the status to answer (for an upstream's answer always 502), and the reason. */
export class Refusal {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}

/** Framing and connection options; what is read from hop-by-hop fields, which don't stand in `headers`. */
export class Framing {
  headers: string[] = [];
  /** -1 when there was none. */
  contentLength = -1;
  chunked = false;
  /** Of HTTP/1.0. */
  old = false;
  close = false;
  keepAlive = false;
  /** The protocol asked for, lower case; empty when none was. */
  upgrade = '';
  expectContinue = false;
  teTrailers = false;
  /** The Keep-Alive field as received. */
  keepAliveHint = '';
}

export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

export class RequestMessage extends Framing implements RequestHead {
  method = '';
  path = '';
  query = '';
  host = '';
  form: TargetForm = 'origin';
  /** Of an absolute-form target, and of every request of HTTP/2. */
  scheme = '';
  /** What an extended CONNECT of HTTP/2 asks for (RFC 8441), lower case; else empty. */
  protocol = '';
}

export class ResponseMessage extends Framing implements ResponseHead {
  status = 0;
}

export interface HeadLimits {
  readonly maxFields: number;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE']);
const MAX_METHOD_LENGTH = 32;
// Methods know upper from lower case (RFC 9110, 9.1), but not every reader does: a policy about DELETE has to hold for what
// a backend takes for it.
export const isMethod = (text: string): boolean =>
  METHODS.has(text) || (text.length <= MAX_METHOD_LENGTH && isToken(text) && !/[a-z]/.test(text));
// RFC 3986: reg-name, IPv4 or bracketed IPv6, then a port.
const AUTHORITY = /^(?:[A-Za-z0-9\-._~!$&'()*+;=]+|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/;
const MAX_AUTHORITY_LENGTH = 512;
const MAX_AUTHORITIES = 1024;
/** What a target is made of; no fragment. */
export const TARGET = /^[\x21\x22\x24-\x7e]+$/;

/** Lower-case authority, or undefined when it isn't one. */
export const parseAuthority = (text: string): string | undefined => {
  if (text.length > MAX_AUTHORITY_LENGTH) return undefined;
  const match = AUTHORITY.exec(text);
  if (!match || (match[1] !== undefined && Number(match[1]) > 65535)) return undefined;
  return text.toLowerCase();
};

export const setPath = (into: RequestMessage, target: string): void => {
  const query = target.indexOf('?');
  into.path = query < 0 ? target : target.slice(0, query);
  into.query = query < 0 ? '' : target.slice(query + 1);
};

const parseAbsolute = (into: RequestMessage, target: string): Refusal | undefined => {
  const scheme = target.indexOf('://');
  if (scheme < 0) return new Refusal(400, 'the request target is not valid');
  into.scheme = target.slice(0, scheme).toLowerCase();
  if (into.scheme !== 'http' && into.scheme !== 'https') return new Refusal(400, 'the target must be http or https');
  const rest = target.slice(scheme + 3);
  const cut = rest.search(/[/?]/);
  const authority = parseAuthority(cut < 0 ? rest : rest.slice(0, cut));
  if (authority === undefined) return new Refusal(400, 'the authority of the request target is not valid');
  into.form = 'absolute';
  into.host = authority;
  const path = cut < 0 ? '' : rest.slice(cut);
  setPath(into, path.startsWith('/') ? path : `/${path}`);
  if (path === '' && into.method === 'OPTIONS') into.path = '*';
  return undefined;
};

const parseTarget = (into: RequestMessage, target: string): Refusal | undefined => {
  if (!TARGET.test(target)) return new Refusal(400, 'the request target is not valid');
  if (into.method === 'CONNECT') {
    const authority = parseAuthority(target);
    if (authority === undefined || !/:[0-9]+$/.test(authority)) return new Refusal(400, 'CONNECT needs host:port');
    into.form = 'authority';
    into.host = authority;
    return undefined;
  }
  if (target.charCodeAt(0) === 47) {
    setPath(into, target);
    return undefined;
  }
  if (target === '*') {
    if (into.method !== 'OPTIONS') return new Refusal(400, 'the target * is for OPTIONS alone');
    into.form = 'asterisk';
    into.path = '*';
    return undefined;
  }
  return parseAbsolute(into, target);
};

const parseRequestLine = (into: RequestMessage, line: string): Refusal | undefined => {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  if (first < 1 || second < first + 2) return new Refusal(400, 'the request line is not valid');
  const version = line.slice(second + 1);
  if (version === 'HTTP/1.0') into.old = true;
  else if (version !== 'HTTP/1.1') {
    const known = /^HTTP\/[0-9]\.[0-9]$/.test(version);
    return known
      ? new Refusal(505, 'only HTTP/1.1 and HTTP/1.0 are supported')
      : new Refusal(400, 'the version is not valid');
  }
  into.method = line.slice(0, first);
  if (!isMethod(into.method)) return new Refusal(400, 'the method is not valid');
  return parseTarget(into, line.slice(first + 1, second));
};

/** Where the line from `at` ends; -1 when a control character other than tab stands in it, a lone CR or LF too. */
const endOfLine = (text: string, at: number, stop: number): number => {
  for (let i = at; i < stop; i++) {
    const code = text.charCodeAt(i);
    if (code >= 32 && code !== 127) continue;
    if (code === 13) return text.charCodeAt(i + 1) === 10 ? i : -1;
    if (code !== 9) return -1;
  }
  return stop;
};

/** Reads Connection; other fields that it lists are dropped from the headers. */
const applyConnection = (into: Framing, value: string): string[] | undefined => {
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    into.keepAlive = true;
    return undefined;
  }
  let listed: string[] | undefined;
  for (const part of value.toLowerCase().split(',')) {
    const token = part.trim();
    if (token === 'close') into.close = true;
    else if (token === 'keep-alive') into.keepAlive = true;
    else if (token !== '') {
      listed ??= [];
      listed.push(token);
    }
  }
  return listed;
};

const dropListed = (into: Framing, listed: readonly string[]): void => {
  const { headers } = into;
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (listed.includes(headers[i]!)) continue;
    headers[kept++] = headers[i]!;
    headers[kept++] = headers[i + 1]!;
  }
  headers.length = kept;
};

const lineEndOf = (text: string, start: number, end: number): number => {
  const found = text.indexOf('\r\n', start);
  return found < 0 || found > end ? end : found;
};

/** The status of `HTTP/1.1 200 OK`; 0 where it is none. */
const parseStatus = (line: string): number => {
  // Digits alone: Number would read `9e9`, `+20` and `0x9` too.
  const digits = line.slice(9, 12);
  const shaped = line.charCodeAt(8) === 32 && (line.length === 12 || line.charCodeAt(12) === 32);
  return shaped && /^[1-9][0-9]{2}$/.test(digits) && !hasControl(line) ? Number(digits) : 0;
};

/** Keeps two messages apart that a lenient and a strict reader would split differently (RFC 9112, 6.3 and 11.2). */
export class HeadParser {
  readonly #names: FieldNames;
  readonly #limits: HeadLimits;
  readonly #authorities = new Map<string, string>();
  readonly #requestNames = new NameGuesses();
  readonly #responseNames = new NameGuesses();

  constructor(names: FieldNames, limits: HeadLimits) {
    this.#names = names;
    this.#limits = limits;
  }

  /** The head stands in `text` from `start` to `end`, its last empty line left out: lines parted by CRLF. */
  request(text: string, start: number, end: number): RequestMessage | Refusal {
    const message = new RequestMessage();
    const lineEnd = lineEndOf(text, start, end);
    const bad = parseRequestLine(message, text.slice(start, lineEnd));
    if (bad) return bad;
    return this.#fields(message, text, lineEnd + 2, end, message) ?? message;
  }

  response(text: string, end: number): ResponseMessage | Refusal {
    const message = new ResponseMessage();
    const lineEnd = lineEndOf(text, 0, end);
    const line = text.slice(0, lineEnd);
    if (line.startsWith('HTTP/1.0')) message.old = true;
    else if (!line.startsWith('HTTP/1.1')) return new Refusal(502, 'the version of the answer is not valid');
    message.status = parseStatus(line);
    if (message.status === 0) return new Refusal(502, 'the status line of the answer is not valid');
    return this.#fields(message, text, lineEnd + 2, end, undefined) ?? message;
  }

  /** Most requests name one of few hosts. */
  #authority(value: string): string | undefined {
    const known = this.#authorities.get(value);
    if (known !== undefined) return known;
    const spelling = detached(value);
    const host = parseAuthority(spelling);
    if (host === undefined) return undefined;
    if (this.#authorities.size >= MAX_AUTHORITIES) this.#authorities.clear();
    this.#authorities.set(spelling, host);
    return host;
  }

  /** Field lines from `start` on, into `into.headers`; hop-by-hop ones into the framing. */
  #fields(
    into: Framing,
    text: string,
    start: number,
    stop: number,
    request: RequestMessage | undefined,
  ): Refusal | undefined {
    const status = request ? 400 : 502;
    const { headers } = into;
    const guesses = request ? this.#requestNames : this.#responseNames;
    let listed: string[] | undefined;
    let hosts = 0;
    let count = 0;
    for (let at = start; at < stop; ) {
      const end = endOfLine(text, at, stop);
      if (end < 0) return new Refusal(status, 'a header line holds a control character');
      const colon = text.indexOf(':', at);
      if (colon < 0 || colon >= end) return new Refusal(status, 'a header line has no colon');
      if (count >= this.#limits.maxFields) return new Refusal(request ? 431 : 502, 'there are too many header fields');
      const field = this.#names.at(text, at, colon, guesses, count++);
      if (!field) return new Refusal(status, 'the name of a header is not valid');
      const value = trimField(text, colon + 1, end);
      at = end + 2;
      switch (field.role) {
        case PLAIN:
          headers.push(field.name, value);
          break;
        case HOST: {
          hosts++;
          if (!request) {
            headers.push(field.name, value);
            break;
          }
          const host = this.#authority(value);
          if (host === undefined) return new Refusal(400, 'the Host header is not valid');
          // RFC 9112, 3.2.2: the target of absolute and authority form wins.
          if (request.form === 'origin' || request.form === 'asterisk') request.host = host;
          break;
        }
        case CONTENT_LENGTH: {
          const length = parseLength(value);
          if (length < 0 || into.contentLength >= 0) return new Refusal(status, 'Content-Length is not one number');
          into.contentLength = length;
          break;
        }
        case TRANSFER_ENCODING:
          if (into.chunked || value.toLowerCase() !== 'chunked') {
            return new Refusal(status, 'Transfer-Encoding other than chunked is not supported');
          }
          into.chunked = true;
          break;
        case CONNECTION:
          listed = applyConnection(into, value)?.concat(listed ?? []) ?? listed;
          break;
        case UPGRADE:
          into.upgrade = into.upgrade === '' ? value.toLowerCase() : `${into.upgrade}, ${value.toLowerCase()}`;
          break;
        case TE:
          if (/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value)) into.teTrailers = true;
          break;
        case EXPECT:
          if (!request) break;
          if (value.toLowerCase() !== '100-continue') return new Refusal(417, 'only Expect: 100-continue is supported');
          into.expectContinue = true;
          break;
        case KEEP_ALIVE:
          into.keepAliveHint = value;
          break;
        case DROPPED:
          break;
      }
    }
    if (request && hosts !== 1) {
      return new Refusal(400, hosts ? 'the Host header is repeated' : 'the Host header is missing');
    }
    if (into.chunked && into.contentLength >= 0) {
      return new Refusal(status, 'Content-Length and Transfer-Encoding stand together');
    }
    if (into.chunked && into.old) return new Refusal(status, 'HTTP/1.0 has no Transfer-Encoding');
    if (!listed?.includes('upgrade')) into.upgrade = '';
    if (into.old) into.expectContinue = false;
    if (listed) dropListed(into, listed);
    return undefined;
  }
}

/**
 * True when an unfinished head can't become a valid one any more: a line feed without its CR. `previous` is the character
 * before `text`, empty at the start.
 */
export const hasBareLineFeed = (text: string, previous: string): boolean => {
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) {
    if ((i === 0 ? previous : text[i - 1]) !== '\r') return true;
  }
  return false;
};
