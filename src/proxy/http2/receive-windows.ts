// How much the peer may send, on each stream and on all of them together: told in WINDOW_UPDATE as it is taken care of.
// Owned by connection.ts.
import { windowText } from './frames.ts';
import type { Outbox } from './outbox.ts';
import { CONNECTION_WINDOW, type Role, STREAM_WINDOW } from './settings.ts';
import type { Stream } from './stream.ts';

export class ReceiveWindows {
  readonly #role: Role;
  readonly #outbox: Outbox;
  /** Of the whole connection. */
  #left = CONNECTION_WINDOW;
  #uncredited = 0;
  #closed = false;

  constructor(role: Role, outbox: Outbox) {
    this.#role = role;
    this.#outbox = outbox;
  }

  /** So much has come; false where it is more than the connection takes. */
  use(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** So much is taken care of. */
  credit(stream: Stream | undefined, bytes: number): void {
    if (!stream?.paused) {
      this.#creditAll(bytes);
      if (stream) this.#creditOne(stream, bytes);
      return;
    }
    stream.withheld += bytes;
    // Streams to a server are of many clients: the one that reads slowly must not hold up the others.
    if (this.#role === 'client') this.#creditAll(bytes);
  }

  /** A stream is read again, or closed, of which so much was withheld. */
  resume(stream: Stream, withheld: number): void {
    if (this.#role === 'server') this.#creditAll(withheld);
    this.#creditOne(stream, withheld);
  }

  /** Nothing is read any more. */
  close(): void {
    this.#closed = true;
  }

  #creditAll(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited < CONNECTION_WINDOW / 4 || this.#closed) return;
    this.#outbox.add(windowText(0, this.#uncredited));
    this.#left += this.#uncredited;
    this.#uncredited = 0;
  }

  #creditOne(stream: Stream, bytes: number): void {
    if (stream.closed || stream.remoteEnded || this.#closed) return;
    stream.uncredited += bytes;
    if (stream.uncredited < STREAM_WINDOW / 2) return;
    this.#outbox.add(windowText(stream.id, stream.uncredited));
    stream.recvWindow += stream.uncredited;
    stream.uncredited = 0;
  }
}
