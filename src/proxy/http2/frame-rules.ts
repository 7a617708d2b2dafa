// What can be wrong with a frame by itself, whatever the state of its stream (RFC 9113, 6). Called by connection.ts.
import * as h2 from './frames.ts';

export interface Fault {
  readonly code: number;
  readonly reason: string;
}

const protocol = (reason: string): Fault => ({ code: h2.PROTOCOL_ERROR, reason });
const size = (reason: string): Fault => ({ code: h2.FRAME_SIZE_ERROR, reason });

const NO_STREAM = protocol('a frame of a stream names none');
const NOT_A_REQUEST = protocol('a stream was begun that only a server may begin');
const ON_A_STREAM = protocol('a frame of the connection names a stream');
const WRONG_SIZE = size('a frame has not the size of its type');
const PUSHED = protocol('a push was promised');
const TOO_SHORT = size('HEADERS is too short for its priority');
const PADDED = protocol('a frame has more padding than it is long');
const ON_ITSELF = protocol('a stream depends on itself');

/** Priorities are not followed (RFC 9113, 5.3.2), but have to be well formed. */
const priorityFault = (id: number, buffer: Buffer, at: number): Fault | undefined =>
  (buffer.readUInt32BE(at) & h2.MAX_ID) === id ? ON_ITSELF : undefined;

/** Of any frame but DATA. */
export const faultOf = (
  type: number,
  flags: number,
  id: number,
  buffer: Buffer,
  start: number,
  end: number,
): Fault | undefined => {
  const length = end - start;
  switch (type) {
    case h2.HEADERS:
      return (id & 1) === 0 ? NOT_A_REQUEST : undefined;
    case h2.PRIORITY:
      if (id === 0) return NO_STREAM;
      return length === 5 ? priorityFault(id, buffer, start) : WRONG_SIZE;
    case h2.RST_STREAM:
      if (id === 0) return NO_STREAM;
      return length === 4 ? undefined : WRONG_SIZE;
    case h2.SETTINGS:
      if (id !== 0) return ON_A_STREAM;
      return length % 6 === 0 && ((flags & h2.ACK) === 0 || length === 0) ? undefined : WRONG_SIZE;
    case h2.PUSH_PROMISE:
      return PUSHED;
    case h2.PING:
      if (id !== 0) return ON_A_STREAM;
      return length === 8 ? undefined : WRONG_SIZE;
    case h2.GOAWAY:
      if (id !== 0) return ON_A_STREAM;
      return length >= 8 ? undefined : WRONG_SIZE;
    case h2.WINDOW_UPDATE:
      return length === 4 ? undefined : WRONG_SIZE;
    default:
      return undefined;
  }
};

/** Where the header block in a HEADERS frame is: what stands before it and behind it is left out. */
export class BlockRange {
  start = 0;
  end = 0;

  find(flags: number, id: number, buffer: Buffer, start: number, end: number): Fault | undefined {
    this.start = start;
    this.end = end;
    if ((flags & h2.PADDED) !== 0) {
      if (start === end) return PADDED;
      this.end -= buffer[this.start++]!;
    }
    if ((flags & h2.HAS_PRIORITY) !== 0) {
      if (end - this.start < 5) return TOO_SHORT;
      const fault = priorityFault(id, buffer, this.start);
      if (fault) return fault;
      this.start += 5;
    }
    return this.start > this.end ? PADDED : undefined;
  }
}
