// Takes the PROXY protocol's header off a new connection, before anything else is read of it. Called by listener.ts.
import type { Socket } from 'node:net';
import type { Listener } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import { type Origin, parseProxyHeader } from './header.ts';

/**
 * Calls `onRead` once, with the socket paused and what came behind the header; destroys what sends no valid one in time.
 * Where it is optional a connection that sends something else, or nothing for so long, goes on without.
 */
export const readProxyHeader = (
  context: ProxyContext,
  socket: Socket,
  mode: NonNullable<Listener['proxyProtocol']>,
  onRead: (origin: Origin | undefined, rest: Buffer | undefined) => void,
): void => {
  let bytes: Buffer = Buffer.alloc(0);
  const done = (origin: Origin | undefined, rest: Buffer) => {
    stop();
    socket.pause();
    onRead(origin, rest.length > 0 ? rest : undefined);
  };
  const fail = (reason: string) => {
    stop();
    context.log.debug('a connection was closed for its PROXY protocol header', { reason, peer: socket.remoteAddress });
    socket.destroy();
  };
  const deadline = new Deadline(() => {
    if (mode === 'optional' && bytes.length === 0) done(undefined, bytes);
    else fail('it did not come in time');
  });
  const stop = () => {
    context.deadlines.remove(deadline);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', stop);
  };
  const onEnd = () => fail('the connection ended');
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const header = parseProxyHeader(bytes);
    if (header === 'more') return;
    if (header === 'invalid') fail('it is not valid');
    else if (header !== 'none') done(header.origin, bytes.subarray(header.lengthBytes));
    else if (mode === 'optional') done(undefined, bytes);
    else fail('there is none');
  };
  context.deadlines.set(deadline, context.deadlines.now() + context.limits.handshakeTimeoutMs);
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('close', stop);
  socket.resume();
};
