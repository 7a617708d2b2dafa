// The programs behind the proxies of the soak: HTTP/1.1 with WebSocket, gRPC, and plain TCP. All of them echo.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Server as GrpcServer, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { Programs } from './proxies.ts';

/** RFC 6455, 1.3 */
const WEBSOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LOOPBACK = '127.0.0.1';
export const LARGE_BYTES = 300_000;
const LARGE = Buffer.alloc(LARGE_BYTES, 'weft');

const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
});

export const ECHO = {
  unary: method('/soak.Echo/Unary', false, false),
  chat: method('/soak.Echo/Chat', true, true),
  missing: method('/soak.Echo/Missing', false, false),
  hang: method('/soak.Echo/Hang', false, false),
} satisfies ServiceDefinition;

const answer = (request: IncomingMessage, response: ServerResponse): void => {
  const { pathname } = new URL(request.url ?? '/', 'http://program');
  if (pathname === '/reset') request.socket.destroy();
  else if (pathname === '/half') {
    response.writeHead(200, { 'content-length': LARGE_BYTES });
    response.write(LARGE.subarray(0, 1000), () => request.socket.destroy());
  } else if (pathname === '/large') response.end(LARGE);
  else if (pathname === '/echo') request.pipe(response);
  else response.end('hello');
};

const openHttp = () => {
  const server = createHttpServer({ keepAliveTimeout: 10_000 }, answer);
  server.on('upgrade', ({ headers }, socket, head) => {
    socket.on('error', () => socket.destroy());
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${WEBSOCKET}`).digest('base64');
    const fields = ['connection: Upgrade', 'upgrade: websocket', `sec-websocket-accept: ${accept}`];
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join('\r\n')}\r\n\r\n`);
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  return server;
};

const openTcp = (): Server =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });

const openGrpc = async () => {
  const server = new GrpcServer();
  server.addService(ECHO, {
    unary: (call: { request: Buffer }, done: (error: null, bytes: Buffer) => void) => done(null, call.request),
    chat: (call: NodeJS.ReadWriteStream) => {
      call.on('data', (bytes) => call.write(bytes));
      call.on('end', () => call.end());
      call.on('error', () => {});
    },
    missing: (_call: unknown, done: (error: object) => void) =>
      done({ code: status.NOT_FOUND, details: 'not here: ü' }),
    hang: () => {},
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${LOOPBACK}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { server, port };
};

export const openPrograms = async (): Promise<{ ports: Programs; close(): void }> => {
  const [http, tcp] = [openHttp(), openTcp()];
  for (const server of [http, tcp]) {
    server.listen(0, LOOPBACK);
    await once(server, 'listening');
  }
  const grpc = await openGrpc();
  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  return {
    ports: { http: portOf(http), tcp: portOf(tcp), grpc: grpc.port },
    close() {
      http.close();
      http.closeAllConnections();
      tcp.close();
      grpc.server.forceShutdown();
    },
  };
};
