// Node's HTTP/1.1 and HTTP/2 behind one shape, as client and as program, for tests that pair every version with every other.
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import * as h2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';

export const VERSIONS = ['http1', 'http2'] as const;
export type Version = (typeof VERSIONS)[number];

export interface Question {
  readonly method?: string;
  readonly host: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The status of each 1xx before it. */
  readonly interims: readonly number[];
}

export interface VersionClient {
  ask(question: Question): Promise<Reply>;
  /** Asks, and takes the question back as soon as `when` is there. */
  abandon(question: Question, when: Promise<unknown>): Promise<void>;
  /** Switches to WebSocket; the bytes behind it. */
  webSocket(question: Question): Promise<{ readonly stream: Duplex; readonly headers: Reply['headers'] }>;
  close(): void;
}

/** What a test of WebSocket says first; the answer to it is fixed by RFC 6455. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const SAMPLE_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const collect = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let body = '';
  stream.setEncoding('utf8');
  for await (const piece of stream) body += piece;
  return body;
};

const http1Client = (port: number, over?: Duplex): VersionClient => {
  const agent = new Agent({ keepAlive: over === undefined });
  if (over) agent.createConnection = () => over;
  const begin = ({ method = 'GET', host, path, headers, trailers }: Question) =>
    request({
      agent,
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: { host, ...headers, ...(trailers && { trailer: Object.keys(trailers).join() }) },
    });
  return {
    async ask(question) {
      const req = begin(question);
      const interims: number[] = [];
      req.on('information', ({ statusCode }) => interims.push(statusCode));
      const answered = once(req, 'response');
      if (question.headers?.expect) await once(req, 'continue');
      if (question.body !== undefined) req.write(question.body);
      if (question.trailers) req.addTrailers(question.trailers);
      req.end();
      const [res] = (await answered) as [IncomingMessage];
      const body = await collect(res);
      return { status: res.statusCode!, headers: res.headers, trailers: res.trailers, body, interims };
    },
    async abandon(question, when) {
      const req = begin(question).on('error', () => {});
      req.end();
      await when;
      req.destroy();
    },
    async webSocket(question) {
      const handshake = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
      const headers = { ...handshake, 'sec-websocket-key': SAMPLE_KEY, ...question.headers };
      const req = begin({ ...question, headers });
      req.end();
      const refused = once(req, 'response').then(([res]) => {
        throw new Error(`status ${(res as IncomingMessage).statusCode}`);
      });
      const [res, socket] = (await Promise.race([once(req, 'upgrade'), refused])) as [IncomingMessage, Duplex];
      return { stream: socket, headers: res.headers };
    },
    close: () => agent.destroy(),
  };
};

const http2Client = (port: number): VersionClient => {
  const session = h2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  const begin = ({ method = 'GET', host, path, headers, body, trailers }: Question) =>
    session.request(
      { ':method': method, ':authority': host, ':path': path, ...headers },
      { endStream: body === undefined && !trailers, waitForTrailers: trailers !== undefined },
    );
  return {
    async ask(question) {
      const stream = begin(question);
      const interims: number[] = [];
      let trailers: Reply['trailers'] = {};
      stream.on('headers', (got: h2.IncomingHttpHeaders & h2.IncomingHttpStatusHeader) =>
        interims.push(got[':status']!),
      );
      stream.on('trailers', (got: h2.IncomingHttpHeaders) => {
        trailers = got;
      });
      stream.on('wantTrailers', () => stream.sendTrailers({ ...question.trailers }));
      const answered = once(stream, 'response');
      if (question.headers?.expect) await once(stream, 'continue');
      if (question.body !== undefined) stream.write(question.body);
      stream.end();
      const [headers] = (await answered) as [h2.IncomingHttpHeaders & h2.IncomingHttpStatusHeader];
      const body = await collect(stream);
      return { status: headers[':status']!, headers, trailers, body, interims };
    },
    async abandon(question, when) {
      const stream = begin(question).on('error', () => {});
      await when;
      stream.close(h2.constants.NGHTTP2_CANCEL);
    },
    async webSocket({ host, path, headers }) {
      if (session.connecting) await once(session, 'connect');
      if (!session.remoteSettings.enableConnectProtocol) await once(session, 'remoteSettings');
      const stream = session.request(
        { ':method': 'CONNECT', ':protocol': 'websocket', ':authority': host, ':path': path, ...headers },
        { endStream: false },
      );
      const [got] = (await once(stream, 'response')) as [h2.IncomingHttpHeaders & h2.IncomingHttpStatusHeader];
      if (got[':status'] !== 200) throw new Error(`status ${got[':status']}`);
      return { stream, headers: got };
    },
    close: () => session.destroy(),
  };
};

/** `over`: a tunnel that leads there; of HTTP/1.1 alone. */
export const versionClient = (version: Version, port: number, over?: Duplex): VersionClient =>
  version === 'http1' ? http1Client(port, over) : http2Client(port);

