// Strict reading of HTTP/2 heads: decoded fields in, the same flat heads out as from HTTP/1. Called by the connection.
import {
  CONNECTION,
  CONTENT_LENGTH,
  DROPPED,
  EXPECT,
  type FieldNames,
  HOST,
  hasControl,
  isToken,
  isTrailer,
  KEEP_ALIVE,
  PLAIN,
  parseLength,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../http1/fields.ts';
import {
  type Framing,
  isMethod,
  parseAuthority,
  Refusal,
  RequestMessage,
  ResponseMessage,
  setPath,
  TARGET,
} from '../http1/head.ts';

const COLON = 58;
const SLASH = 47;
const STATUS = /^[1-9][0-9]{2}$/;
const MAX_AUTHORITIES = 1024;

const isPseudo = (name: string): boolean => name.charCodeAt(0) === COLON;

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** RFC 9113, 8.2.1, and no control character, as in HTTP/1. */
const isValue = (value: string): boolean =>
  value === '' || !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)) || hasControl(value));

/** RFC 9113, 8.3.1: hosts are compared without the port that the scheme has anyway. */
const withoutDefaultPort = (host: string, scheme: string): string => {
  const port = scheme === 'https' ? ':443' : ':80';
  return host.endsWith(port) ? host.slice(0, -port.length) : host;
};

/** The pseudo headers of a request as received; undefined where one is missing. */
class Pseudo {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;

  /** False for a field that is unknown, repeated, or no value. */
  take(name: string, value: string): boolean {
    if (!isValue(value)) return false;
    switch (name) {
      case ':method':
        if (this.method !== undefined) return false;
        this.method = value;
        return true;
      case ':scheme':
        if (this.scheme !== undefined) return false;
        this.scheme = value;
        return true;
      case ':authority':
        if (this.authority !== undefined) return false;
        this.authority = value;
        return true;
      case ':path':
        if (this.path !== undefined) return false;
        this.path = value;
        return true;
      case ':protocol':
        if (this.protocol !== undefined) return false;
        this.protocol = value;
        return true;
      default:
        return false;
    }
  }
}

/**
 * Tells malformed messages from valid ones as RFC 9113, 8.1.1 to 8.3 and 8.5 have it. A refusal of a request with the status
 * 400 means malformed: the stream is reset with PROTOCOL_ERROR. Others are answered. `chunked` is never set.
 */
export class Http2HeadParser {
  readonly #names: FieldNames;
  readonly #authorities = new Map<string, string>();

  constructor(names: FieldNames) {
    this.#names = names;
  }

  request(fields: readonly string[]): RequestMessage | Refusal {
    const message = new RequestMessage();
    const pseudo = new Pseudo();
    let at = 0;
    for (; at < fields.length && isPseudo(fields[at]!); at += 2) {
      if (!pseudo.take(fields[at]!, fields[at + 1]!)) return new Refusal(400, 'a pseudo header is not valid');
    }
    return this.#requestLine(message, pseudo) ?? this.#fields(message, fields, at, message) ?? message;
  }

  response(fields: readonly string[]): ResponseMessage | Refusal {
    const message = new ResponseMessage();
    const status = fields[1] ?? '';
    // 101 has no meaning here (RFC 9113, 8.6).
    if (fields[0] !== ':status' || !STATUS.test(status) || status === '101') {
      return new Refusal(502, 'the status of the answer is not valid');
    }
    message.status = Number(status);
    return this.#fields(message, fields, 2, undefined) ?? message;
  }

  /** What comes behind a body, without fields that must not stand there; undefined for what is malformed. */
  trailers(fields: readonly string[]): string[] | undefined {
    const kept: string[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      const field = this.#names.get(fields[i]!);
      if (field?.name !== fields[i] || !isValue(fields[i + 1]!)) return undefined;
      if (isTrailer(field!)) kept.push(fields[i]!, fields[i + 1]!);
    }
    return kept;
  }

  /** Most requests name one of few hosts. */
  #authority(value: string): string | undefined {
    const known = this.#authorities.get(value);
    if (known !== undefined) return known;
    const host = parseAuthority(value);
    if (host === undefined) return undefined;
    if (this.#authorities.size >= MAX_AUTHORITIES) this.#authorities.clear();
    this.#authorities.set(value, host);
    return host;
  }

