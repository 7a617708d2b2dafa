// One byte stream, plain or TLS, with one user at a time. Lends its read buffer, hides Node's stream events.
import type { Socket } from 'node:net';

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

/** The read buffer of a socket: used again and again, replaced when somebody still needs what is in it. */
export class ReadBuffer {
  wire: Wire | undefined;
  #buffer: Buffer | undefined;
  lent = false;
  readonly #sizeBytes: number;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** For the `onread` option of net and tls. */
  readonly onread = {
    buffer: (): Buffer => {
      if (!this.#buffer || this.lent) this.#buffer = Buffer.allocUnsafeSlow(this.#sizeBytes);
      this.lent = false;
      return this.#buffer;
    },
    callback: (bytes: number, buffer: Uint8Array): boolean => {
      this.wire?.receive(buffer as Buffer, bytes);
      return true;
    },
  };
}

export class Wire {
  readonly socket: Socket;
  user: WireUser;
  /** Nothing can be written any more. */
  closed = false;
  /** The peer has ended its side. */
  ended = false;
  paused = false;
  readonly #readBuffer: ReadBuffer | undefined;
  #error: Error | undefined;
  #finishing = false;

  constructor(socket: Socket, user: WireUser, readBuffer?: ReadBuffer) {
    this.socket = socket;
    this.user = user;
    this.#readBuffer = readBuffer;
    if (readBuffer) readBuffer.wire = this;
    else socket.on('data', (chunk: Buffer) => this.receive(chunk, chunk.length));
    socket.on('end', () => {
      this.ended = true;
      this.user.onEnd();
    });
    socket.on('drain', () => this.user.onDrain());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', () => {
      this.closed = true;
      this.user.onClose(this.#error);
    });
  }

  receive(buffer: Buffer, bytes: number): void {
    if (!this.socket.destroyed) this.user.onData(buffer, 0, bytes);
  }

  /** A buffer with bytes of the one that is lent, to be kept beyond the call. */
  keep(buffer: Buffer, start: number, end: number): Buffer {
    const part = buffer.subarray(start, end);
    return this.#readBuffer ? Buffer.from(part) : part;
  }

  write(text: string): void {
    if (!this.closed && !this.#finishing) this.socket.write(text, 'latin1');
  }

  /** Writes bytes that nobody changes any more. */
  writeBuffer(buffer: Buffer): void {
    if (!this.closed && !this.#finishing) this.socket.write(buffer);
  }

  /** Writes bytes that `from` has lent; without it, bytes that nobody changes any more. */
  pass(from: Wire | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.closed || this.#finishing) return;
    this.socket.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
    this.#lend(from);
  }

  /** As `pass`, with text before it, in one write to the system. */
  passAfter(text: string, from: Wire | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.closed || this.#finishing) return;
    this.socket.cork();
    this.socket.write(text, 'latin1');
    this.socket.write(buffer.subarray(start, end));
    this.socket.uncork();
    this.#lend(from);
  }

  /** What could not be sent at once is sent from the lender's memory later. */
  #lend(from: Wire | undefined): void {
    const buffer = from ? from.#readBuffer : undefined;
    if (buffer && this.socket.writableLength > 0) buffer.lent = true;
  }

  /** True when so much waits to be sent that the source has to stop; `onDrain` follows. */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Sends what waits, then ends this side, then calls `sent`. */
  end(sent?: () => void): void {
    if (this.closed || this.#finishing) return;
    this.#finishing = true;
    this.socket.end(sent);
  }

  /** Both sides at once; what waits is lost. */
  destroy(): void {
    this.socket.destroy();
  }

  /** As `destroy`, with a reset where the transport has one: the peer must not take what it got for complete. */
  abort(): void {
    if ('encrypted' in this.socket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }
}
