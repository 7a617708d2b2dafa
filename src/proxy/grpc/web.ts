// The form of gRPC-Web: base64 in pieces, trailers as a frame of the body. Called by web-client.ts and exchange.ts.
// The protocol: PROTOCOL-WEB.md of gRPC.
import { type Head, headerOf } from '../../model/http.ts';

const WEB = /^application\/grpc-web(-text)?(\+[a-z0-9.-]+)?[ \t]*(?:;|$)/i;

export interface WebType {
  /** In base64. */
  readonly text: boolean;
  /** `+proto`; empty where it isn't said. */
  readonly format: string;
}

const typeOf = (value: string | undefined): WebType | undefined => {
  const found = WEB.exec(value ?? '');
  return found ? { text: found[1] !== undefined, format: found[2]?.toLowerCase() ?? '' } : undefined;
};

/** How a call of gRPC-Web is written; undefined for every other request. */
export const webTypeOfRequest = (method: string, head: Head): WebType | undefined =>
  method === 'POST' ? typeOf(headerOf(head, 'content-type')) : undefined;

/** True where the caller wants base64. */
export const wantsText = (head: Head): boolean => typeOf(headerOf(head, 'accept'))?.text === true;

const GRPC = /^application\/grpc(\+[a-z0-9.-]+)?[ \t]*(?:;|$)/i;

/** `application/grpc+proto` as gRPC-Web names it; undefined for other types. */
export const webTypeOfAnswer = (contentType: string, text: boolean): string | undefined => {
  const found = GRPC.exec(contentType);
  return found ? `application/grpc-web${text ? '-text' : ''}${found[1] ?? '+proto'}` : undefined;
};

const TRAILERS = 0x80;

/** The frame that stands for trailers. */
export const trailersFrame = (trailers: readonly string[]): Buffer => {
  let text = '';
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
  const frame = Buffer.allocUnsafe(5 + text.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, 5, 'latin1');
  return frame;
};

/** With its padding, so that nothing waits for what comes behind. */
export const encodeText = (buffer: Buffer, start: number, end: number): Buffer =>
  Buffer.from(buffer.toString('base64', start, end), 'latin1');

const LETTERS = /^[A-Za-z0-9+/=]*$/;
const SEGMENTS = /[^=]+=*/g;

/** Whole groups of four: letters, and at most two `=` where a segment ends. */
const decodeGroups = (groups: string): Buffer | undefined => {
  if (!LETTERS.test(groups)) return undefined;
  if (!groups.includes('=')) return Buffer.from(groups, 'base64');
  const segments = groups.match(SEGMENTS) ?? [];
  const isWhole = segments.every((segment) => segment.length % 4 === 0 && !segment.endsWith('==='));
  // What no segment holds is padding without letters.
  if (!isWhole || groups.startsWith('=')) return undefined;
  return Buffer.concat(segments.map((segment) => Buffer.from(segment, 'base64')));
};

/** Base64 that comes in pieces, padded wherever a group of four ends: messages are encoded one by one. */
export class TextReader {
  #rest = '';

  /** Undefined for what is no base64. */
  read(buffer: Buffer, start: number, end: number): Buffer | undefined {
    const text = this.#rest + buffer.toString('latin1', start, end);
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    return decodeGroups(text.slice(0, whole));
  }

  /** No group was begun and not ended. */
  get done(): boolean {
    return this.#rest === '';
  }
}
