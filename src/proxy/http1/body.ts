// Reads the body of one HTTP/1 message from a stream of buffers: by length, chunked with trailers, or until the close.
import { type FieldNames, hasControl, isTrailer, trimField } from './fields.ts';

export interface BodySink {
  /** A piece of the body; the buffer is only lent for the call. */
  onBody(buffer: Buffer, start: number, end: number): void;
  /** The whole body was read; trailers as name, value, name, value, … */
  onBodyEnd(trailers: readonly string[] | undefined): void;
}

export interface BodyLimits {
  /** Of all chunk extensions of one body. */
  readonly maxExtensionBytes: number;
  readonly maxTrailerBytes: number;
}

export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const CHUNKED = 2;
export const UNTIL_CLOSE = 3;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;

const MAX_SIZE_DIGITS = 13;
const CR = 13;
const LF = 10;

const hexValue = (byte: number): number => {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
};

export class BodyReader {
  mode = NO_BODY;
  done = true;
  /** Why the body can't be read on; empty while all is well. */
  error = '';
  readonly #names: FieldNames;
  readonly #limits: BodyLimits;
  #left = 0;
  #state = SIZE;
  #digits = 0;
  #extensionBytes = 0;
  #trailer = '';
  #trailerBytes = 0;
  #trailers: string[] | undefined;

  constructor(names: FieldNames, limits: BodyLimits) {
    this.#names = names;
    this.#limits = limits;
  }

  /** Starts on the next message. Without a body it is done at once, and the sink is not called. */
  begin(mode: number, length = 0): void {
    this.mode = mode === BY_LENGTH && length === 0 ? NO_BODY : mode;
    this.done = this.mode === NO_BODY;
    this.error = '';
    this.#left = mode === BY_LENGTH ? length : 0;
    if (mode !== CHUNKED) return;
    this.#state = SIZE;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailer = '';
    this.#trailerBytes = 0;
    this.#trailers = undefined;
  }

  /** Reads from `start`; returns where the message ended, or `end`. Stops at an error. */
  feed(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.done || this.error !== '') return start;
    if (this.mode === CHUNKED) return this.#feedChunked(buffer, start, end, sink);
    if (this.mode === UNTIL_CLOSE) {
      if (end > start) sink.onBody(buffer, start, end);
      return end;
    }
    const stop = Math.min(end, start + this.#left);
    this.#left -= stop - start;
    if (this.#left === 0) this.done = true;
    if (stop > start) sink.onBody(buffer, start, stop);
    if (this.#left === 0) sink.onBodyEnd(undefined);
    return stop;
  }

  /** The stream ended: the end of a body that goes until then, an error for every other. */
  finish(sink: BodySink): void {
    if (this.done) return;
    if (this.mode !== UNTIL_CLOSE) {
      this.error ||= 'the body ended early';
      return;
    }
    this.done = true;
    sink.onBodyEnd(undefined);
  }

  #fail(reason: string, at: number): number {
    this.error = reason;
    return at;
  }

  #feedChunked(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start;
    while (at < end) {
      if (this.#state === DATA) {
        const stop = Math.min(end, at + this.#left);
        this.#left -= stop - at;
        const from = at;
        at = stop;
        if (this.#left === 0) this.#state = DATA_CR;
        sink.onBody(buffer, from, stop);
        continue;
      }
      const byte = buffer[at++]!;
      switch (this.#state) {
        case SIZE: {
          const digit = hexValue(byte);
          if (digit >= 0) {
            if (++this.#digits > MAX_SIZE_DIGITS) return this.#fail('the size of a chunk is too large', at);
            this.#left = this.#left * 16 + digit;
          } else if (this.#digits === 0) return this.#fail('the size of a chunk is not valid', at);
          else if (byte === CR) this.#state = SIZE_LF;
          else if (byte === 59) this.#state = EXTENSION;
          else return this.#fail('the size of a chunk is not valid', at);
          break;
        }
        case EXTENSION:
          if (byte === CR) this.#state = SIZE_LF;
          else if ((byte < 32 && byte !== 9) || byte === 127) return this.#fail('a chunk extension is not valid', at);
          else if (++this.#extensionBytes > this.#limits.maxExtensionBytes) {
            return this.#fail('the chunk extensions are too long', at);
          }
          break;
        case SIZE_LF:
          if (byte !== LF) return this.#fail('a chunk header does not end in CRLF', at);
          this.#state = this.#left === 0 ? TRAILER : DATA;
          this.#digits = 0;
          break;
        case DATA_CR:
          if (byte !== CR) return this.#fail('a chunk does not end in CRLF', at);
          this.#state = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== LF) return this.#fail('a chunk does not end in CRLF', at);
          this.#state = SIZE;
          break;
        default:
          if (!this.#trailerByte(byte)) return at;
          if (!this.done) break;
          sink.onBodyEnd(this.#trailers);
          return at;
      }
    }
    return at;
  }

  /** One byte behind the last chunk; false on an error, `done` after the empty line. */
  #trailerByte(byte: number): boolean {
    if (++this.#trailerBytes > this.#limits.maxTrailerBytes) {
      this.error = 'the trailers are too long';
      return false;
    }
    if (byte !== LF) {
      this.#trailer += String.fromCharCode(byte);
      return true;
    }
    if (!this.#trailer.endsWith('\r')) {
      this.error = 'a trailer does not end in CRLF';
      return false;
    }
    const line = this.#trailer.slice(0, -1);
    this.#trailer = '';
    if (line === '') {
      this.done = true;
      return true;
    }
    const colon = line.indexOf(':');
    const field = colon > 0 ? this.#names.get(line.slice(0, colon)) : undefined;
    const value = trimField(line, colon + 1, line.length);
    if (!field || hasControl(value)) {
      this.error = 'a trailer is not valid';
      return false;
    }
    if (!isTrailer(field)) return true;
    this.#trailers ??= [];
    this.#trailers.push(field.name, value);
    return true;
  }
}
