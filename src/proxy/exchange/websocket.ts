// The handshake of WebSocket between the versions of HTTP: a key that HTTP/2 needs none of, and the answer to it (RFC 6455, 4.2.2
// and RFC 8441, 5). Called where a client or an upstream speaks the other version.
import { createHash, randomBytes } from 'node:crypto';

const KEY = 'sec-websocket-key';
const ACCEPT = 'sec-websocket-accept';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const fieldOf = (headers: readonly string[], name: string): string | undefined => {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
};

/** Gives a request the key that HTTP/1.1 demands; true where it had none. */
export const addWebSocketKey = (headers: string[]): boolean => {
  if (fieldOf(headers, KEY) !== undefined) return false;
  headers.push(KEY, randomBytes(16).toString('base64'));
  return true;
};

/** Answers the client's key where the upstream, which speaks HTTP/2, did not. */
export const addWebSocketAccept = (headers: string[], request: readonly string[]): void => {
  const key = fieldOf(request, KEY);
  if (key === undefined || fieldOf(headers, ACCEPT) !== undefined) return;
  headers.push(
    ACCEPT,
    createHash('sha1')
      .update(key + GUID)
      .digest('base64'),
  );
};

/** Takes the answer to a key that the client has not sent. */
export const dropWebSocketAccept = (headers: string[]): void => {
  const at = headers.indexOf(ACCEPT);
  if (at >= 0 && at % 2 === 0) headers.splice(at, 2);
};