/** CONNECT; the bytes inside. */
export const openTunnel = async (version: Version, port: number, authority: string): Promise<Duplex> => {
  if (version === 'http1') {
    const req = request({ port, host: '127.0.0.1', method: 'CONNECT', path: authority, agent: false }).end();
    const [res, socket] = (await once(req, 'connect')) as [IncomingMessage, Duplex];
    if (res.statusCode !== 200) throw new Error(`status ${res.statusCode}`);
    return socket.on('error', () => {});
  }
  const session = h2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
  stream.on('error', () => {}).on('close', () => session.destroy());
  const [headers] = (await once(stream, 'response')) as [h2.IncomingHttpStatusHeader];
  if (headers[':status'] !== 200) throw new Error(`status ${headers[':status']}`);
  return stream;
};

export interface Program {
  readonly port: number;
  /** Resolves when a request for this path has come. */
  asked(path: string): Promise<void>;
  /** Resolves when such a request was taken back. */
  abandoned(path: string): Promise<void>;
  close(): void;
}

/** Whom somebody waits for, whichever comes first. */
class Sightings {
  readonly #promises = new Map<string, { promise: Promise<void>; resolve: () => void }>();

  of(path: string) {
    const known = this.#promises.get(path) ?? Promise.withResolvers<void>();
    this.#promises.set(path, known);
    return known;
  }
}

type Act = (req: IncomingMessage, res: ServerResponse) => unknown;

const ACTS: Readonly<Record<string, Act>> = {
  async echo(req, res) {
    const body = await collect(req);
    const host = String(req.headers[':authority'] ?? req.headers.host);
    const answer = JSON.stringify({ version: req.httpVersion, method: req.method, url: req.url, host, body });
    const extra = { 'x-trailer': String(req.trailers['x-trailer'] ?? ''), 'x-te': String(req.headers.te ?? '') };
    res.writeHead(200, { 'content-length': answer.length, ...extra });
    res.end(answer);
  },
  async trailers(req, res) {
    await collect(req);
    // Node's HTTP/1 sends trailers only where they were announced.
    res.writeHead(200, req.httpVersion === '1.1' ? { trailer: 'x-end' } : {});
    res.write('body');
    res.addTrailers({ 'x-end': 'yes' });
    res.end();
  },
  hints(_req, res) {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' });
    res.writeHead(200);
    res.end('hinted');
  },
  nothing(_req, res) {
    res.writeHead(204);
    res.end();
  },
  cut(_req, res) {
    res.writeHead(200, { 'content-length': '100' });
    res.write('part', () => {
      if (res.stream) res.stream.close(h2.constants.NGHTTP2_INTERNAL_ERROR);
      else res.destroy();
    });
  },
};

declare module 'node:http' {
  interface ServerResponse {
    /** Of HTTP/2 alone. */
    readonly stream?: h2.ServerHttp2Stream;
  }
}

const echoUntilBye = (stream: Duplex): void => {
  stream
    .on('error', () => {})
    .on('data', (data: Buffer) => (String(data) === 'bye' ? stream.end(data) : stream.write(data)));
};

/** Answers by the first word of the path; `hang` never. */
export const openProgram = async (version: Version): Promise<Program> => {
  const asked = new Sightings();
  const abandoned = new Sightings();
  const serve: Act = (req, res) => {
    const path = req.url!;
    asked.of(path).resolve();
    res.on('close', () => {
      if (!res.writableEnded) abandoned.of(path).resolve();
    });
    return ACTS[path.split(/[/?]/)[1]!]?.(req, res);
  };
  const streams = new Set<{ destroy(): void }>();
  let server: Server;
  if (version === 'http1') {
    const http = createServer(serve);
    http.on('upgrade', (req, socket) => {
      const key = req.headers['sec-websocket-key'];
      const accept = key === SAMPLE_KEY ? SAMPLE_ACCEPT : 'of another key';
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\nx-key: ${key}\r\n\r\n`,
      );
      echoUntilBye(socket);
    });
    http.on('connection', (socket) => streams.add(socket));
    server = http;
  } else {
    const http2 = h2.createServer({ settings: { enableConnectProtocol: true } });
    http2.on('request', serve as unknown as (req: h2.Http2ServerRequest, res: h2.Http2ServerResponse) => void);
    http2.on('connect', (_req: unknown, { stream }: h2.Http2ServerResponse) => {
      stream.respond({ ':status': 200 });
      echoUntilBye(stream);
    });
    http2.on('session', (session) => streams.add(session));
    server = http2;
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked: (path) => asked.of(path).promise,
    abandoned: (path) => abandoned.of(path).promise,
    close() {
      for (const stream of streams) stream.destroy();
      server.close();
    },
  };
};
