// A wire without a socket: what is written is kept until the test takes it. For tests that run in one turn.
import type { Flushable } from '../../src/proxy/http1/flush-queue.ts';
import { type Lender, NOBODY, type Wire, type WireUser } from '../../src/proxy/wires/wire.ts';

const BLOCKED_BYTES = 16_384;

export class MemoryWire implements Wire {
  user: WireUser = NOBODY;
  closed = false;
  ended = false;
  paused = false;
  /** This side has ended. */
  finished = false;
  blocked = false;
  #written: Buffer[] = [];
  #size = 0;

  get destroyed(): boolean {
    return this.closed;
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.#size;
  }

  /** A buffer is lent for the call alone. */
  keep(buffer: Buffer, start: number, end: number): Buffer {
    return Buffer.from(buffer.subarray(start, end));
  }

  leaveBuffer(): void {}

  write(text: string): void {
    this.writeBuffer(Buffer.from(text, 'latin1'));
  }

  writeBuffer(buffer: Buffer): void {
    if (this.closed || this.finished) return;
    this.#written.push(buffer);
    this.#size += buffer.length;
    if (this.#size > BLOCKED_BYTES) this.blocked = true;
  }

  pass(_from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    this.writeBuffer(Buffer.from(buffer.subarray(start, end)));
  }

  passAfter(text: string, from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    this.write(text);
    this.pass(from, buffer, start, end);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(sent?: () => void): void {
    if (this.closed || this.finished) return;
    this.finished = true;
    sent?.();
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.user.onClose(undefined);
  }

  abort(): void {
    this.destroy();
  }

  /** Takes up to `size` of what was written. */
  take(size = Number.POSITIVE_INFINITY): Buffer {
    const all = this.#written.length === 1 ? this.#written[0]! : Buffer.concat(this.#written);
    const taken = all.subarray(0, size);
    const rest = all.subarray(taken.length);
    this.#written = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    if (this.blocked && this.#size === 0) {
      this.blocked = false;
      if (!this.closed) this.user.onDrain();
    }
    return taken;
  }

  /** Hands bytes to the user in a buffer that is written over afterwards. */
  receive(bytes: Buffer): void {
    if (this.closed || bytes.length === 0) return;
    const lent = Buffer.from(bytes);
    this.user.onData(lent, 0, lent.length);
    lent.fill(0xaa);
  }
}

/** The end of a turn, when the test says so. */
export class ManualFlushes {
  #waiting: Flushable[] = [];

  add(item: Flushable): void {
    this.#waiting.push(item);
  }

  run(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const item of waiting) item.flush();
  }
}
