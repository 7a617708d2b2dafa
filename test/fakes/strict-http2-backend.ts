// A backend whose answers are raw frames of HTTP/2. For the table of strictness.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { ACK, frame, HEADERS, PREFACE, SETTINGS } from './http2-bytes.ts';

/** The frames of an answer on this stream. */
export type FramesOf = (id: number) => string;

export class Http2Backend {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  #answer: FramesOf = () => '';

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** What requests are answered from now on, on connections of their own. */
  begin(answer: FramesOf): void {
    this.#answer = answer;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    let greeted = false;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.write(frame(SETTINGS, 0, 0), 'latin1');
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      if (!greeted && bytes.length < PREFACE.length) return;
      if (!greeted) bytes = bytes.subarray(PREFACE.length);
      greeted = true;
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const [type, flags, id] = [bytes[3]!, bytes[4]!, bytes.readUInt32BE(5)];
        bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3));
        if (type === SETTINGS && !(flags & ACK)) socket.write(frame(SETTINGS, ACK, 0), 'latin1');
        if (type === HEADERS) socket.write(this.#answer(id), 'latin1');
      }
    });
  }
}
