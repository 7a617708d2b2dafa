// Takes the PROXY protocol's header off a new connection, before anything else is read of it. Called by listener.ts.
import type { Socket } from 'node:net';
import type { Listener } from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { readFirstBytes } from '../listen/first-bytes.ts';
import { type Origin, type ProxyHeader, parseProxyHeader } from './header.ts';

const NO_HEADER: ProxyHeader = { lengthBytes: 0, origin: undefined };

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
  const { handshakeTimeoutMs } = context.limits;
  const silence = { afterMs: handshakeTimeoutMs, onSilence: () => onRead(undefined, undefined) };
  readFirstBytes<ProxyHeader>(context, socket, undefined, {
    parse(bytes) {
      const header = parseProxyHeader(bytes);
      if (typeof header === 'object' || header === 'more') return header;
      if (header === 'none' && mode === 'optional') return NO_HEADER;
      const peer = socket.remoteAddress;
      context.log.debug('a connection was closed for its PROXY protocol header', { found: header, peer });
      return undefined;
    },
    onRead({ origin, lengthBytes }, bytes) {
      const rest = bytes.subarray(lengthBytes);
      onRead(origin, rest.length > 0 ? rest : undefined);
    },
    silence: mode === 'optional' ? silence : undefined,
  });
};
