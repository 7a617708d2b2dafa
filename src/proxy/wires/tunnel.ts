// Passes bytes both ways between two wires: back-pressure, half-close, idle timeout. Called by exchange.ts and tcp.ts.
import { Deadline, type Deadlines } from '../deadlines.ts';
import type { Wire, WireUser } from './wire.ts';

export interface TunnelOptions {
  readonly idleTimeoutMs: number;
  /** Bytes of the client that were read before. */
  readonly fromClient: Buffer | undefined;
  readonly fromUpstream: Buffer | undefined;
  /** Called once, when both wires are closed. */
  readonly onDone: (result: TunnelResult) => void;
}

export interface TunnelResult {
  readonly received: number;
  readonly sent: number;
  readonly end: 'closed' | 'client-reset' | 'upstream-reset' | 'idle';
}

class Side implements WireUser {
  readonly wire: Wire;
  bytes = 0;
  isClosed = false;
  other!: Side;
  readonly #tunnel: Tunnel;

  constructor(tunnel: Tunnel, wire: Wire) {
    this.#tunnel = tunnel;
    this.wire = wire;
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    const { wire } = this.other;
    wire.pass(this.wire, buffer, start, end);
    if (wire.blocked) this.wire.pause();
    this.#tunnel.touch();
  }

  onEnd(): void {
    this.other.wire.end();
    this.#tunnel.touch();
  }

  onDrain(): void {
    this.other.wire.resume();
    this.#tunnel.touch();
  }

  onClose(error: Error | undefined): void {
    this.isClosed = true;
    this.#tunnel.closed(this, error);
  }
}

export class Tunnel {
  readonly #client: Side;
  readonly #upstream: Side;
  readonly #deadlines: Deadlines;
  readonly #deadline: Deadline;
  readonly #options: TunnelOptions;
  #end: TunnelResult['end'] = 'closed';
  #done = false;

  constructor(deadlines: Deadlines, client: Wire, upstream: Wire, options: TunnelOptions) {
    this.#deadlines = deadlines;
    this.#options = options;
    this.#client = new Side(this, client);
    this.#upstream = new Side(this, upstream);
    this.#client.other = this.#upstream;
    this.#upstream.other = this.#client;
    this.#deadline = new Deadline(() => {
      this.#end = 'idle';
      this.destroy();
    });
    this.touch();
    this.#start(this.#client, options.fromClient);
    this.#start(this.#upstream, options.fromUpstream);
  }

  #start(side: Side, early: Buffer | undefined): void {
    side.wire.user = side;
    if (early) {
      side.bytes += early.length;
      side.other.wire.writeBuffer(early);
    }
    if (side.wire.closed) side.onClose(undefined);
    else if (side.wire.ended) side.onEnd();
    else side.wire.resume();
  }

  touch(): void {
    if (!this.#done) this.#deadlines.set(this.#deadline, this.#deadlines.now() + this.#options.idleTimeoutMs);
  }

  destroy(): void {
    this.#client.wire.destroy();
    this.#upstream.wire.destroy();
  }

  closed(side: Side, error: Error | undefined): void {
    const { other } = side;
    if (error && this.#end === 'closed') this.#end = side === this.#client ? 'client-reset' : 'upstream-reset';
    if (!other.isClosed) {
      // After both have said their end the rest is still on its way out; after a reset nothing more can arrive.
      if (error || !side.wire.ended) other.wire.abort();
      else other.wire.end();
      return;
    }
    if (this.#done) return;
    this.#done = true;
    this.#deadlines.remove(this.#deadline);
    this.#options.onDone({ received: this.#client.bytes, sent: this.#upstream.bytes, end: this.#end });
  }
}
