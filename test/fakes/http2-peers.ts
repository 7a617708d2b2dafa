// The proxy's own HTTP/2 codec at both ends of a test: a server that echoes, and a client that collects answers.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { DEFAULT_LIMITS, makeParser, type ProxyLimits } from '../../src/proxy/context.ts';
import { Deadlines } from '../../src/proxy/deadlines.ts';
import { FlushQueue } from '../../src/proxy/http1/flush-queue.ts';
import { RequestMessage, ResponseMessage } from '../../src/proxy/http1/head.ts';
import { Http2Connection, type Http2Context } from '../../src/proxy/http2/connection.ts';
import type { Http2Owner, Http2Stream, Http2StreamUser } from '../../src/proxy/http2/contract.ts';
import { withReadBuffer } from '../../src/proxy/wires/accepted-socket.ts';
import { SocketWire } from '../../src/proxy/wires/socket-wire.ts';
import { NOBODY } from '../../src/proxy/wires/wire.ts';

export const http2Context = (limits: Partial<ProxyLimits> = {}, clock: Clock = systemClock): Http2Context => {
  const all = { ...DEFAULT_LIMITS, ...limits };
  const { http2Parser } = makeParser(all);
  return { limits: all, deadlines: new Deadlines(clock), flushes: new FlushQueue(), http2Parser };
};

export const requestOf = (method: string, path: string, headers: string[] = []): RequestMessage => {
  const message = new RequestMessage();
  message.method = method;
  message.scheme = 'http';
  message.host = 'test';
  message.path = path;
  message.headers = headers;
  return message;
};

export const answerOf = (status: number, headers: string[] = [], contentLength = -1): ResponseMessage => {
  const message = new ResponseMessage();
  message.status = status;
  message.headers = headers;
  message.contentLength = contentLength;
  return message;
};

const HELLO = Buffer.from('hello\n');

/** Sends a body back as it comes, with its trailers; to a request without one says hello. */
export class EchoUser implements Http2StreamUser {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream, message: RequestMessage, end: boolean) {
    this.#stream = stream;
    if (message.expectContinue) stream.interim(answerOf(100));
    if (!end) {
      stream.answer(answerOf(200), message.method === 'HEAD');
      return;
    }
    stream.answer(answerOf(200, ['x-path', message.path], HELLO.length), message.method === 'HEAD');
    stream.body(undefined, HELLO, 0, HELLO.length);
    stream.end();
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#stream.body(this.#stream.wire, buffer, start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    this.#stream.end(trailers);
  }

  onReadDone(): void {
    if (this.#stream.blocked) this.#stream.pause();
  }

  onDrain(): void {
    this.#stream.resume();
  }

  onReset(): void {}
}

export interface Http2Server {
  readonly port: number;
  readonly server: Server;
  readonly connections: Http2Connection[];
  close(): void;
}

type OnRequest = (stream: Http2Stream, message: RequestMessage, end: boolean) => Http2StreamUser;

const echo: OnRequest = (stream, message, end) => new EchoUser(stream, message, end);

const ignored = { onIdle: () => {}, onGoingAway: () => {}, onMoreStreams: () => {} };

export const serveSocket = (context: Http2Context, accepted: Socket, owner: Partial<Http2Owner>): Http2Connection => {
  const better = 'encrypted' in accepted ? undefined : withReadBuffer(accepted);
  const socket = better?.socket ?? accepted;
  const wire = new SocketWire(socket, NOBODY, better?.readBuffer);
  const connection = new Http2Connection(wire, context, 'server', {
    onRequest: echo,
    onClosed: () => {},
    ...ignored,
    ...owner,
  });
  wire.user = connection;
  connection.start();
  socket.resume();
  return connection;
};

export const http2Server = async (
  context: Http2Context = http2Context(),
  owner: Partial<Http2Owner> = {},
  port = 0,
): Promise<Http2Server> => {
  const connections: Http2Connection[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (accepted) => {
    accepted.on('error', () => {});
    connections.push(serveSocket(context, accepted, owner));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    connections,
    close: () => {
      server.close();
      for (const connection of connections) connection.destroy();
      context.deadlines.close();
    },
  };
};

/** An answer as it came, told by `done`. */
export class Answer implements Http2StreamUser {
  status = 0;
  headers: readonly string[] = [];
  readonly interims: number[] = [];
  body = '';
  trailers: readonly string[] | undefined;
  /** `end`, `reset <code>`, `unprocessed` or `bad`. */
  result = '';
  drains = 0;
  readonly done: Promise<string>;
  #resolve!: (result: string) => void;

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #finish(result: string): void {
    this.result = result;
    this.#resolve(result);
  }

  onInterim(message: ResponseMessage): void {
    this.interims.push(message.status);
  }

  onAnswer(message: ResponseMessage, end: boolean): void {
    this.status = message.status;
    this.headers = message.headers;
    if (end) this.#finish('end');
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.body += buffer.toString('latin1', start, end);
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    this.trailers = trailers;
    this.#finish('end');
  }

  onReadDone(): void {}

  onDrain(): void {
    this.drains++;
  }

  onBadAnswer(reason: string): void {
    this.#finish(`bad: ${reason}`);
  }

  onReset(code: number, unprocessed: boolean): void {
    this.#finish(unprocessed ? 'unprocessed' : `reset ${code}`);
  }
}

export const http2Client = async (
  port: number,
  context: Http2Context = http2Context(),
  owner: Partial<Http2Owner> = {},
): Promise<Http2Connection> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const wire = new SocketWire(socket, NOBODY);
  const connection = new Http2Connection(wire, context, 'client', { onClosed: () => {}, ...ignored, ...owner });
  wire.user = connection;
  connection.start();
  return connection;
};
