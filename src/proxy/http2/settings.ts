// What the two ends of an HTTP/2 connection tell each other in SETTINGS (RFC 9113, 6.5; RFC 8441). Called by connection.ts.
import { FLOW_CONTROL_ERROR, FRAME_BYTES, frameHead, MAX_WINDOW, PROTOCOL_ERROR, SETTINGS, uint32 } from './frames.ts';

const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;
const ENABLE_CONNECT_PROTOCOL = 8;

const MAX_FRAME_BYTES = 0xffffff;

export const DEFAULT_WINDOW = 65_535;
/** What one stream may send before it is read, and all of them together. */
export const STREAM_WINDOW = 262_144;
export const CONNECTION_WINDOW = 8 * 1024 * 1024;
export const MAX_STREAMS = 100;
/** On one connection to a server, however many it allows. */
const MOST_STREAMS = 1000;

export type Role = 'server' | 'client';

/** The peer's; as they are before it has spoken. */
export class PeerSettings {
  headerTableSize = 4096;
  /** No limit is known before the first SETTINGS; RFC 9113 asks peers to allow 100 at least. */
  maxStreams = MAX_STREAMS;
  initialWindow = DEFAULT_WINDOW;
  maxFrame = FRAME_BYTES;
  connectProtocol = false;
  #told = false;

  /** Takes a payload of whole settings; returns the error that it is, else 0. */
  read(buffer: Buffer, start: number, end: number, role: Role): number {
    // Without a value there is no limit of the peer's.
    if (!this.#told) this.maxStreams = MOST_STREAMS;
    this.#told = true;
    for (let at = start; at < end; at += 6) {
      const code = this.#take(buffer.readUInt16BE(at), buffer.readUInt32BE(at + 2), role);
      if (code !== 0) return code;
    }
    return 0;
  }

  #take(name: number, value: number, role: Role): number {
    switch (name) {
      case HEADER_TABLE_SIZE:
        this.headerTableSize = value;
        return 0;
      case ENABLE_PUSH:
        // A server may not offer to take pushes.
        return value > 1 || (value === 1 && role === 'client') ? PROTOCOL_ERROR : 0;
      case MAX_CONCURRENT_STREAMS:
        this.maxStreams = Math.min(value, MOST_STREAMS);
        return 0;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) return FLOW_CONTROL_ERROR;
        this.initialWindow = value;
        return 0;
      case MAX_FRAME_SIZE:
        if (value < FRAME_BYTES || value > MAX_FRAME_BYTES) return PROTOCOL_ERROR;
        this.maxFrame = value;
        return 0;
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value === 0 && this.connectProtocol)) return PROTOCOL_ERROR;
        this.connectProtocol = value === 1;
        return 0;
      default:
        return 0;
    }
  }
}

/** The own settings, as a frame. */
export const settingsText = (role: Role, maxListSize: number): string => {
  const own: [number, number][] = [
    [INITIAL_WINDOW_SIZE, STREAM_WINDOW],
    [MAX_HEADER_LIST_SIZE, maxListSize],
  ];
  if (role === 'server') own.push([MAX_CONCURRENT_STREAMS, MAX_STREAMS], [ENABLE_CONNECT_PROTOCOL, 1]);
  else own.push([ENABLE_PUSH, 0]);
  let text = '';
  for (const [name, value] of own) text += String.fromCharCode(0, name) + uint32(value);
  return frameHead(text.length, SETTINGS, 0, 0) + text;
};
