// HTTP/2 frames as tests write them: latin1 text, nothing checked, so that every mistake can be made. Shares no code with
// src/proxy.

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

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

const chars = String.fromCharCode;

export const uint16 = (value: number): string => chars((value >>> 8) & 255, value & 255);
export const uint32 = (value: number): string => uint16(value >>> 16) + uint16(value);

/** `length`: what the frame says of its payload, where that isn't true. */
export const frame = (type: number, flags: number, id: number, payload = '', length = payload.length): string =>
  chars((length >>> 16) & 255) + uint16(length) + chars(type, flags) + uint32(id) + payload;

const hpackInteger = (value: number, mask: number, first: number): string => {
  if (value < mask) return chars(first | value);
  let text = chars(first | mask);
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) text += chars((rest % 128) + 128);
  return text + chars(rest);
};

export const hpackText = (text: string): string => hpackInteger(text.length, 127, 0) + text;

/** `first`: how the field is kept; 0x40 puts it into the table. */
export const literal = (name: string, value: string, first = 0): string =>
  chars(first) + hpackText(name) + hpackText(value);

/** An indexed field. */
export const indexed = (index: number): string => hpackInteger(index, 127, 0x80);

export type Fields = readonly (readonly [name: string, value: string])[];

export const block = (fields: Fields): string => fields.map(([name, value]) => literal(name, value)).join('');

export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
];
export const POST: Fields = [[':method', 'POST'], ...GET.slice(1)];

/** A request of one frame; ended where `end` isn't false. */
export const head = (fields: Fields, id = 1, end = true): string =>
  frame(HEADERS, END_HEADERS | (end ? END_STREAM : 0), id, block(fields));

export const data = (text: string, id = 1, end = true): string => frame(DATA, end ? END_STREAM : 0, id, text);

/** The fields without those of this name, then this one. */
export const replaced = (fields: Fields, name: string, value: string): Fields =>
  fields.map((field) => (field[0] === name ? [name, value] : field));
export const left = (fields: Fields, name: string): Fields => fields.filter((field) => field[0] !== name);
