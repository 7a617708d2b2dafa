// What an HTTP/2 connection and those who use it say to each other. Implemented by connection.ts and stream.ts on one side, by
// the proxy's client and upstream sides on the other.
//
// `new Http2Connection(wire, context, role, owner)`: `start()` sends preface and SETTINGS; `open(message, end, user)` begins
// a request (client); `goAway()` ends it gracefully; `destroy()` at once. It writes at the end of a turn by itself: nobody has
// to flush.
import type { Refusal, RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender, Wire } from '../wires/wire.ts';

/** What holds a connection. */
export interface Http2Owner {
  /** Server: a request has begun; `end`: it has no body and no trailers. */
  onRequest?(stream: Http2Stream, message: RequestMessage, end: boolean): Http2StreamUser;
  /** Server: a request that was too large or not supported was answered by the connection itself, or reset as malformed; for the event. */
  onRefused?(refusal: Refusal): void;
  /** The last stream has ended. Not called once `onClosed` was. */
  onIdle(): void;
  /** Called once, last, after the `onReset` of every open stream. */
  onClosed(error: Error | undefined): void;
  /** Client: no stream can be opened any more (`usable` is false); those that are open go on, or get their `onReset`. */
  onGoingAway(): void;
  /** Client: the peer has said what it takes, by its first SETTINGS. */
  onGreeted?(): void;
  /** Client: `open` may work again, where `activeStreams` had reached `peerMaxStreams`. */
  onMoreStreams(): void;
}

/** What a stream's bytes go to. Nothing is called after `onReset`, or after the user's own `reset`. */
export interface Http2StreamUser {
  /** Client: the answer. `end`: without body and trailers. */
  onAnswer?(message: ResponseMessage, end: boolean): void;
  /** Client: 1xx. */
  onInterim?(message: ResponseMessage): void;
  /** Client: the answer was not valid; the stream was reset. */
  onBadAnswer?(reason: string): void;
  /** Bytes that are lent for the call, as those of `WireUser.onData`. Comes after `pause` too, up to one window. */
  onBody(buffer: Buffer, start: number, end: number): void;
  /** Called where `end` was not told with the head. */
  onBodyEnd(trailers: readonly string[] | undefined): void;
  /** Everything that one read had for this stream was handed over; after the head of a request too, where more is to come. */
  onReadDone(): void;
  /** `blocked` is over; told after `end` too. */
  onDrain(): void;
  /**
   * Reset by the peer, or gone with the connection. `unprocessed`: the peer has not looked at it (REFUSED_STREAM, or above the
   * last id of a GOAWAY), so that it may be sent elsewhere, whatever its method.
   */
  onReset(code: number, unprocessed: boolean): void;
}

export interface Http2Stream {
  readonly id: number;
  /** So much waits for the peer (its windows, or the wire) that the source has to stop; `onDrain` follows. */
  readonly blocked: boolean;
  /** Both sides have ended, or it was reset. */
  readonly closed: boolean;
  /** The wire that lends the buffers of `onBody`. */
  readonly wire: Wire;
  /** Server: 1xx. */
  interim(message: ResponseMessage): void;
  /** Server: the head of the answer; `end` when neither body nor trailers follow. */
  answer(message: ResponseMessage, end: boolean): void;
  /** Lent by `from`; without it, bytes that nobody changes any more. */
  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void;
  /**
   * Ends this side. A server's stream whose request has not ended stays open for it; who does not want the rest calls
   * `reset(NO_ERROR)`, which is sent behind what waits.
   */
  end(trailers?: readonly string[]): void;
  reset(code: number): void;
  /** Gives the peer no more window for this stream, until `resume`. */
  pause(): void;
  resume(): void;
}
