// UDP clients and servers whose datagrams tests write and read themselves.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { until } from './raw-peer.ts';

export class UdpPeer {
  readonly socket: Socket;
  readonly port: number;
  /** Everything received so far, and from where. */
  readonly messages: { readonly data: Buffer; readonly from: RemoteInfo }[] = [];
  #taken = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    this.port = socket.address().port;
    socket.on('message', (data, from) => this.messages.push({ data, from }));
    socket.on('error', () => {});
  }

  send(data: string | Buffer, port: number, address = '127.0.0.1'): void {
    this.socket.send(data, port, address);
  }

  /** The next datagram that was not taken yet. */
  async take(): Promise<string> {
    const index = this.#taken++;
    await until(() => this.messages.length > index, `datagram ${index} comes`);
    return this.messages[index]!.data.toString('latin1');
  }

  close(): void {
    this.socket.close();
  }
}

/** On a port of the system's choice; `onMessage` answers. */
export const udpPeer = async (
  onMessage?: (data: Buffer, answer: (data: string | Buffer) => void) => void,
  port = 0,
): Promise<UdpPeer> => {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (data, from) => onMessage?.(data, (answer) => socket.send(answer, from.port, from.address)));
  return new UdpPeer(socket);
};

/** Answers everything with its name before it. */
export const udpEcho = (name: string): Promise<UdpPeer> =>
  udpPeer((data, answer) => answer(Buffer.concat([Buffer.from(`${name}:`), data])));
