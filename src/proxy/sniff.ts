// Looks at a new connection's first bytes: TLS or not, for which name. Gives them back unread. Called by listener.ts.
import type { Socket } from 'node:net';
import { parseClientHello, TLS_HANDSHAKE } from './client-hello.ts';
import type { ProxyContext } from './context.ts';
import { Deadline } from './deadlines.ts';

export interface FirstLook {
  readonly transport: 'tls' | 'plain';
  /** Empty where there is none. */
  readonly serverName: string;
}

/** Calls `onLook` once, with the socket paused and everything that was read, `early` first; destroys what sends no valid beginning in time. */
export const sniff = (
  context: ProxyContext,
  socket: Socket,
  early: Buffer | undefined,
  onLook: (look: FirstLook, bytes: Buffer) => void,
): void => {
  let bytes: Buffer = Buffer.alloc(0);
  const deadline = new Deadline(() => socket.destroy());
  const stop = () => {
    context.deadlines.remove(deadline);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', stop);
  };
  const onEnd = () => socket.destroy();
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const hello = bytes[0] === TLS_HANDSHAKE ? parseClientHello(bytes) : undefined;
    if (hello === 'more') {
      socket.resume();
      return;
    }
    stop();
    if (hello === 'invalid') {
      socket.destroy();
      return;
    }
    socket.pause();
    onLook({ transport: hello ? 'tls' : 'plain', serverName: hello?.serverName ?? '' }, bytes);
  };
  context.deadlines.set(deadline, context.deadlines.now() + context.limits.handshakeTimeoutMs);
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('close', stop);
  if (early) onData(early);
  else socket.resume();
};
