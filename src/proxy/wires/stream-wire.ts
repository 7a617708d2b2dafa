// A stream of HTTP/2 as a wire: for what comes after CONNECT, and for upgrades such as WebSocket. Whoever uses the stream hands
// its events on. Made by downstream-http2.ts and upstream-http2.ts.
import type { Http2Stream } from '../http2/contract.ts';
import { CANCEL, CONNECT_ERROR, NO_ERROR } from '../http2/frames.ts';
import { type Lender, NOBODY, type Wire, type WireUser } from './wire.ts';

export class StreamWire implements Wire {
  user: WireUser = NOBODY;
  /** For who made it. */
  onClosed: (() => void) | undefined;
  closed = false;
  destroyed = false;
  ended = false;
  paused = false;
  readonly #stream: Http2Stream;
  #finished = false;
  #sent: (() => void) | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  get blocked(): boolean {
    return this.#stream.blocked;
  }

  keep(buffer: Buffer, start: number, end: number): Buffer {
    return this.#stream.wire.keep(buffer, start, end);
  }

  leaveBuffer(): void {
    this.#stream.wire.leaveBuffer();
  }

  write(text: string): void {
    this.writeBuffer(Buffer.from(text, 'latin1'));
  }

  writeBuffer(buffer: Buffer): void {
    this.pass(undefined, buffer, 0, buffer.length);
  }

  pass(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (!this.destroyed && !this.#finished) this.#stream.body(from, buffer, start, end);
  }

  passAfter(text: string, from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    this.write(text);
    this.pass(from, buffer, start, end);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#stream.resume();
  }

  end(sent?: () => void): void {
    if (this.destroyed || this.#finished) return;
    this.#finished = true;
    this.#stream.end();
    if (this.#stream.blocked) this.#sent = sent;
    else sent?.();
    this.#closeIfEnded();
  }

  destroy(): void {
    this.#reset(this.ended && this.#finished ? NO_ERROR : CANCEL);
  }

  abort(): void {
    this.#reset(CONNECT_ERROR);
  }

  #reset(code: number): void {
    if (this.destroyed) return;
    if (!this.#stream.closed) this.#stream.reset(code);
    this.#close(undefined);
  }

  // --- of the stream

  onBody(buffer: Buffer, start: number, end: number): void {
    if (!this.destroyed) this.user.onData(buffer, start, end);
  }

  onBodyEnd(): void {
    if (this.destroyed) return;
    this.ended = true;
    this.user.onEnd();
    this.#closeIfEnded();
  }

  onDrain(): void {
    this.#sent?.();
    this.#sent = undefined;
    if (!this.destroyed) this.user.onDrain();
  }

  onReset(code: number): void {
    this.#close(code === NO_ERROR ? undefined : new Error(`the stream was reset with code ${code}`));
  }

  #closeIfEnded(): void {
    if (this.ended && this.#finished) this.#close(undefined);
  }

  /** Told later, as a socket does. */
  #close(error: Error | undefined): void {
    if (this.destroyed) return;
    this.destroyed = true;
    queueMicrotask(() => {
      this.closed = true;
      this.user.onClose(error);
      this.onClosed?.();
    });
  }
}
