// The clients of the soak: each a loop that does one thing again and again, checks what comes back, and says what it did not
// expect. Some reset their connections on purpose.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { request as requestSecurely, Agent as SecureAgent } from 'node:https';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChannelOptions, Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { ECHO, LARGE_BYTES } from './programs.ts';
import type { Doors } from './proxies.ts';

const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 200_000;
const LIMIT_MS = 20_000;

export type Loop = { readonly name: string; once(): Promise<void>; close(): void };

const hashOf = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');
const anyBody = (): Buffer => randomBytes(randomInt(MAX_BODY_BYTES));

/** What must be the same. */
const expect = (what: string, got: unknown, wanted: unknown): void => {
  if (got !== wanted) throw new Error(`${what}: got ${String(got)}, expected ${String(wanted)}`);
};

const bytesOf = async (stream: AsyncIterable<unknown>): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
};

const http1 = (name: string, port: number, tls: boolean): Loop => {
  const agent = tls
    ? new SecureAgent({ keepAlive: true, maxSockets: 4 })
    : new Agent({ keepAlive: true, maxSockets: 4 });
  const ask = async (options: RequestOptions, body?: Buffer): Promise<{ status: number; body: Buffer }> => {
    const target = { host: HOST, port, agent, rejectUnauthorized: false, timeout: LIMIT_MS, ...options };
    const call = tls ? requestSecurely(target) : request(target);
    call.end(body);
    const [response] = await once(call, 'response');
    return { status: response.statusCode, body: await bytesOf(response) };
  };
  const turns = [
    async () => expect('GET', (await ask({ path: '/small' })).body.toString(), 'hello'),
    async () => expect('HEAD', (await ask({ path: '/small', method: 'HEAD' })).body.length, 0),
    async () => expect('a large answer', (await ask({ path: '/large' })).body.length, LARGE_BYTES),
    async () => {
      const body = anyBody();
      const answer = await ask({ path: '/echo', method: 'POST' }, body);
      expect('the status of an echo', answer.status, 200);
      expect('an echo', hashOf(answer.body), hashOf(body));
    },
    async () => {
      const body = anyBody();
      const headers = { 'transfer-encoding': 'chunked' };
      expect(
        'an echo in chunks',
        hashOf((await ask({ path: '/echo', method: 'PUT', headers }, body)).body),
        hashOf(body),
      );
    },
    async () => expect('a program that resets', (await ask({ path: '/reset', method: 'POST' })).status, 503),
    async () => {
      const cut = await ask({ path: '/half' }).then(
        () => 'whole',
        () => 'cut',
      );
      expect('a program that resets within its answer', cut, 'cut');
    },
  ];
  let turn = 0;
  return { name, once: () => turns[turn++ % turns.length]!(), close: () => agent.destroy() };
};

/** Sends half a request or reads half an answer, then resets. */
const rude = (name: string, port: number): Loop => ({
  name,
  async once() {
    const socket = connect(port, HOST);
    socket.on('error', () => {});
    await once(socket, 'connect');
    const heads = [
      'GET /small HTTP/1.1\r\nhost: a',
      'POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nabc',
      'GET /large HTTP/1.1\r\nhost: a\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
      'nonsense\r\n\r\n',
    ];
    socket.write(heads[randomInt(heads.length)]!, 'latin1');
    await sleep(randomInt(20));
    socket.resetAndDestroy();
  },
  close() {},
});

