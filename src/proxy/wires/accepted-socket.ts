// Lets an accepted socket, plain or TLS, read into a buffer that is used again and again, as outgoing sockets can. Called by
// listener.ts.
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ReadBuffer } from './socket-wire.ts';

/** Requests are mostly small, and there may be many clients. */
const READ_BUFFER_BYTES = 16_384;

interface Handle {
  readonly useUserBuffer?: unknown;
}

interface Reading extends Handle {
  useUserBuffer(buffer: Buffer): void;
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

/** Where Node's sockets keep what `onread` gave them, by the descriptions of these symbols. */
const findKeys = (): { buffer: symbol; generate: symbol; callback: symbol } | undefined => {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const [buffer, generate, callback] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map((name) =>
    symbols.find(({ description }) => description === name),
  );
  return buffer && generate && callback ? { buffer, generate, callback } : undefined;
};

const KEYS = findKeys();

/**
 * The same for a socket whose TLS handshake was made over an accepted one, which Node takes no `onread` for. `early`: what was
 * read behind the handshake. Undefined where the runtime is built otherwise.
 */
export const takeReading = (secured: Socket): { readBuffer: ReadBuffer; early: Buffer | undefined } | undefined => {
  const owner = secured as unknown as { _handle?: Handle | null; [key: symbol]: unknown };
  const handle = owner._handle;
  if (!KEYS || !(secured instanceof TLSSocket) || typeof handle?.useUserBuffer !== 'function') return undefined;
  if (owner[KEYS.buffer] !== null || secured.readableEnded) return undefined;
  const early: Buffer | null = secured.readableLength > 0 ? secured.read() : null;
  const readBuffer = new ReadBuffer(READ_BUFFER_BYTES);
  const first = readBuffer.onread.buffer();
  owner[KEYS.buffer] = first;
  owner[KEYS.generate] = readBuffer.onread.buffer;
  owner[KEYS.callback] = readBuffer.onread.callback;
  (handle as Reading).useUserBuffer(first);
  return { readBuffer, early: early ?? undefined };
};
