// A small HTTP/1 server for pages about the proxy itself, over the proxy's own parser: Node's costs 17 MiB of memory in
// every process (2026-11-21). Called by admin.ts, and by app for readiness.
import { createServer, type Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { bindError } from '../../lib/ports.ts';
import { FieldNames } from '../http1/fields.ts';
import { HeadParser, Refusal, type RequestMessage } from '../http1/head.ts';
import { REASONS } from '../http1/reasons.ts';

export interface SmallAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Further header lines, name and value. */
  readonly headers?: readonly (readonly [string, string])[];
}

export interface SmallServerOptions {
  readonly address: string;
  /** 0 is any free one. */
  readonly port: number;
  /** What it is for and which flag names the port, for the error of a port that is taken. */
  readonly use: string;
  readonly flag: string;
  readonly clock: Clock;
  /** Bodies of requests are not read. */
  readonly answer: (request: RequestMessage) => Promise<SmallAnswer>;
}

export interface SmallServer {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const MAX_HEAD_BYTES = 8192;
const MAX_FIELDS = 64;
const TIMEOUT_MS = 5_000;
const END = '\r\n\r\n';

const plain = (status: number, why: string): SmallAnswer => ({
  status,
  type: 'text/plain; charset=UTF-8',
  body: `${why}\n`,
});

class Conversation {
  readonly #socket: Socket;
  readonly #parser: HeadParser;
  readonly #options: SmallServerOptions;
  #text = '';
  #busy = false;
  #timer: Timer | undefined;

  constructor(socket: Socket, parser: HeadParser, options: SmallServerOptions) {
    this.#socket = socket;
    this.#parser = parser;
    this.#options = options;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#timer?.cancel());
    this.#wait();
  }

  /** For a head, whole; or for the peer to read an answer. */
  #wait(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(TIMEOUT_MS, () => this.#socket.destroy());
  }

  #take(chunk: string): void {
    this.#text += chunk;
    if (!this.#busy) this.#next();
    else if (this.#text.length > MAX_HEAD_BYTES) this.#socket.pause();
  }

  #next(): void {
    // Empty lines before a request are passed over (RFC 9112, 2.2).
    const text = this.#text.replace(/^(?:\r\n)+/, '');
    const end = text.indexOf(END);
    if (end > MAX_HEAD_BYTES || (end < 0 && text.length > MAX_HEAD_BYTES)) {
      this.#text = '';
      this.#say(plain(431, 'the head is too large'), { head: false, last: true });
      return;
    }
    if (end < 0) return;
    this.#text = text.slice(end + END.length);
    // HTTP/1.0 has no Host, and the checks of some load balancers speak it.
    const head = / HTTP\/1\.0(?:\r\n(?!host:)[^\r\n]*)*$/i.test(text.slice(0, end))
      ? `${text.slice(0, end)}\r\nhost: localhost`
      : text.slice(0, end);
    const request = this.#parser.request(head, 0, head.length);
    if (request instanceof Refusal) {
      this.#say(plain(request.status, request.reason), { head: false, last: true });
      return;
    }
    this.#busy = true;
    void this.#options
      .answer(request)
      .catch(() => plain(500, 'no answer'))
      .then((answer) => this.#answered(request, answer));
  }

  #answered(request: RequestMessage, answer: SmallAnswer): void {
    this.#busy = false;
    // A body that was sent along is not waited for.
    const hasBody = request.contentLength > 0 || request.chunked;
    const last = request.close || hasBody || (request.old && !request.keepAlive);
    this.#say(answer, { head: request.method === 'HEAD', last });
    if (last) return;
    this.#wait();
    this.#socket.resume();
    this.#next();
  }

  #say({ status, type, body, headers = [] }: SmallAnswer, { head, last }: { head: boolean; last: boolean }): void {
    const lines = [
      `HTTP/1.1 ${status} ${REASONS[status] ?? ''}`,
      `content-type: ${type}`,
      `content-length: ${Buffer.byteLength(body)}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
      `connection: ${last ? 'close' : 'keep-alive'}`,
    ];
    this.#socket.write(`${lines.join('\r\n')}${END}${head ? '' : body}`);
    if (last) this.#socket.end();
  }
}

/** Throws PORT_TAKEN and its like. */
export const openSmallServer = async (options: SmallServerOptions): Promise<SmallServer> => {
  const { address, port, use, flag } = options;
  const parser = new HeadParser(new FieldNames(), { maxFields: MAX_FIELDS });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    new Conversation(socket, parser, options);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(bindError(cause, { address, port, use, flag })));
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  // E.g. too many open files: traffic matters more than these pages.
  server.on('error', () => {});
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};
