// Sends raw bytes through Weft's own proxy and through a real Envoy, both with the same snapshot, and says what came of them:
// what the backend read, or what the client did. For the table of strictness.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Cluster, Snapshot } from '../../src/model/snapshot.ts';
import { type EngineName, gatewaySnapshot, openEnginePair } from './engine-pair.ts';
import { cluster, forward, route } from './envoy-mesh.ts';
import { exchangeHttp2 } from './strict-http2.ts';
import { type FramesOf, Http2Backend } from './strict-http2-backend.ts';
import { Malformed, readMessage } from './strict-reader.ts';

const LOOPBACK = '127.0.0.1';
/** Asked on the same connection behind each case: shows whether the connection goes on, and in step. */
const LAST = 'GET /last HTTP/1.1\r\nhost: last.test\r\nconnection: close\r\n\r\n';
const LAST_ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlast';
const PLAIN_ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export interface RawAnswer {
  readonly bytes: string;
  /** The backend ends the connection behind it. */
  readonly close?: boolean;
}

/** Reads requests with the strict reader, whatever may come; answers each. */
class Backend {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  #answer: RawAnswer = { bytes: PLAIN_ANSWER };
  #seen: string[] = [];

  async open(): Promise<number> {
    this.#server.listen(0, LOOPBACK);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** What the requests are answered from now on; forgets those that were. */
  begin(answer: RawAnswer = { bytes: PLAIN_ANSWER }): void {
    this.#answer = answer;
    this.#seen = [];
  }

  /** The requests since `begin`, one text each. */
  get seen(): readonly string[] {
    return this.#seen;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let text = '';
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (data: string) => {
      text += data;
      try {
        for (let next = readMessage(text, 0); next; next = readMessage(text, 0)) {
          text = text.slice(next.end);
          this.#reply(socket, next.startLine, next.text);
        }
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        this.#seen.push(`malformed: ${error.message}`);
        socket.destroy();
      }
    });
  }

