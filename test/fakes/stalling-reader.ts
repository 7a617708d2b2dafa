// Much to send, and a reader that stops again and again until the sender is held up. For the tests of back-pressure.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';

export const MIB = 1024 * 1024;
export const SIZE_BYTES = 2048 * MIB;
const STALL_EVERY_BYTES = 256 * MIB;
/** The largest that the kernel makes the receive or send buffer of a TCP socket. */
const largestBuffer = (name: 'tcp_rmem' | 'tcp_wmem'): number =>
  Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2]);
/** The socket buffers of both hops, and little in the proxy. A proxy that buffers would take hundreds of MiB. */
const MAX_UNDER_WAY_BYTES = 2 * (largestBuffer('tcp_rmem') + largestBuffer('tcp_wmem')) + 16 * MIB;
/** So long nothing was taken any more when a sender counts as held up. */
const QUIET_MS = 60;

/** Sends as much as the socket takes. */
export class Sender {
  sentBytes = 0;
  readonly #piece = Buffer.alloc(MIB);

  async run(to: Writable): Promise<void> {
    let queued = 0;
    while (queued < SIZE_BYTES && !to.destroyed) {
      const size = Math.min(MIB, SIZE_BYTES - queued);
      queued += size;
      const isTaken = to.write(this.#piece.subarray(0, size), () => {
        this.sentBytes += size;
      });
      if (!isTaken) await once(to, 'drain');
    }
  }
}

/** Reads everything, stops again and again until the sender is held up, and notes how much is under way then. */
export class StallingReader {
  readBytes = 0;
  underWayBytes = 0;
  stalls = 0;
  readonly #sender: Sender;
  #stallAt = STALL_EVERY_BYTES;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** True when the caller has to pause; `resume` is called when it may go on. */
  take(bytes: number, resume: () => void): boolean {
    this.readBytes += bytes;
    if (this.readBytes < this.#stallAt || this.readBytes >= SIZE_BYTES) return false;
    this.#stallAt += STALL_EVERY_BYTES;
    void this.#untilHeldUp().then(resume);
    return true;
  }

  async #untilHeldUp(): Promise<void> {
    for (let before = -1; before !== this.#sender.sentBytes; ) {
      before = this.#sender.sentBytes;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
    this.stalls++;
    this.underWayBytes = Math.max(this.underWayBytes, this.#sender.sentBytes - this.readBytes);
  }
}

export const checkReader = (reader: StallingReader): void => {
  assert.equal(reader.readBytes, SIZE_BYTES);
  assert.equal(reader.stalls, SIZE_BYTES / STALL_EVERY_BYTES - 1);
  const mib = reader.underWayBytes / MIB;
  assert.ok(reader.underWayBytes <= MAX_UNDER_WAY_BYTES, `${mib.toFixed(0)} MiB were under way to a stalled reader`);
};
