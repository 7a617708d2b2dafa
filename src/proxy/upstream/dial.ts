// Opens connections to endpoints: plain, TLS, or mutual TLS with the exact identity checked. Called by pool.ts and tcp.ts.
import { connect as connectPlain, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import { altNamesIn, valuesOf } from '../../lib/alt-names.ts';
import { WeftError } from '../../lib/errors.ts';
import type { Svid, SvidSource } from '../../model/identity.ts';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';
import { Deadline, type Deadlines } from '../deadlines.ts';
import { encodeProxyHeader, NO_ORIGIN, type Origin } from '../proxy-protocol/header.ts';
import type { UpstreamTlsContexts } from '../tls/upstream-tls.ts';
import { ReadBuffer, SocketWire } from '../wires/socket-wire.ts';
import type { Wire, WireUser } from '../wires/wire.ts';

const READ_BUFFER_BYTES = 65_536;

export interface DialResult {
  onConnected(wire: Wire): void;
  /** `timeout` where the connect timeout passed. */
  onFailed(error: Error, timeout: boolean): void;
}

/** What is offered over TLS. Where the peer agrees on nothing, HTTP/1.1 is spoken, but not HTTP/2. */
const ALPN = { http1: 'http/1.1', http2: 'h2' } as const;

/** Stops a dial whose result nobody wants; the result is then not called. */
export type CancelDial = () => void;

/** Whose bytes the connection is to carry. */
export interface DialPurpose {
  /** The version of HTTP that is spoken over it, and offered over TLS; absent: a client's bytes, whatever they are. */
  readonly http?: 'http1' | 'http2';
  /** The client's connection, for a PROXY protocol header. */
  readonly origin: Origin | undefined;
}

export interface Dialer {
  dial(endpoint: Endpoint, cluster: Cluster, purpose: DialPurpose, user: WireUser, result: DialResult): CancelDial;
}

/** The own side of mutual TLS, made anew when the SVID is renewed. */
class ClientContext {
  readonly #source: SvidSource;
  #svid: Svid | undefined;
  #context: SecureContext | undefined;

  constructor(source: SvidSource) {
    this.#source = source;
  }

  get(): SecureContext {
    const svid = this.#source.current();
    if (svid !== this.#svid || !this.#context) {
      this.#context = createSecureContext({
        key: svid.keyPem,
        cert: svid.chainPem,
        ca: svid.bundlePem,
        minVersion: 'TLSv1.2',
      });
      this.#svid = svid;
    }
    return this.#context;
  }
}

const checkIdentity =
  (expected: string) =>
  (_host: string, certificate: PeerCertificate): Error | undefined => {
    const uris = valuesOf(altNamesIn(certificate.subjectaltname), 'URI');
    if (uris.length === 1 && uris[0] === expected) return undefined;
    return new WeftError('PEER_IDENTITY', `expected the peer ${expected}, but it is ${uris.join(', ') || 'nameless'}`);
  };

const placeOf = ({ address, port }: Endpoint): string => `${address} ${port}`;

interface Opened {
  readonly socket: Socket;
  /** Undefined where Node can't read into it: TLS over a socket of one's own. */
  readonly readBuffer: ReadBuffer | undefined;
}

export const openDialer = (
  deadlines: Deadlines,
  svid: SvidSource | undefined,
  servers: UpstreamTlsContexts,
): Dialer => {
  const context = svid ? new ClientContext(svid) : undefined;

  /** Undefined: plain text. */
  const tlsOptions = (endpoint: Endpoint, cluster: Cluster): ConnectionOptions | undefined => {
    const { tls } = cluster;
    if (tls.mode === 'simple') return servers.optionsFor(cluster, tls, placeOf(endpoint));
    if (tls.mode === 'none' || !endpoint.mesh) return undefined;
    if (!context) throw new WeftError('NO_IDENTITY', 'this proxy has no identity yet, so it can not call mesh peers');
    if (!endpoint.identity) throw new WeftError('PEER_IDENTITY', 'the endpoint has no identity to be checked against');
    return {
      secureContext: context.get(),
      servername: tls.sni,
      rejectUnauthorized: true,
      checkServerIdentity: checkIdentity(endpoint.identity),
    };
  };

  const open = (endpoint: Endpoint, cluster: Cluster, { http, origin }: DialPurpose): Opened => {
    const readBuffer = new ReadBuffer(READ_BUFFER_BYTES);
    const { address: host, port } = endpoint;
    const target = { host, port, noDelay: true, allowHalfOpen: true, onread: readBuffer.onread };
    const header = cluster.proxyProtocol && encodeProxyHeader(cluster.proxyProtocol, origin ?? NO_ORIGIN);
    const secure = tlsOptions(endpoint, cluster);
    if (!secure) {
      const socket = connectPlain(target);
      if (header) socket.write(header);
      return { socket, readBuffer };
    }
    const own = http && ALPN[http];
    const alpn = (cluster.tls.mode === 'simple' && cluster.tls.alpn) || (own ? [own] : []);
    const options = { ...secure, ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }) };
    const { onread: _, ...rest } = target;
    let over: Socket | undefined;
    if (header) {
      over = connectPlain(rest);
      over.write(header);
    }
    const socket = connectTls(over ? { ...options, socket: over } : { ...target, ...options });
    if (cluster.tls.mode === 'simple') servers.follow(cluster, cluster.tls, placeOf(endpoint), socket);
    return { socket, readBuffer: over ? undefined : readBuffer };
  };

  return {
    dial(endpoint, cluster, purpose, user, result) {
      let opened: Opened;
      try {
        opened = open(endpoint, cluster, purpose);
      } catch (error) {
        // Told later, as every other failure: the caller isn't ready for it yet.
        let canceled = false;
        queueMicrotask(() => {
          if (!canceled) result.onFailed(error as Error, false);
        });
        return () => {
          canceled = true;
        };
      }
      const { socket, readBuffer } = opened;
      const deadline = new Deadline(() => fail(new Error('the connection was not made in time'), true));
      const stop = () => {
        deadlines.remove(deadline);
        socket.off('error', onError);
        socket.off('close', onClose);
        socket.off('connect', onConnect);
        socket.off('secureConnect', onConnect);
      };
      const fail = (error: Error, timeout: boolean) => {
        stop();
        socket.on('error', () => {});
        socket.destroy();
        result.onFailed(error, timeout);
      };
      const onError = (error: Error) => fail(error, false);
      const onClose = () => fail(new Error('the peer closed the connection'), false);
      const onConnect = () => {
        if (purpose.http === 'http2' && 'alpnProtocol' in socket && socket.alpnProtocol !== 'h2') {
          fail(new WeftError('PEER_PROTOCOL', 'the peer does not offer HTTP/2'), false);
          return;
        }
        stop();
        result.onConnected(new SocketWire(socket, user, readBuffer));
      };
      socket.once('error', onError);
      socket.once('close', onClose);
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnect);
      deadlines.set(deadline, deadlines.now() + cluster.connectTimeoutMs);
      return () => {
        stop();
        socket.on('error', () => {});
        socket.destroy();
      };
    },
  };
};
