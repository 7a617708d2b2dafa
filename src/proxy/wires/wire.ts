// One byte stream with one user at a time: a socket, plain or TLS (socket-wire.ts), or a stream of HTTP/2 taken as bytes.

/** What takes the bytes of a wire; changes over a connection's life (sniffing, HTTP, tunnel). */
export interface WireUser {
  /** Bytes `start` to `end` of a buffer that is only lent for the call, see `Wire.keep`. */
  onData(buffer: Buffer, start: number, end: number): void;
  /** The peer sends no more. */
  onEnd(): void;
  /** What was written has left; more may be written. */
  onDrain(): void;
  /** Called once, last. */
  onClose(error: Error | undefined): void;
}

/** Whose memory a lent buffer is. */
export interface Lender {
  /** A buffer with bytes of the one that is lent, to be kept beyond the call. */
  keep(buffer: Buffer, start: number, end: number): Buffer;
  /** The buffer that is lent is still needed after the call: it is not read into again. */
  leaveBuffer(): void;
}

export interface Wire extends Lender {
  user: WireUser;
  /** Nothing can be written any more, and `onClose` was called. */
  readonly closed: boolean;
  /** As `closed`, or soon to be. */
  readonly destroyed: boolean;
  /** The peer has ended its side. */
  readonly ended: boolean;
  readonly paused: boolean;
  /** True when so much waits to be sent that the source has to stop; `onDrain` follows. */
  readonly blocked: boolean;
  /** Text of latin1 characters. */
  write(text: string): void;
  /** Writes bytes that nobody changes any more. */
  writeBuffer(buffer: Buffer): void;
  /** Writes bytes that `from` has lent; without it, bytes that nobody changes any more. */
  pass(from: Lender | undefined, buffer: Buffer, start: number, end: number): void;
  /** As `pass`, with text before it, in one write to the system. */
  passAfter(text: string, from: Lender | undefined, buffer: Buffer, start: number, end: number): void;
  pause(): void;
  resume(): void;
  /** Sends what waits, then ends this side, then calls `sent`. */
  end(sent?: () => void): void;
  /** Both sides at once; what waits is lost. */
  destroy(): void;
  /** As `destroy`, with a reset where the transport has one: the peer must not take what it got for complete. */
  abort(): void;
}

/** For a wire that nobody uses yet, and from which nothing is expected. */
export const NOBODY: WireUser = { onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} };
