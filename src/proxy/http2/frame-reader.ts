// Cuts what is read into HTTP/2 frames: DATA piece by piece as it comes, all others whole. Called by connection.ts.
import { DATA, FRAME_BYTES, FRAME_SIZE_ERROR, HEAD_BYTES, PADDED, PREFACE, PROTOCOL_ERROR } from './frames.ts';

export interface FrameSink {
  /** Its payload from `start` to `end`, lent for the call. */
  onFrame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void;
  /** A DATA frame of `length` bytes begins, `size` of them without padding. */
  onDataHead(flags: number, id: number, length: number, size: number): void;
  /** Bytes of it, lent for the call. */
  onDataPiece(buffer: Buffer, start: number, end: number): void;
  onDataEnd(): void;
  /** What comes can't be read. */
  onBadFrame(code: number, reason: string): void;
}

const FIRST_STASH = 256;

export class FrameReader {
  readonly #sink: FrameSink;
  /** Of the preface, still to come. */
  #preface: string;
  /** An unfinished frame. */
  #stash: Buffer | undefined;
  #stashed = 0;
  #dataLeft = 0;
  #paddingLeft = 0;
  #stopped = false;

  constructor(sink: FrameSink, preface: boolean) {
    this.#sink = sink;
    this.#preface = preface ? PREFACE : '';
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#stopped = true;
    this.#stash = undefined;
  }

  feed(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#stopped) {
      if (this.#preface !== '') at = this.#readPreface(buffer, at, end);
      else if (this.#dataLeft > 0) at = this.#readData(buffer, at, end);
      else if (this.#paddingLeft > 0) at = this.#readPadding(at, end);
      else if (this.#stashed > 0) at = this.#fill(buffer, at, end);
      else at = this.#readFrame(buffer, at, end);
    }
  }

  #readPreface(buffer: Buffer, start: number, end: number): number {
    const size = Math.min(end - start, this.#preface.length);
    if (buffer.toString('latin1', start, start + size) !== this.#preface.slice(0, size)) {
      this.#sink.onBadFrame(PROTOCOL_ERROR, 'the connection preface is not valid');
      return end;
    }
    this.#preface = this.#preface.slice(size);
    return start + size;
  }

  #readData(buffer: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#dataLeft);
    this.#dataLeft -= stop - start;
    this.#sink.onDataPiece(buffer, start, stop);
    if (this.#dataLeft === 0 && this.#paddingLeft === 0) this.#sink.onDataEnd();
    return stop;
  }

  #readPadding(start: number, end: number): number {
    const stop = Math.min(end, start + this.#paddingLeft);
    this.#paddingLeft -= stop - start;
    if (this.#paddingLeft === 0) this.#sink.onDataEnd();
    return stop;
  }

  /** Reads the frame at `at`, or keeps what there is of it. */
  #readFrame(buffer: Buffer, at: number, end: number): number {
    const wanted = wantedBytes(buffer, at, end);
    if (end - at < HEAD_BYTES) return this.#keep(buffer, at, end);
    const length = buffer.readUIntBE(at, 3);
    if (length > FRAME_BYTES) {
      this.#sink.onBadFrame(FRAME_SIZE_ERROR, 'a frame is larger than agreed');
      return end;
    }
    if (end - at < wanted) return this.#keep(buffer, at, end);
    const type = buffer[at + 3]!;
    const flags = buffer[at + 4]!;
    const id = buffer.readUInt32BE(at + 5) & 0x7fffffff;
    const payload = at + HEAD_BYTES;
    if (type === DATA) this.#beginData(buffer, payload, flags, id, length);
    else this.#sink.onFrame(type, flags, id, buffer, payload, payload + length);
    return at + wanted;
  }

  #beginData(buffer: Buffer, payload: number, flags: number, id: number, length: number): void {
    const isPadded = (flags & PADDED) !== 0;
    const padding = isPadded && length > 0 ? buffer[payload]! : 0;
    const size = isPadded ? length - 1 - padding : length;
    if (size < 0) {
      this.#sink.onBadFrame(PROTOCOL_ERROR, 'a frame has more padding than it is long');
      return;
    }
    this.#dataLeft = size;
    this.#paddingLeft = padding;
    this.#sink.onDataHead(flags, id, length, size);
    if (size === 0 && padding === 0) this.#sink.onDataEnd();
  }

  #keep(buffer: Buffer, start: number, end: number): number {
    const size = this.#stashed + end - start;
    if (!this.#stash || this.#stash.length < size) {
      // Grows with what has come, not with what was announced.
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_STASH, 2 * size));
      this.#stash?.copy(larger, 0, 0, this.#stashed);
      this.#stash = larger;
    }
    buffer.copy(this.#stash, this.#stashed, start, end);
    this.#stashed = size;
    return end;
  }

  /** Adds to the unfinished frame what it lacks. */
  #fill(buffer: Buffer, start: number, end: number): number {
    const wanted = wantedBytes(this.#stash!, 0, this.#stashed);
    const stop = Math.min(end, start + wanted - this.#stashed);
    this.#keep(buffer, start, stop);
    const stash = this.#stash!;
    const size = this.#stashed;
    if (size < HEAD_BYTES || (size < wantedBytes(stash, 0, size) && stash.readUIntBE(0, 3) <= FRAME_BYTES)) return stop;
    this.#stash = undefined;
    this.#stashed = 0;
    this.#readFrame(stash, 0, size);
    return stop;
  }
}

/** How many bytes have to be there, from the head of the frame on, for it to be read. */
const wantedBytes = (buffer: Buffer, at: number, end: number): number => {
  if (end - at < HEAD_BYTES) return HEAD_BYTES;
  const length = buffer.readUIntBE(at, 3);
  if (buffer[at + 3] !== DATA) return HEAD_BYTES + length;
  return (buffer[at + 4]! & PADDED) !== 0 && length > 0 ? HEAD_BYTES + 1 : HEAD_BYTES;
};
