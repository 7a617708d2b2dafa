// One connection of a channel: made, watched, and the calls on it told when it is lost. Made by channel.ts.
import { connect as connectPlain, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, systemCode } from '../lib/errors.ts';
import type { RequestMessage } from '../proxy/http1/head.ts';
import { Http2Connection, type Http2Context } from '../proxy/http2/connection.ts';
import { SocketWire } from '../proxy/wires/socket-wire.ts';
import { NOBODY } from '../proxy/wires/wire.ts';
import { endOf, type OpenCall } from './call.ts';

export interface LinkTarget {
  readonly host: string;
  readonly port: number;
  /** Absent: plain text. */
  readonly tls: ConnectionOptions | undefined;
}

export interface LinkOwner {
  /** Calls can be begun, or more of them. */
  onRoom(): void;
  /** No call can be begun any more; those on it go on. */
  onLeaving(link: Link): void;
  /** Called once, last; before `onRoom` where it could not be made. */
  onLost(link: Link, reason: string): void;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A peer is asked so often whether it is there, and may take so long to answer. */
const PING_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;

export class Link {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #calls = new Set<OpenCall>();
  #connection: Http2Connection | undefined;
  #timer: Timer;

  constructor({ host, port, tls }: LinkTarget, context: Http2Context, clock: Clock, owner: LinkOwner) {
    this.#clock = clock;
    const target = { host, port, noDelay: true, allowHalfOpen: true };
    const socket = tls ? connectTls({ ...target, ...tls }) : connectPlain(target);
    this.#socket = socket;
    this.#timer = clock.after(CONNECT_TIMEOUT_MS, () =>
      socket.destroy(new Error('the connection was not made in time')),
    );
    let reason = 'the connection was lost';
    socket.once('error', (error) => {
      // Of several addresses that were tried, Node tells only that.
      reason = messageOf(error) || (systemCode(error) ?? reason);
    });
    socket.once('close', () => {
      this.#timer.cancel();
      for (const call of this.#calls) call.fail(endOf('UNAVAILABLE', reason));
      owner.onLost(this, reason);
    });
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      if (tls && (socket as TLSSocket).alpnProtocol !== 'h2')
        socket.destroy(new Error('the peer does not offer HTTP/2'));
      else this.#connected(context, owner);
    });
  }

  #connected(context: Http2Context, owner: LinkOwner): void {
    const wire = new SocketWire(this.#socket, NOBODY);
    const connection = new Http2Connection(wire, context, 'client', {
      onIdle: () => {},
      onGoingAway: () => owner.onLeaving(this),
      onMoreStreams: () => owner.onRoom(),
      onClosed: () => {},
    });
    wire.user = connection;
    this.#connection = connection;
    connection.start();
    this.#watch(connection);
    owner.onRoom();
  }

  #watch(connection: Http2Connection): void {
    this.#timer.cancel();
    this.#timer = this.#clock.after(PING_MS, () => {
      const askedAt = this.#clock.monotonic();
      connection.ping();
      this.#timer = this.#clock.after(PING_TIMEOUT_MS, () => {
        if (connection.heardAtMs >= askedAt) this.#watch(connection);
        else this.#socket.destroy(new Error('the peer does not answer to pings'));
      });
    });
  }

  /** False while there is no room for it. */
  begin(call: OpenCall, message: RequestMessage): boolean {
    const stream = this.#connection?.open(message, false, call);
    if (!stream) return false;
    this.#calls.add(call);
    call.begin(stream, () => this.#calls.delete(call));
    return true;
  }

  /** Ends it behind its calls; at once where it has none. */
  close(): void {
    if (this.#connection) this.#connection.goAway();
    else this.#socket.destroy();
  }
}
