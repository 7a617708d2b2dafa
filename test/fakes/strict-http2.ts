// Sends raw bytes of HTTP/2 to a proxy and says what the connection made of them. For the table of strictness.
import { connect, type Socket } from 'node:net';
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts';
import {
  ACK,
  DATA,
  END_STREAM,
  frame,
  HAS_PRIORITY,
  HEADERS,
  head,
  PADDED,
  PREFACE,
  RST_STREAM,
  SETTINGS,
} from './http2-bytes.ts';

/** Asked on the same connection behind each case: shows whether the connection goes on, and in step. */
const LAST_ID = 0x7ffffffd;
const LAST = head(
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/last'],
    [':authority', 'last.test'],
  ],
  LAST_ID,
);

export interface Http2Outcome {
  /** Of stream 1: its status, or `reset`; undefined where nothing came. */
  readonly stream: string | undefined;
  /** How the connection goes on: `closed` (with GOAWAY or without), `refuses` what is asked next, or undefined: as it was. */
  readonly connection: 'closed' | 'refuses' | undefined;
}

class Reader {
  readonly #socket: Socket;
  readonly #waitsForFirst: boolean;
  readonly #decoder = new HpackDecoder({ maxListSize: 1_000_000, maxFields: 1000 });
  #bytes = Buffer.alloc(0);
  #status = '';
  #stream: string | undefined;
  #last: 'answered' | 'refused' | undefined;

  constructor(socket: Socket, waitsForFirst: boolean) {
    this.#socket = socket;
    this.#waitsForFirst = waitsForFirst;
  }

  /** What is known once the connection is closed. */
  outcome(): Http2Outcome {
    const connection = this.#last === undefined ? 'closed' : this.#last === 'refused' ? 'refuses' : undefined;
    return { stream: this.#stream, connection };
  }

  read(piece: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      this.#frame(this.#bytes[3]!, this.#bytes[4]!, this.#bytes.readUInt32BE(5), this.#bytes.subarray(9, end));
      this.#bytes = this.#bytes.subarray(end);
      if (this.#last !== undefined && (this.#stream !== undefined || !this.#waitsForFirst)) this.#socket.end();
    }
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === SETTINGS && !(flags & ACK)) this.#socket.write(frame(SETTINGS, ACK, 0), 'latin1');
    else if (type === HEADERS) this.#head(flags, id, payload);
    else if (type === RST_STREAM) this.#end(id, 'reset');
    if ((type === HEADERS || type === DATA) && flags & END_STREAM) this.#end(id, this.#status);
  }

  #head(flags: number, id: number, payload: Buffer): void {
    if (flags & (PADDED | HAS_PRIORITY)) throw new Error('padding and priority are not expected');
    const fields = this.#decoder.decode(payload, 0, payload.length);
    if (typeof fields === 'string') throw new Error(`the answer's head is ${fields}`);
    if (id === 1 && fields[0] === ':status') this.#status = fields[1]!;
  }

  #end(id: number, result: string): void {
    if (id === 1) this.#stream ??= result;
    if (id === LAST_ID) this.#last ??= result === 'reset' ? 'refused' : 'answered';
  }
}

/** Where `waits`, stream 1 has an end; elsewhere the answer to the last question is all. */
export const exchangeHttp2 = async (port: number, bytes: string, waits: boolean): Promise<Http2Outcome> => {
  const socket = connect({ port, host: '127.0.0.1' });
  const reader = new Reader(socket, waits);
  socket.on('error', () => {});
  socket.on('data', (piece) => reader.read(piece));
  socket.write(PREFACE + frame(SETTINGS, 0, 0) + bytes + LAST, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  return reader.outcome();
};
