// Looks at a new connection's first bytes: TLS or not, for which name; HTTP or not. Gives them back unread. Called by listener.ts.
import type { Socket } from 'node:net';
import type { ProxyContext } from '../context.ts';
import { parseClientHello, TLS_HANDSHAKE } from '../tls/client-hello.ts';
import { type FirstBytes, readFirstBytes } from './first-bytes.ts';
import { isHttpBytes } from './http-bytes.ts';

export interface FirstLook {
  readonly transport: 'tls' | 'plain';
  /** Empty where there is none. */
  readonly serverName: string;
  /** Absent: not known yet. */
  readonly isHttp?: boolean;
}

type Silence = FirstBytes<unknown>['silence'];

const PLAIN: FirstLook = { transport: 'plain', serverName: '' };

/** Calls `onLook` once, with the socket paused and everything that was read; destroys what sends no valid beginning in time. */
export const sniffTls = (
  context: ProxyContext,
  socket: Socket,
  early: Buffer | undefined,
  silence: Silence,
  onLook: (look: FirstLook, bytes: Buffer) => void,
): void =>
  readFirstBytes<FirstLook>(context, socket, early, {
    parse(bytes) {
      if (bytes[0] !== TLS_HANDSHAKE) return PLAIN;
      const hello = parseClientHello(bytes);
      if (hello === 'more') return hello;
      return hello === 'invalid' ? undefined : { transport: 'tls', serverName: hello.serverName };
    },
    onRead: onLook,
    silence,
  });

/** As `sniffTls`, of bytes in plain text, or decrypted ones. */
export const sniffHttp = (
  context: ProxyContext,
  socket: Socket,
  early: Buffer | undefined,
  silence: Silence,
  onLook: (isHttp: boolean, bytes: Buffer) => void,
): void =>
  readFirstBytes<boolean>(context, socket, early, {
    parse: (bytes) => isHttpBytes(bytes) ?? 'more',
    onRead: onLook,
    silence,
    late: false,
  });
