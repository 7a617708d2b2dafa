// An HTTP/2 client whose frames tests write and read themselves, right or wrong.
import * as h2 from '../../src/proxy/http2/frames.ts';
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../src/proxy/http2/hpack-encoder.ts';
import { type RawPeer, rawClient, until } from './raw-peer.ts';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  /** latin1. */
  readonly payload: string;
}

export const frame = (type: number, flags: number, id: number, payload = ''): string =>
  h2.frameHead(payload.length, type, flags, id) + payload;

export const settings = (...pairs: readonly (readonly [number, number])[]): string =>
  frame(h2.SETTINGS, 0, 0, pairs.map(([name, value]) => String.fromCharCode(0, name) + h2.uint32(value)).join(''));

export const GREETING = h2.PREFACE + settings();

/** A header block that uses no table. */
export const block = (fields: readonly string[]): string => new HpackEncoder().encode(fields);

export const requestFields = (method = 'GET', path = '/', more: readonly string[] = []): readonly string[] => [
  ...[':method', method, ':scheme', 'http', ':path', path, ':authority', 'test'],
  ...more,
];

export const headers = (id: number, fields = requestFields(), end = true): string =>
  frame(h2.HEADERS, h2.END_HEADERS | (end ? h2.END_STREAM : 0), id, block(fields));

/** Takes whole frames off the front of a text; returns them and what is left. */
export const cutFrames = (text: string): { frames: Frame[]; rest: string } => {
  const bytes = Buffer.from(text, 'latin1');
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= h2.HEAD_BYTES) {
    const end = at + h2.HEAD_BYTES + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const id = bytes.readUInt32BE(at + 5) & h2.MAX_ID;
    const payload = bytes.toString('latin1', at + h2.HEAD_BYTES, end);
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, id, payload });
    at = end;
  }
  return { frames, rest: text.slice(at) };
};

export class RawHttp2 {
  readonly peer: RawPeer;
  /** Everything received so far, SETTINGS and WINDOW_UPDATE of the start too. */
  readonly frames: Frame[] = [];
  readonly #decoder = new HpackDecoder({ maxListSize: 65_536, maxFields: 200 });

  constructor(peer: RawPeer) {
    this.peer = peer;
  }

  send(text: string): this {
    this.peer.write(text);
    return this;
  }

  #read(): void {
    const { frames, rest } = cutFrames(this.peer.text);
    this.peer.text = rest;
    this.frames.push(...frames);
  }

  get #soFar(): string {
    return `so far: ${JSON.stringify(this.frames.map((it) => ({ ...it, payload: it.payload.slice(0, 40) })))}`;
  }

  #until(check: () => Frame | undefined, what: string): Promise<Frame> {
    let found: Frame | undefined;
    return until(
      () => {
        this.#read();
        found = check();
        return found !== undefined || this.peer.closed;
      },
      () => `${what}; ${this.#soFar}`,
    ).then(() => {
      if (!found) throw new Error(`closed before ${what}; ${this.#soFar}`);
      return found;
    });
  }

  /** The first frame of a type, and of a stream, that comes or has come. */
  frame(type: number, id?: number): Promise<Frame> {
    const find = () => this.frames.find((it) => it.type === type && (id === undefined || it.id === id));
    return this.#until(find, `a frame of type ${type} comes`);
  }

  /** The code with which the connection was ended. */
  async goneWith(): Promise<number> {
    const find = () =>
      this.frames.find((it) => it.type === h2.GOAWAY && it.payload.slice(4) !== h2.uint32(h2.NO_ERROR));
    return Buffer.from((await this.#until(find, 'GOAWAY comes')).payload, 'latin1').readUInt32BE(4);
  }

  /** The code with which a stream was reset. */
  async resetWith(id: number): Promise<number> {
    return Buffer.from((await this.frame(h2.RST_STREAM, id)).payload, 'latin1').readUInt32BE(0);
  }

  /** The fields of a HEADERS frame; in the order in which they came, as the table demands. */
  fields(it: Frame): readonly string[] {
    const bytes = Buffer.from(it.payload, 'latin1');
    const fields = this.#decoder.decode(bytes, 0, bytes.length);
    if (typeof fields === 'string') throw new Error(`the header block is ${fields}`);
    return fields;
  }

  /** Resolves when everything that was sent before was looked at; fails when the connection ended instead. */
  async settled(mark = 'settled!'): Promise<void> {
    this.send(frame(h2.PING, 0, 0, mark));
    await this.#until(
      () => this.frames.find((it) => it.type === h2.PING && it.flags === h2.ACK && it.payload === mark),
      'the answer to PING comes',
    );
  }

  /** Bytes of DATA of a stream so far. */
  received(id: number): number {
    this.#read();
    let size = 0;
    for (const it of this.frames) if (it.type === h2.DATA && it.id === id) size += it.payload.length;
    return size;
  }

  destroy(): void {
    this.peer.destroy();
  }
}

/** Connects, and says hello unless told otherwise. */
export const rawHttp2 = async (port: number, greeting = GREETING): Promise<RawHttp2> => {
  const raw = new RawHttp2(await rawClient(port));
  return raw.send(greeting);
};