const webSocket = (name: string, port: number): Loop => ({
  name,
  async once() {
    const socket = connect({ port, host: HOST });
    try {
      const key = randomBytes(16).toString('base64');
      const fields = ['host: a', 'connection: Upgrade', 'upgrade: websocket', `sec-websocket-key: ${key}`];
      socket.write(`GET /chat HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
      const [head] = await once(socket, 'data');
      expect('the answer to an upgrade', String(head).slice(0, 12), 'HTTP/1.1 101');
      await echoes(socket);
    } finally {
      socket.destroy();
    }
  },
  close() {},
});

/** Three messages each way. */
const echoes = async (stream: Socket | ClientHttp2Stream): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    const sent = randomBytes(1 + randomInt(2000));
    stream.write(sent);
    let got = Buffer.alloc(0);
    while (got.length < sent.length) got = Buffer.concat([got, (await once(stream, 'data'))[0]]);
    expect('an echo through a tunnel', hashOf(got), hashOf(sent));
  }
};

const tcp = (name: string, port: number): Loop => ({
  name,
  async once() {
    const socket = connect({ port, host: HOST, allowHalfOpen: true });
    try {
      const sent = anyBody();
      socket.end(sent);
      expect('bytes over TCP, after a half-close', hashOf(await bytesOf(socket)), hashOf(sent));
    } finally {
      socket.destroy();
    }
  },
  close() {},
});

/** One connection for a while, several streams at once. */
const http2 = (name: string, url: string): Loop => {
  let session: ClientHttp2Session | undefined;
  let used = 0;
  const current = async (): Promise<ClientHttp2Session> => {
    if (session && !session.closed && !session.destroyed && used++ < 40) return session;
    session?.close();
    used = 0;
    session = connectHttp2(url, { rejectUnauthorized: false });
    session.on('error', () => {});
    await once(session, 'remoteSettings');
    return session;
  };
  const ask = async (on: ClientHttp2Session, path: string, body?: Buffer): Promise<Buffer> => {
    const stream = on.request({ ':path': path, ':method': body ? 'POST' : 'GET' });
    stream.setTimeout(LIMIT_MS, () => stream.close(constants.NGHTTP2_CANCEL));
    const pieces: Buffer[] = [];
    let isWhole = false;
    // Listened to from the start: what comes at once with the head would be missed by an iterator.
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => {
      isWhole = true;
    });
    stream.end(body);
    const [headers] = await once(stream, 'response');
    expect(`the status of ${path}`, headers[':status'], 200);
    if (!stream.closed) await once(stream, 'close');
    if (!isWhole) throw new Error(`the answer to ${path} broke off`);
    return Buffer.concat(pieces);
  };
  const cancel = async (on: ClientHttp2Session): Promise<void> => {
    const stream = on.request({ ':path': '/large' });
    stream.on('error', () => {});
    await once(stream, 'response');
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
  };
  const tunnel = async (on: ClientHttp2Session): Promise<void> => {
    const stream = on.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat',
      ':scheme': 'http',
      ':authority': 'a',
    });
    const [headers] = await once(stream, 'response');
    expect('the answer to an extended CONNECT', headers[':status'], 200);
    await echoes(stream);
    stream.close();
  };
  const small = async (on: ClientHttp2Session): Promise<void> =>
    expect('GET over HTTP/2', (await ask(on, '/small')).toString(), 'hello');
  const echo = async (on: ClientHttp2Session): Promise<void> => {
    const body = anyBody();
    expect('an echo over HTTP/2', hashOf(await ask(on, '/echo', body)), hashOf(body));
  };
  return {
    name,
    async once() {
      const on = await current();
      const all = await Promise.allSettled([small, small, echo, echo, cancel, tunnel].map((turn) => turn(on)));
      for (const one of all) if (one.status === 'rejected') throw one.reason;
    },
    close: () => session?.destroy(),
  };
};

const grpc = (name: string, address: string, options: ChannelOptions = {}): Loop => {
  const client = new Client(address, credentials.createInsecure(), options);
  const same = (bytes: Buffer): Buffer => bytes;
  const unary = (path: string, message: Buffer, deadlineMs: number): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const call = { deadline: Date.now() + deadlineMs };
      client.makeUnaryRequest(path, same, same, message, call, (error, bytes) =>
        error ? reject(error) : resolve(bytes!),
      );
    });
  const codeOf = (call: Promise<unknown>): Promise<number> =>
    call.then(
      () => status.OK,
      (error: ServiceError) => error.code,
    );
  const chat = async (): Promise<void> => {
    const call = client.makeBidiStreamRequest(ECHO.chat.path, same, same, { deadline: Date.now() + LIMIT_MS });
    for (let i = 0; i < 5; i++) {
      const sent = randomBytes(randomInt(5000));
      call.write(sent);
      const [got] = await once(call, 'data');
      expect('an echo of gRPC', hashOf(got), hashOf(sent));
    }
    call.end();
    call.resume();
    const [{ code }] = await once(call, 'status');
    expect('the status of a stream of gRPC', code, status.OK);
  };
  const turns = [
    async () => {
      const sent = randomBytes(randomInt(50_000));
      expect('a unary call', hashOf(await unary(ECHO.unary.path, sent, LIMIT_MS)), hashOf(sent));
    },
    chat,
    async () => expect('a status', await codeOf(unary(ECHO.missing.path, Buffer.alloc(0), LIMIT_MS)), status.NOT_FOUND),
    async () =>
      expect('a deadline', await codeOf(unary(ECHO.hang.path, Buffer.alloc(0), 60)), status.DEADLINE_EXCEEDED),
  ];
  let turn = 0;
  return { name, once: () => turns[turn++ % turns.length]!(), close: () => client.close() };
};

export const openLoops = ({ plain, secure, tcp: tcpPort }: Doors): Loop[] => [
  http1('HTTP/1.1', plain, false),
  http1('HTTP/1.1 over TLS', secure, true),
  http2('h2c', `http://${HOST}:${plain}`),
  http2('HTTP/2 over TLS', `https://${HOST}:${secure}`),
  grpc('gRPC', `${HOST}:${plain}`),
  webSocket('WebSocket', plain),
  tcp('TCP', tcpPort),
  rude('resets', plain),
];
