// A reader that stalls never makes the proxy hold what it does not take: 2 GiB each way through `weft proxy` as users start
// it (bin/weft: the built form where it is up to date, else the sources), with the peak of its memory as the kernel saw it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { backend, gatewayOf, httpListener, openGatewayFolder, routeTo, stopGateway } from '../e2e/gateway.ts';
import { checkReader, MIB, Sender, SIZE_BYTES, StallingReader } from '../fakes/stalling-reader.ts';

const LOOPBACK = '127.0.0.1';
const MAX_PEAK_MIB = 150;

/** Looks for the end of the head, then hands the sizes of what follows to the reader. */
const makeTaker = (reader: StallingReader, onHead: (head: string) => void, onEnd: () => void) => {
  let head: string | undefined = '';
  return (bytes: number, buffer: Uint8Array, socket: Socket): void => {
    let size = bytes;
    if (head !== undefined) {
      head += Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      size = head.length - end - 4;
      onHead(head.slice(0, end));
      head = undefined;
    }
    if (reader.take(size, () => socket.resume())) socket.pause();
    if (reader.readBytes >= SIZE_BYTES) onEnd();
  };
};

const listen = async (t: TestContext, serve: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    serve(socket);
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** A gateway before the backend; the check of its memory ends it. */
const startGateway = async (t: TestContext, backendPort: number, protocol = 'http') => {
  const folder = await openGatewayFolder(t, 'weft');
  const port = await folder.freePort();
  folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('big', '/big'));
  folder.write('big.yaml', backend('big', backendPort, protocol));
  const running = await folder.serve(port);
  const stop = async () => {
    for (const { pid } of folder.processes()) {
      const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
      t.diagnostic(`peak of process ${pid}: ${peak.toFixed(0)} MiB`);
      assert.ok(peak <= MAX_PEAK_MIB, `the proxy took ${peak.toFixed(0)} MiB`);
    }
    await stopGateway(folder, running);
  };
  return { port, stop };
};

test('2 GiB to a client that stalls', { timeout: 120_000 }, async (t) => {
  const sender = new Sender();
  const reader = new StallingReader(sender);
  const backendPort = await listen(t, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE_BYTES}\r\n\r\n`);
      void sender.run(socket);
    });
  });
  const gateway = await startGateway(t, backendPort);
  await new Promise<void>((resolve, reject) => {
    const onHead = (head: string) => head.startsWith('HTTP/1.1 200 ') || reject(new Error(head));
    const take = makeTaker(reader, onHead, resolve);
    const callback = (bytes: number, buffer: Uint8Array) => {
      take(bytes, buffer, socket);
      return true;
    };
    const socket = connect({ port: gateway.port, host: LOOPBACK, onread: { buffer: Buffer.alloc(MIB), callback } });
    socket.on('error', reject).on('close', () => reject(new Error('closed early')));
    t.after(() => socket.destroy());
    socket.write('GET /big HTTP/1.1\r\nhost: a\r\n\r\n');
  });
  checkReader(reader);
  await gateway.stop();
});

test('2 GiB to a backend that stalls', { timeout: 120_000 }, async (t) => {
  const sender = new Sender();
  const reader = new StallingReader(sender);
  const backendPort = await listen(t, (socket) => {
    const done = () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
    const take = makeTaker(reader, () => {}, done);
    socket.on('data', (data: Buffer) => take(data.length, data, socket));
  });
  const gateway = await startGateway(t, backendPort);
  const socket = connect({ port: gateway.port, host: LOOPBACK });
  t.after(() => socket.destroy());
  socket.write(`POST /big HTTP/1.1\r\nhost: a\r\ncontent-length: ${SIZE_BYTES}\r\n\r\n`);
  const answered = once(socket, 'data');
  await sender.run(socket);
  const [answer] = (await answered) as [Buffer];
  assert.match(answer.toString('latin1'), /^HTTP\/1\.1 200 .*\r\n\r\ndone$/s);
  checkReader(reader);
  await gateway.stop();
});

/** A program of HTTP/2, and a client's stream to it through the gateway. */
const overHttp2 = async (t: TestContext, method: string, serve: (stream: ServerHttp2Stream) => void) => {
  const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => serve(stream.on('error', () => {})));
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  t.after(() => server.close());
  const gateway = await startGateway(t, (server.address() as AddressInfo).port, 'h2c');
  const session = connectHttp2(`http://${LOOPBACK}:${gateway.port}`);
  t.after(() => session.destroy());
  const stream = session.request({ ':method': method, ':path': '/big' }, { endStream: method === 'GET' });
  return { gateway, stream };
};

test('2 GiB to a client that stalls, over HTTP/2 all the way', { timeout: 120_000 }, async (t) => {
  const sender = new Sender();
  const reader = new StallingReader(sender);
  const { gateway, stream } = await overHttp2(t, 'GET', (at) => {
    at.respond({ ':status': 200, 'content-length': SIZE_BYTES });
    void sender.run(at).then(() => at.end());
  });
  stream.on('data', (data: Buffer) => {
    if (reader.take(data.length, () => stream.resume())) stream.pause();
  });
  await once(stream, 'end');
  checkReader(reader);
  await gateway.stop();
});

test('2 GiB to a backend that stalls, over HTTP/2 all the way', { timeout: 120_000 }, async (t) => {
  const sender = new Sender();
  const reader = new StallingReader(sender);
  const { gateway, stream } = await overHttp2(t, 'POST', (at) => {
    at.on('data', (data: Buffer) => {
      if (reader.take(data.length, () => at.resume())) at.pause();
    });
    at.on('end', () => at.end('done'));
  });
  await sender.run(stream);
  stream.end();
  assert.equal(String((await once(stream, 'data'))[0]), 'done');
  checkReader(reader);
  await gateway.stop();
});
