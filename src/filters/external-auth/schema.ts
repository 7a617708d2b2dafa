// Asks an authorization server whether a request may go on, as a route has it.
declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly externalAuth: ExternalAuth;
  }
}

export interface ExternalAuth {
  readonly type: 'external-auth';
  /** The server's. */
  readonly cluster: string;
  /** `grpc`: envoy.service.auth.v3.Authorization; `http`: the head of the request itself, which 200 lets pass. */
  readonly protocol: 'grpc' | 'http';
  /** Of `http`: stands before the request's path. Begins with a slash and ends without one; empty: none. */
  readonly pathPrefix: string;
  /** Headers that the server is told, lower case; empty: with `grpc` all, with `http` only those that it always is. */
  readonly requestHeaders: readonly string[];
  /** Of `http`: headers of the server's answer that the request goes on with, lower case; empty: all. */
  readonly responseHeaders: readonly string[];
  /** Of a body that is sent along; a larger one is answered 413. 0: none is sent. */
  readonly maxBodyBytes: number;
  /** Absent: AUTH_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

export const AUTH_TIMEOUT_MS = 10_000;

/** Told to servers of `http` whatever else is. */
export const ALWAYS_TOLD = ['authorization'] as const;

/** What a server must not say of a request: how its bytes are framed. */
export const FRAMING_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Of an answer of `http` these are about its own body, and are not meant where all headers are. */
export const CONTENT_PREFIX = 'content-';
