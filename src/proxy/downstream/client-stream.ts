// The client's side of one exchange, whatever the version of HTTP: what exchange.ts asks for, what downstream.ts does.

import type { SelfPeer } from '../events.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import type { ConnectionInfo } from './connection-info.ts';

/** An answer that the proxy gives by itself. */
export interface LocalAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: readonly string[];
  readonly close: boolean;
  readonly isHead: boolean;
  readonly nowMs: number;
}

export interface ClientStream {
  readonly info: ConnectionInfo;
  readonly self: SelfPeer;
  readonly version: 'http1' | 'http2';
  /** Whose buffers the pieces of the request's body are in. */
  readonly lender: Lender;
  /** A read is being handed over; more of it may follow at once. */
  readonly reading: boolean;
  /** The next answer has to be the last. */
  readonly mustClose: boolean;
  /** So much of the answer waits to be sent that its source has to stop. */
  readonly blocked: boolean;
  /** Any answer of 2xx means to this client that the protocol was switched. */
  readonly needsSwitch: boolean;
  interim(message: ResponseMessage): void;
  answer(message: ResponseMessage, request: RequestMessage, bodyMode: number, close: boolean): void;
  /** A whole answer, sent at once. */
  answerLocally(answer: LocalAnswer): void;
  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void;
  end(trailers: readonly string[] | undefined): void;
  /** Sends what was gathered. */
  flush(): void;
  /** Nobody takes more of the request's body for now. */
  pauseBody(): void;
  /** The upstream takes more of the body. */
  wantBody(): void;
  setExchangeDeadline(at: number): void;
  clearExchangeDeadline(): void;
  /** The protocol that was asked for is spoken from here on: tells the client, and gives its bytes away. */
  switchProtocol(
    message: ResponseMessage,
    request: RequestMessage,
  ): { readonly wire: Wire; readonly early: Buffer | undefined };
  /** `complete`: the whole answer was written. `close`: the client was told that it is the last. */
  exchangeDone(complete: boolean, close: boolean, requestDone: boolean): void;
}

/** A client's connection, as its listener sees it. */
export interface ClientConnection {
  /** No request has begun. */
  readonly idle: boolean;
  /** Ends it where no request has begun; where requests run side by side, has it take no further ones. */
  closeIdle(): void;
}