  #reply(socket: Socket, startLine: string, text: string): void {
    if (startLine.includes(' /last ')) {
      socket.write(LAST_ANSWER);
      return;
    }
    this.#seen.push(text);
    socket.write(this.#answer.bytes, 'latin1');
    if (this.#answer.close) socket.end();
  }
}

const isFinal = (text: string): boolean => {
  const last = text.lastIndexOf('HTTP/1.1 ');
  return last >= 0 && /^(?!10[03])/.test(text.slice(last + 9)) && text.includes('\r\n\r\n', last);
};

/** The one whole answer says that it is the last: there is no need to wait until the other side closes. */
const isClosing = (text: string): boolean => {
  const head = /^HTTP\/1\.[01] .*?\r\n\r\n/s.exec(text)?.[0];
  if (!head || !/\r\nconnection: close\r\n/i.test(head)) return false;
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  return length !== undefined && text.length === head.length + Number(length);
};

/** Long runs of one character as `a{70000}`. */
const shorten = (text: string): string =>
  text.replace(/(.)\1{39,}/gs, (run, character: string) => `${character}{${run.length}}`);

/** Sends the bytes, then asks once more, until the connection is closed. */
const exchange = async (port: number, bytes: string): Promise<string> => {
  const socket = connect({ port, host: LOOPBACK });
  let text = '';
  let asked = false;
  socket.on('error', () => {});
  socket.setEncoding('latin1').on('data', (data: string) => {
    text += data;
    if (isClosing(text)) socket.end();
    if (asked || !isFinal(text)) return;
    asked = true;
    socket.write(LAST);
  });
  socket.write(bytes, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
};

/** The answers that a client reads, the one to the last question left out. */
const readAnswers = (text: string, isHead: boolean): string[] => {
  const answers: string[] = [];
  try {
    for (let at = 0; at < text.length; ) {
      const bodyless = isHead && answers.length === 0;
      const next = readMessage(text, at, { closed: true, bodyless });
      if (!next) {
        answers.push(`${text.slice(at).split('\r\n', 1)[0]} … cut short`);
        break;
      }
      if (!next.text.endsWith('"last"')) answers.push(next.text);
      at = next.end;
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    answers.push(`malformed: ${error.message}`);
  }
  return answers;
};

const statusOf = (answer: string | undefined): string => answer?.split(' ')[1] ?? 'closed';

/** What a client has read, refusals as their status alone. */
const readBy = (text: string, isHead = false): string => {
  const texts = readAnswers(text, isHead).map((one) => (/^HTTP\/1.1 50[234] /.test(one) ? statusOf(one) : one));
  return shorten(texts.join(' ++ ')) || 'closed';
};

export interface StrictBench {
  /** What the backend read of these bytes; where it read nothing, the status of the answer, or `closed`. */
  request(engine: EngineName, bytes: string): Promise<string>;
  /**
   * As `request`, for frames behind an HTTP/2 preface and SETTINGS. `waits`: the case is about stream 1, which comes to an
   * end; else about the connection. Where it was not passed on: a status, `reset`, `closed` (the connection), `refuses` (what
   * is asked next), or `goes on`.
   */
  http2(engine: EngineName, bytes: string, waits: boolean): Promise<string>;
  /** What a client over HTTP/1 read of an answer that came over HTTP/2. */
  http2Answer(engine: EngineName, send: FramesOf): Promise<string>;
  /** What the client of these answers read. */
  answer(engine: EngineName, answer: RawAnswer, method: string): Promise<string>;
  close(): Promise<void>;
}

const HTTP2_HOST = 'http2.test';

const snapshotOf = (port: number, backend: number, http2Backend: number): Omit<Snapshot, 'revision'> => {
  const at = (to: number): Partial<Cluster> => ({
    discovery: {
      type: 'static',
      endpoints: [{ address: LOOPBACK, port: to, mesh: false, weight: 1, health: 'healthy' }],
    },
  });
  return gatewaySnapshot(
    port,
    [
      { name: 'http2', domains: [HTTP2_HOST], routes: [route({ action: forward(['http2', 1]) })] },
      { name: 'all', domains: ['*'], routes: [route({ action: forward(['backend', 1]) })] },
    ],
    [cluster('backend', at(backend)), cluster('http2', { ...at(http2Backend), protocol: 'http2' })],
  );
};

export const openStrictBench = async (): Promise<StrictBench> => {
  const backend = new Backend();
  const http2Backend = new Http2Backend();
  const port = await backend.open();
  const http2Port = await http2Backend.open();
  const engines = await openEnginePair((own) => snapshotOf(own, port, http2Port));
  return {
    async request(engine, bytes) {
      backend.begin();
      const answers = readAnswers(await exchange(engines.ports[engine], bytes), bytes.startsWith('HEAD'));
      const interim = answers.filter((answer) => /^HTTP\/1\.[01] 1/.test(answer)).length;
      const final = answers.length - interim;
      const { seen } = backend;
      const refused = final === seen.length && final > 0 ? [] : [statusOf(answers.at(-1))];
      return shorten([...seen, ...refused].join(' ++ '));
    },
    async http2(engine, bytes, waits) {
      backend.begin();
      const { stream, connection } = await exchangeHttp2(engines.ports[engine], bytes, waits);
      const seen = waits ? backend.seen : [];
      const refused = connection ?? (stream === '200' && seen.length > 0 ? undefined : stream);
      return shorten([...seen, refused].filter((part) => part !== undefined).join(' ++ ')) || 'goes on';
    },
    async http2Answer(engine, send) {
      http2Backend.begin(send);
      return readBy(await exchange(engines.ports[engine], `GET / HTTP/1.1\r\nhost: ${HTTP2_HOST}\r\n\r\n`));
    },
    async answer(engine, answer, method) {
      backend.begin(answer);
      const text = await exchange(engines.ports[engine], `${method} / HTTP/1.1\r\nhost: a\r\n\r\n`);
      return readBy(text, method === 'HEAD');
    },
    async close() {
      await engines.close();
      backend.close();
      http2Backend.close();
    },
  };
};
