// The upstream's side of one attempt, whatever the version of HTTP: what exchange.ts asks for, what upstream.ts does.
import type { BodySink } from '../http1/body.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender, Wire } from '../wires/wire.ts';

/** How an answer ended too early. */
export type UpstreamEnd =
  | 'lost'
  /** Before its first byte, on a connection that had carried others: the peer may have closed it while it was unused. */
  | 'stale'
  /** The peer has said that it did nothing. */
  | 'unprocessed';

/** The request that uses an upstream. */
export interface UpstreamUser extends BodySink {
  /** Of the request: an answer to HEAD has no body. */
  readonly isHead: boolean;
  /** 1xx other than 101. */
  onInterim(message: ResponseMessage): void;
  /** The protocol that was asked for is spoken from here on: the wire is the user's; `rest` came behind the head. */
  onSwitch(message: ResponseMessage, wire: Wire, rest: Buffer | undefined): void;
  onAnswer(message: ResponseMessage, bodyMode: number): void;
  /** Everything of one read was handed over. */
  onReadDone(): void;
  onUpstreamDrain(): void;
  /** The answer can't be read; the upstream is gone. */
  onBadAnswer(reason: string): void;
  /** It ended before the answer did. */
  onUpstreamGone(end: UpstreamEnd): void;
}

export interface UpstreamStream {
  /** Whose buffers the pieces of the answer's body are in. */
  readonly lender: Lender;
  /** True where `unprocessed` may come: any request can be sent once more then, so its body is kept. */
  readonly mayRefuse: boolean;
  /** So much of the request waits to be sent that its source has to stop. */
  readonly blocked: boolean;
  /** Sends the head; `empty`: no body follows. */
  begin(user: UpstreamUser, message: RequestMessage, empty: boolean): void;
  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void;
  end(trailers: readonly string[] | undefined): void;
  /** Sends what was gathered. */
  flush(): void;
  /** Nobody takes more of the answer for now. */
  pause(): void;
  resume(): void;
  /** Takes it away from its request, of which nothing more is wanted. */
  drop(): void;
  /** The user has taken the whole answer, and was told `onReadDone`; `clean`: the whole request was sent. */
  finish(clean: boolean): void;
}
