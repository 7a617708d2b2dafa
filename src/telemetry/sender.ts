// Sends a proxy's TrafficEvents to the control plane. Runs in the proxy's process, so: batches, a bounded queue, no waiting.
import type { Call } from '../grpc/call.ts';
import { type Channel, type ChannelTls, openChannel } from '../grpc/channel.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { backoffMs, type Random } from '../lib/random.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { ProxyNode } from '../model/node.ts';
import { Ring } from './ring.ts';
import { EVENTS_PATH, encodeBatch, MAX_BATCH } from './wire.ts';

export interface EventSenderOptions {
  /** `host:port`. */
  readonly address: string;
  /** Asked on each connection, so that a renewed certificate is used. Undefined as answer: not yet, try again later. */
  readonly tls: () => ChannelTls | undefined;
  readonly node: ProxyNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Events that wait at most, while the control plane is slow or away. */
  readonly capacity?: number;
}

export interface EventSender {
  /** Never blocks, never throws. */
  add(event: TrafficEvent): void;
  /** The same for events that are JSON already. */
  addEncoded(events: readonly string[]): void;
  /** Events given, sent, and lost for want of room. */
  stats(): { readonly queued: number; readonly sent: number; readonly dropped: number };
  /** Sends what is waiting if it is connected, for `timeoutMs` at most, and ends. */
  close(timeoutMs?: number): Promise<void>;
}

const BATCH_MS = 100;
const CAPACITY = 10_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;

class BatchingSender implements EventSender {
  readonly #options: EventSenderOptions;
  readonly #queue: Ring<TrafficEvent | string>;
  #channel: Channel | undefined;
  #call: Call | undefined;
  /** False until the control plane has let the stream in, and while its buffers are full. */
  #writable = false;
  #flush: Timer | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #sent = 0;
  #dropped = 0;
  #reportedDrops = 0;
  #closed: (() => void) | undefined;
  #closing = false;
  #warned = false;

  constructor(options: EventSenderOptions) {
    this.#options = options;
    this.#queue = new Ring(options.capacity ?? CAPACITY);
    this.#connect();
  }

  add(event: TrafficEvent): void {
    this.#push(event);
  }

  addEncoded(events: readonly string[]): void {
    for (const event of events) this.#push(event);
  }

  #push(event: TrafficEvent | string): void {
    if (this.#closing) return;
    if (this.#queue.push(event)) this.#dropped++;
    if (!this.#writable) return;
    if (this.#queue.length >= MAX_BATCH) this.#write();
    else this.#flush ??= this.#options.clock.after(BATCH_MS, () => this.#write());
  }

  stats() {
    return { queued: this.#queue.length, sent: this.#sent, dropped: this.#dropped };
  }

  close(timeoutMs = 1_000): Promise<void> {
    this.#closing = true;
    this.#retry?.cancel();
    const call = this.#call;
    if (!call || !this.#writable) {
      this.#drop();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(timeoutMs, () => this.#drop(), true);
      this.#closed = () => {
        timer.cancel();
        resolve();
      };
      this.#write();
      call.end();
    });
  }

  #openChannel(): Channel {
    const { address, tls, clock } = this.#options;
    const proof = tls();
    if (proof) return openChannel({ address, tls: proof, maxMessageBytes: MAX_ANSWER_BYTES, clock });
    throw new WeftError('TELEMETRY_UNPROVEN', 'there is no certificate yet');
  }

  #connect(): void {
    let channel: Channel;
    try {
      channel = this.#openChannel();
    } catch (error) {
      this.#reconnectLater(messageOf(error));
      return;
    }
    this.#channel = channel;
    const call = channel.stream(EVENTS_PATH, {
      // It listens from then on; what was written before might be lost.
      onStarted: () => this.#call === call && this.#established(),
      onDrain: () => this.#call === call && this.#resume(),
      onEnd: ({ details }) =>
        this.#call === call && this.#reconnectLater(details || 'the control plane ended the stream'),
    });
    this.#call = call;
    call.write(encodeBatch({ node: this.#options.node.id, events: [] }));
  }

  #established(): void {
    this.#failures = 0;
    this.#warned = false;
    this.#resume();
  }

  #resume(): void {
    this.#writable = true;
    if (this.#queue.length > 0) this.#write();
  }

  #write(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    while (this.#writable && this.#call && this.#queue.length > 0) {
      const events = this.#queue.take(MAX_BATCH);
      const dropped = this.#dropped - this.#reportedDrops;
      this.#reportedDrops = this.#dropped;
      this.#sent += events.length;
      // When the control plane is slow, events stay in the queue, whose bound is ours.
      this.#writable = this.#call.write(encodeBatch({ events, ...(dropped && { dropped }) }));
    }
  }

  #reconnectLater(reason: string): void {
    const { clock, random, log, address } = this.#options;
    this.#drop();
    if (this.#closing) return;
    const delayMs = backoffMs(random, this.#failures++, FIRST_DELAY_MS, MAX_DELAY_MS);
    this.#retry = clock.after(delayMs, () => this.#connect());
    if (this.#warned) return;
    this.#warned = true;
    log.debug('traffic events wait: no stream to the control plane', { address, reason });
  }

  #drop(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    const call = this.#call;
    this.#call = undefined;
    this.#writable = false;
    call?.cancel();
    this.#channel?.close();
    this.#channel = undefined;
    this.#closed?.();
  }
}

/** Connects by itself, now and whenever the connection is lost. */
export const openEventSender = (options: EventSenderOptions): EventSender => new BatchingSender(options);
