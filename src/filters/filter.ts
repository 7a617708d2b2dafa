// What a filter is made of: an entry of registry.ts, its own form, its Envoy form. Used by the folders here and by both engines.
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Head, RequestHead, ResponseHead } from '../model/http.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import type { Route, RouteFilter } from '../model/route.ts';

/** One line of the registry: a step of a chain, as its type's filters stand on routes. */
export interface FilterEntry<Filter extends RouteFilter = RouteFilter> {
  /** Its folder. */
  readonly name: string;
  /** Those of Route.filters that it does. */
  readonly types: readonly Filter['type'][];
  /** Of the API; for people. */
  readonly field: string;
  readonly own: OwnFilter<Filter>;
  /** Loaded only where an Envoy is configured, as Envoy's types are large. */
  envoy(): Promise<{ readonly envoyFilter: unknown }>;
}

/**
 * One line of the registry that is no step of its own: a setting of listeners, routes or clusters. The own engine asks its
 * folder where the setting counts; Envoy's form of it may have a place in the chain.
 */
export interface SettingEntry {
  /** Its folder. */
  readonly name: string;
  /** Whose settings in the model. */
  readonly of: readonly ('listener' | 'route' | 'cluster')[];
  /** Of the API; for people. */
  readonly field: string;
  /** Loaded only where an Envoy is configured, as Envoy's types are large. */
  envoy(): Promise<{ readonly envoySetting: unknown }>;
}

export const isFilter = (entry: FilterEntry | SettingEntry): entry is FilterEntry => 'types' in entry;

// --- the own form

export interface OwnFilter<Filter extends RouteFilter = RouteFilter> {
  /** Once for each target of a route, with all filters of its types in their order: first the route's, then the target's. */
  prepare(filters: readonly Filter[], context: FilterContext): PreparedFilter;
}

/** What filters are given of the proxy. */
export interface FilterServices {
  readonly clock: Clock;
  readonly random: Random;
  /** What a filter keeps for as long as the proxy lives, whatever becomes of the configuration. */
  kept<T>(filter: string, make: () => T): T;
  /** Undefined: there is no rate limit server. */
  readonly askRateLimit?: AskRateLimit | undefined;
}

export interface FilterContext extends FilterServices {
  readonly route: Route;
}

/** What is absent costs nothing. A request meets them in this order, and each in the order of the registry. */
export interface PreparedFilter {
  /** Looks at a request before its target is called. */
  readonly open?: OpenFilter;
  /** Changes the head in place on its way to the target, once, before it is first sent. */
  readonly editRequest?: (request: RequestHead) => void;
  /** Get the request as it goes to the target. */
  readonly taps?: readonly MakeTap[];
  /** Changes the answer of the target, or of a route that answers by itself. */
  readonly editResponse?: (answer: Head) => void;
}

/** Undefined: the request goes on. A promise, for those that have to ask first, holds it; it must not be rejected. */
export type OpenFilter = (
  request: RequestHead,
  run: FilterRun,
) => FilterAnswer | undefined | Promise<FilterAnswer | undefined>;

/** In place of the target's. */
export interface FilterAnswer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: readonly string[];
  /** Envoy's response flag. */
  readonly flag?: string;
  /** The body is somebody else's: not a byte is added. */
  readonly exact?: true;
}

/** One request, to filters that have more to do than to look at its head. What is registered last acts first, as in Envoy. */
export interface FilterRun {
  /** Whose request it is, by what trusted proxies say. */
  readonly remoteAddress: string;
  /** Changes every answer to the request, whoever gives it. */
  onAnswer(edit: (answer: ResponseHead) => void): void;
  /** Passes the body of a target's answer through what `make` returns, which may change the head; one filter at most. */
  onAnswerBody(make: MakeBodyFilter): void;
  /** The answer is over, or was given up. */
  onEnd(tell: () => void): void;
  readonly origin: RequestOrigin;
  /** The whole body of the request, once it has come; it is held in memory. */
  body(maxBytes: number): Promise<Buffer | 'too-large' | 'too-many'>;
  /** Sends a request of the filter's own. Undefined: no whole answer came in time. Given up when the request ends. */
  ask(request: AsideRequest): Promise<AsideAnswer | undefined>;
}

/** Where a request comes from, and how. */
export interface RequestOrigin {
  readonly scheme: 'http' | 'https';
  /** `HTTP/1.1`, `HTTP/2`. */
  readonly protocol: string;
  readonly requestId: string;
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** SPIFFE id, where the peer has proven one. */
  readonly identity: string | undefined;
  readonly sni: string;
}

export interface AsideRequest extends RequestHead {
  readonly cluster: string;
  readonly headers: string[];
  readonly body: Buffer | undefined;
  /** It may be done twice, whatever its method is. */
  readonly mayRepeat: boolean;
  readonly timeoutMs: number;
}

export interface AsideAnswer extends ResponseHead {
  readonly body: Buffer;
  readonly trailers: readonly string[] | undefined;
}

/** Undefined: this body stays as it is. `length` in bytes, where it is known. */
export type MakeBodyFilter = (answer: ResponseHead, length: number | undefined, out: BodyOut) => BodyFilter | undefined;

/** Where a body filter puts what it has made. */
export interface BodyOut {
  push(bytes: Buffer): void;
  /** After everything was pushed. */
  end(): void;
  /** `blocked` is false again. */
  drained(): void;
  /** The answer can't be completed. */
  fail(): void;
}

export interface BodyFilter {
  /** As much waits in it that its source has to stop. */
  readonly blocked: boolean;
  /** The bytes are the caller's again when it returns. */
  write(buffer: Buffer, start: number, end: number): void;
  /** One read of the upstream was handed over: what is ready may go. */
  flush(): void;
  end(): void;
  /** Nobody wants more. */
  close(): void;
}

/** Undefined: not this one. */
export type MakeTap = (request: RequestHead, aside: SendAside) => RequestTap | undefined;

/** Sends the same head to another cluster, whose answer nobody reads. Undefined: it can't be sent. */
export type SendAside = (cluster: string) => RequestTap | undefined;

/** Gets the body of a request beside its target; never holds it up. */
export interface RequestTap {
  body(bytes: Buffer): void;
  end(trailers: readonly string[] | undefined): void;
  /** The request ended early. */
  abort(): void;
}
