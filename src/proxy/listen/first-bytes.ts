// Reads of a new connection until its first bytes say what they are; nothing is consumed. Called by sniff.ts, and for the
// PROXY protocol's header.
import type { Socket } from 'node:net';
import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';

export interface FirstBytes<T> {
  /** Undefined: they are not valid, and the connection is closed. */
  parse(bytes: Buffer): T | 'more' | undefined;
  /** Called once, with the socket paused and everything that was read. */
  onRead(found: T, bytes: Buffer): void;
  /** Who sends nothing for so long is not closed. */
  readonly silence?: { readonly afterMs: number; onSilence(): void } | undefined;
  /** What bytes are that came to no end in time. Absent: the connection is closed. */
  readonly late?: T;
}

const NOTHING = Buffer.alloc(0);

/** `early`: what was read before. */
export const readFirstBytes = <T>(
  { deadlines, limits }: ProxyContext,
  socket: Socket,
  early: Buffer | undefined,
  first: FirstBytes<T>,
): void => {
  let bytes: Buffer = NOTHING;
  let isDone = false;
  const { silence, late } = first;
  const started = deadlines.now();
  const stop = () => {
    isDone = true;
    deadlines.remove(deadline);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', stop);
  };
  const close = () => {
    stop();
    socket.destroy();
  };
  const done = (found: T) => {
    stop();
    socket.pause();
    first.onRead(found, bytes);
  };
  /** Nothing more comes, or not in time. */
  const giveUp = () => {
    if (silence && bytes.length === 0) {
      stop();
      socket.pause();
      silence.onSilence();
    } else if (late !== undefined && bytes.length > 0) done(late);
    else close();
  };
  const deadline = new Deadline(() => {
    const end = started + limits.handshakeTimeoutMs;
    if (bytes.length > 0 && deadlines.now() < end) deadlines.set(deadline, end);
    else giveUp();
  });
  const onEnd = () => giveUp();
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const found = first.parse(bytes);
    if (found === undefined) close();
    else if (found !== 'more') done(found);
  };
  deadlines.set(deadline, started + (silence && !early ? silence.afterMs : limits.handshakeTimeoutMs));
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('close', stop);
  if (early) onData(early);
  if (!isDone) socket.resume();
};
