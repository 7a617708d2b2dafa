// HTTP/2 frames (RFC 9113, 4 and 6): their numbers, and how they are written, as latin1 text. Called by the rest of http2/.

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const HAS_PRIORITY = 0x20;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const CONNECT_ERROR = 10;
export const ENHANCE_YOUR_CALM = 11;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const HEAD_BYTES = 9;
/** The smallest that a peer may ask for; what this codec takes. */
export const FRAME_BYTES = 16_384;
export const MAX_ID = 0x7fffffff;
export const MAX_WINDOW = 0x7fffffff;

const chars = String.fromCharCode;

export const uint32 = (value: number): string =>
  chars((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

export const frameHead = (length: number, type: number, flags: number, id: number): string =>
  chars(
    (length >>> 16) & 255,
    (length >>> 8) & 255,
    length & 255,
    type,
    flags,
    (id >>> 24) & 127,
    (id >>> 16) & 255,
    (id >>> 8) & 255,
    id & 255,
  );

/** HEADERS, with CONTINUATION where the block is larger than the peer takes. */
export const headersText = (id: number, block: string, end: boolean, maxFrame: number): string => {
  const endStream = end ? END_STREAM : 0;
  if (block.length <= maxFrame) return frameHead(block.length, HEADERS, endStream | END_HEADERS, id) + block;
  let text = frameHead(maxFrame, HEADERS, endStream, id) + block.slice(0, maxFrame);
  for (let at = maxFrame; at < block.length; at += maxFrame) {
    const piece = block.slice(at, at + maxFrame);
    const last = at + maxFrame >= block.length;
    text += frameHead(piece.length, CONTINUATION, last ? END_HEADERS : 0, id) + piece;
  }
  return text;
};

export const resetText = (id: number, code: number): string => frameHead(4, RST_STREAM, 0, id) + uint32(code);

export const windowText = (id: number, size: number): string => frameHead(4, WINDOW_UPDATE, 0, id) + uint32(size);

export const pingText = (payload: string, ack: boolean): string => frameHead(8, PING, ack ? ACK : 0, 0) + payload;

export const goAwayText = (lastId: number, code: number): string =>
  frameHead(8, GOAWAY, 0, 0) + uint32(lastId) + uint32(code);