  #requestLine(into: RequestMessage, pseudo: Pseudo): Refusal | undefined {
    const { method, authority, protocol } = pseudo;
    if (method === undefined || !isMethod(method)) return new Refusal(400, 'the method is not valid');
    into.method = method;
    if (authority !== undefined) {
      const host = this.#authority(authority);
      if (host === undefined) return new Refusal(400, 'the authority is not valid');
      into.host = host;
    }
    if (protocol !== undefined) {
      if (method !== 'CONNECT' || !isToken(protocol)) return new Refusal(400, ':protocol is for CONNECT alone');
      if (authority === undefined) return new Refusal(400, 'an extended CONNECT needs an authority');
      into.protocol = protocol.toLowerCase();
    } else if (method === 'CONNECT') {
      if (pseudo.scheme !== undefined || pseudo.path !== undefined || !/:[0-9]+$/.test(into.host)) {
        return new Refusal(400, 'CONNECT needs host:port, and no scheme or path');
      }
      into.form = 'authority';
      return undefined;
    }
    return setTarget(into, pseudo);
  }

  /** Fields from `at` on, into `into.headers`; those of one hop into the framing. */
  #fields(
    into: Framing,
    fields: readonly string[],
    at: number,
    request: RequestMessage | undefined,
  ): Refusal | undefined {
    const status = request ? 400 : 502;
    const { headers } = into;
    let cookie = -1;
    let hosts = 0;
    for (let i = at; i < fields.length; i += 2) {
      const name = fields[i]!;
      const value = fields[i + 1]!;
      const field = this.#names.get(name);
      // A name in capitals is its own lower case's no longer; pseudo headers are no tokens.
      if (field?.name !== name) return new Refusal(status, 'the name of a header is not valid');
      if (!isValue(value)) return new Refusal(status, 'the value of a header is not valid');
      switch (field.role) {
        case PLAIN:
          if (name !== 'cookie') headers.push(name, value);
          else if (value === '') break;
          else if (cookie >= 0) headers[cookie] += `; ${value}`;
          else cookie = headers.push(name, value) - 1;
          break;
        case HOST:
          if (!request) headers.push(name, value);
          else if (hosts++ > 0 || !this.#agrees(request, value)) {
            return new Refusal(400, 'the host header is not the authority');
          }
          break;
        case CONTENT_LENGTH:
          if (into.contentLength >= 0) return new Refusal(status, 'content-length is repeated');
          into.contentLength = parseLength(value);
          if (into.contentLength < 0) return new Refusal(status, 'content-length is not one number');
          break;
        case TE:
          if (value.toLowerCase() !== 'trailers') return new Refusal(status, 'te is for trailers alone');
          into.teTrailers = true;
          break;
        case EXPECT:
          if (!request) break;
          if (value.toLowerCase() !== '100-continue') return new Refusal(417, 'only Expect: 100-continue is supported');
          into.expectContinue = true;
          break;
        case CONNECTION:
        case TRANSFER_ENCODING:
        case KEEP_ALIVE:
        case UPGRADE:
          return new Refusal(status, `${name} has no place in HTTP/2`);
        case DROPPED:
          if (name === 'proxy-connection') return new Refusal(status, `${name} has no place in HTTP/2`);
          break;
      }
    }
    if (request && request.host === '') return new Refusal(400, 'the authority is missing');
    return undefined;
  }

  /** Takes the host header; false where it names another host than the authority. */
  #agrees(request: RequestMessage, value: string): boolean {
    const host = this.#authority(value);
    if (host === undefined) return false;
    if (request.host === '') request.host = host;
    const { scheme } = request;
    return request.host === host || withoutDefaultPort(request.host, scheme) === withoutDefaultPort(host, scheme);
  }
}

const setTarget = (into: RequestMessage, { scheme, path }: Pseudo): Refusal | undefined => {
  into.scheme = scheme?.toLowerCase() ?? '';
  if (into.scheme !== 'http' && into.scheme !== 'https') return new Refusal(400, 'the scheme must be http or https');
  if (path === '*' && into.method === 'OPTIONS') {
    into.form = 'asterisk';
    into.path = '*';
    return undefined;
  }
  if (path?.charCodeAt(0) !== SLASH || !TARGET.test(path)) return new Refusal(400, 'the path is not valid');
  setPath(into, path);
  return undefined;
};
