// A socket as a wire, plain or TLS: lends its read buffer, hides Node's stream events. Made by listener.ts and dial.ts.
import type { Socket } from 'node:net';
import type { Lender, Wire, WireUser } from './wire.ts';

/** The read buffer of a socket: used again and again, replaced when somebody still needs what is in it. */
export class ReadBuffer {
  wire: SocketWire | undefined;
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

export class SocketWire implements Wire {
  readonly socket: Socket;
  user: WireUser;
  closed = false;
  ended = false;
  paused = false;
  readonly #readBuffer: ReadBuffer | undefined;
  #error: Error | undefined;
  #finishing = false;

  constructor(socket: Socket, user: WireUser, readBuffer?: ReadBuffer) {
    this.socket = socket;
    this.user = user;
    this.#readBuffer = readBuffer;
    this.ended = socket.readableEnded;
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

  keep(buffer: Buffer, start: number, end: number): Buffer {
    const part = buffer.subarray(start, end);
    return this.#readBuffer ? Buffer.from(part) : part;
  }

  leaveBuffer(): void {
    if (this.#readBuffer) this.#readBuffer.lent = true;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  write(text: string): void {
    if (!this.closed && !this.#finishing) this.socket.write(text, 'latin1');
  }

  writeBuffer(buffer: Buffer): void {
    if (!this.closed && !this.#finishing) this.socket.write(buffer);
  }

  pass(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.closed || this.#finishing) return;
    this.socket.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
    this.#lend(from);
  }

  passAfter(text: string, from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.closed || this.#finishing) return;
    this.socket.cork();
    this.socket.write(text, 'latin1');
    this.socket.write(buffer.subarray(start, end));
    this.socket.uncork();
    this.#lend(from);
  }

  /** What could not be sent at once is sent from the lender's memory later. */
  #lend(from: Lender | undefined): void {
    if (from && this.socket.writableLength > 0) from.leaveBuffer();
  }

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

  end(sent?: () => void): void {
    if (this.closed || this.#finishing) return;
    this.#finishing = true;
    this.socket.end(sent);
  }

  destroy(): void {
    this.socket.destroy();
  }

  abort(): void {
    const { socket } = this;
    // While the end is being sent the system refuses a reset, and Node would never close the socket then.
    const isEnding = this.#finishing && socket.writableLength === 0 && !socket.writableFinished;
    if ('encrypted' in socket || isEnding) socket.destroy();
    else socket.resetAndDestroy();
  }
}
