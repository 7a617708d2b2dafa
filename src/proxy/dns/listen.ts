// The sockets of a resolver: UDP and TCP on one port, with bounds on what clients can hold. Opened by dns.ts.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { systemCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { framed } from './exchange.ts';
import { HEADER_BYTES } from './message.ts';
import type { Client } from './resolver.ts';

export type AnswerBytes = (bytes: Buffer, client: Client) => Promise<Buffer | undefined>;

const MAX_CONNECTIONS = 128;
/** Questions of one connection that wait; then it is not read on. */
const MAX_PIPELINED = 64;
/** Of answers that a client does not take. */
const MAX_UNSENT_BYTES = 262_144;
/** Without a whole question, or with answers that are not taken. */
const IDLE_MS = 10_000;
const PORT_TRIES = 20;

class TcpClient {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #answer: AnswerBytes;
  readonly #client: Client;
  #held: Buffer = Buffer.alloc(0);
  #waiting = 0;
  #idle: Timer | undefined;

  constructor(socket: Socket, clock: Clock, answer: AnswerBytes) {
    this.#socket = socket;
    this.#clock = clock;
    this.#answer = answer;
    this.#client = { address: socket.remoteAddress ?? '', transport: 'tcp' };
    socket.on('data', (bytes: Buffer) => {
      this.#held = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
      this.#read();
    });
    socket.on('drain', () => this.#read());
    socket.on('error', () => {});
    socket.on('close', () => this.#idle?.cancel());
    this.#restartIdle();
  }

  /** Takes whole questions out of what came, as many as may wait. */
  #read(): void {
    const socket = this.#socket;
    let isFull = this.#isFull;
    for (; !isFull && this.#held.length >= 2; isFull = this.#isFull) {
      const size = this.#held.readUInt16BE(0);
      if (size < HEADER_BYTES) {
        socket.destroy();
        return;
      }
      if (this.#held.length < 2 + size) break;
      const question = this.#held.subarray(2, 2 + size);
      this.#held = this.#held.subarray(2 + size);
      this.#restartIdle();
      void this.#serve(question);
    }
    if (isFull) socket.pause();
    else if (socket.isPaused()) socket.resume();
  }

  get #isFull(): boolean {
    return this.#waiting >= MAX_PIPELINED || this.#socket.writableLength >= MAX_UNSENT_BYTES;
  }

  async #serve(question: Buffer): Promise<void> {
    this.#waiting++;
    const answer = await this.#answer(question, this.#client).catch(() => undefined);
    this.#waiting--;
    if (this.#socket.destroyed) return;
    if (!answer) {
      this.#socket.destroy();
      return;
    }
    this.#socket.write(framed(answer));
    this.#restartIdle();
    this.#read();
  }

  #restartIdle(): void {
    this.#idle?.cancel();
    this.#idle = this.#clock.after(IDLE_MS, () => this.#socket.destroy());
  }
}

export interface BoundDns {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const listenTcp = (server: Server, address: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : port);
    });
  });

const bindUdp = (socket: UdpSocket, address: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });

const openOnce = async (
  { address, port }: { address: string; port: number },
  answer: AnswerBytes,
  clock: Clock,
  log: Log,
): Promise<BoundDns> => {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    new TcpClient(socket, clock, answer);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const bound = await listenTcp(server, address, port);
  try {
    await bindUdp(udp, address, bound);
  } catch (error) {
    server.close();
    udp.close();
    throw error;
  }
  let isOpen = true;
  udp.on('message', (bytes, { address: from, port: to }) => {
    void answer(bytes, { address: from, transport: 'udp' })
      .catch((error: unknown) => log.error('a question about a name could not be answered', { error }))
      .then((reply) => reply && isOpen && to > 0 && udp.send(reply, to, from, () => {}));
  });
  const onError = (error: Error) => log.warn('a socket of the resolver failed', { error });
  udp.on('error', onError);
  server.on('error', onError);
  return {
    address,
    port: bound,
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      udp.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

/** Port 0: any that is free for both. Throws what the system says of one that is not. */
export const listenDns = async (
  at: { address: string; port: number },
  answer: AnswerBytes,
  clock: Clock,
  log: Log,
): Promise<BoundDns> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openOnce(at, answer, clock, log);
    } catch (error) {
      // Free for TCP and taken for UDP.
      if (at.port !== 0 || systemCode(error) !== 'EADDRINUSE' || attempt >= PORT_TRIES) throw error;
    }
  }
};
