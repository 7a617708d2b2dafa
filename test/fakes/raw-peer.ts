// A TCP client and a TCP server whose bytes tests write and read themselves; and waiting for what must become true.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

const TIMEOUT_MS = 10_000;

/** Resolves when `check` holds; looked at again and again, as nothing tells of it. */
export const until = async (check: () => boolean, what: string | (() => string)): Promise<void> => {
  const end = Date.now() + TIMEOUT_MS;
  while (!check()) {
    if (Date.now() > end) throw new Error(`waited in vain until ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

export class RawPeer {
  readonly socket: Socket;
  /** Everything received so far. */
  text = '';
  ended = false;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (data) => {
      this.text += data;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('error', () => {});
  }

  write(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  end(): this {
    this.socket.end();
    return this;
  }

  /** Waits for a text, then takes everything up to its end away and returns it. */
  async take(wanted: string): Promise<string> {
    await until(
      () => this.text.includes(wanted) || this.closed,
      () => `${JSON.stringify(wanted)} comes; so far: ${JSON.stringify(this.text.slice(-500))}`,
    );
    const at = this.text.indexOf(wanted);
    if (at < 0) throw new Error(`closed without ${JSON.stringify(wanted)}: ${JSON.stringify(this.text)}`);
    const taken = this.text.slice(0, at + wanted.length);
    this.text = this.text.slice(at + wanted.length);
    return taken;
  }

  /** Everything until the end of the connection. */
  async rest(): Promise<string> {
    await until(
      () => this.ended || this.closed,
      () => `the connection ends; so far: ${JSON.stringify(this.text.slice(-500))}`,
    );
    return this.text;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export const rawClient = async (port: number): Promise<RawPeer> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return new RawPeer(socket);
};

export interface RawServer {
  readonly port: number;
  readonly peers: RawPeer[];
  /** The n-th connection, from 0, once it is there. */
  peer(index: number): Promise<RawPeer>;
  close(): Promise<void>;
}

export const rawServer = async (onPeer: (peer: RawPeer) => void = () => {}): Promise<RawServer> => {
  const peers: RawPeer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    onPeer(peer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    async peer(index) {
      await until(() => peers.length > index, `connection ${index} comes`);
      return peers[index]!;
    },
    close: () =>
      new Promise((resolve) => {
        for (const peer of peers) peer.destroy();
        server.close(() => resolve());
      }),
  };
};
