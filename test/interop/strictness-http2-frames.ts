// The cases of strictness about frames, header compression and floods of HTTP/2. Part of strictness-http2.ts.
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  GET,
  HAS_PRIORITY,
  HEADERS,
  head,
  indexed,
  literal,
  PING,
  POST,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  uint16,
  uint32,
  WINDOW_UPDATE,
} from '../fakes/http2-bytes.ts';
import type { Http2Case } from './strictness-http2.ts';

const post = (fields: Fields, body: string): string => head([...POST, ...fields], 1, false) + body;
const many = (count: number, one: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => one(index)).join('');
/** HEADERS with a whole block behind the request's own fields. */
const headWith = (more: string, before = ''): string =>
  frame(HEADERS, END_HEADERS | END_STREAM, 1, before + block(GET) + more);

export const compressionCases: Record<string, Http2Case> = {
  'index 0': { send: headWith('\x80'), weft: 'closed', waits: false },
  'an index beyond the tables': { send: headWith(indexed(70)), weft: 'closed', waits: false },
  'an integer that does not end': { send: headWith('\xff\x80\x80'), weft: 'closed', waits: false },
  'an integer that overflows': {
    send: headWith('\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01'),
    weft: 'closed',
    waits: false,
  },
  'a string longer than the block': { send: headWith('\0\x01x\x7f\xff\x01a'), weft: 'closed', waits: false },
  'the end of the string in Huffman coding': {
    send: headWith('\0\x01x\x84\xff\xff\xff\xff'),
    weft: 'closed',
    waits: false,
  },
  'Huffman padding of eight bits': { send: headWith('\0\x01x\x82\x1f\xff'), weft: 'closed', waits: false },
  'Huffman padding of zeros': { send: headWith('\0\x01x\x81\x18'), weft: 'closed', waits: false },
  'LF in Huffman coding': { send: headWith('\0\x01x\x84\xff\xff\xff\xf3'), weft: 'reset' },
  'a size update behind a field': { send: headWith('\x20'), weft: 'closed', waits: false },
  'a size update above the bound': { send: headWith('', '\x3f\xe2\x1f'), weft: 'closed', waits: false },
  'size updates before the fields': { send: headWith('', '\x20\x3f\xe1\x1f'), weft: 'GET / HTTP/1.1; host: a' },
  'an entry larger than the table': {
    send: headWith(literal('x', 'y'.repeat(5000), 0x40) + indexed(62)),
    weft: 'closed',
    waits: false,
  },
  'a bomb: one field of 4000 bytes told 200 times': {
    send: headWith(literal('x', 'y'.repeat(4000), 0x40) + indexed(62).repeat(200)),
    weft: '431',
    envoy: 'reset',
    why: 'Both refuse; Weft answers 431, Envoy resets the stream.',
  },
  'a bomb: one field of 4000 bytes told 10000 times': {
    send: headWith(literal('x', 'y'.repeat(4000), 0x40) + indexed(62).repeat(10000)),
    weft: '431',
    envoy: 'reset',
    why: 'Both refuse; Weft answers 431, Envoy resets the stream.',
  },
  'many cookies': {
    send: headWith(literal('cookie', 'a=b', 0x40) + indexed(62).repeat(5000)),
    weft: '431',
    envoy: 'reset',
    why: 'Both refuse; Weft answers 431, Envoy resets the stream.',
  },
  'a field of 70 kB': {
    send:
      frame(HEADERS, 1, 1, `${block(GET)}\0\x01x\x7f\xf1\xa1\x04${'y'.repeat(16000)}`) +
      frame(CONTINUATION, 0, 1, 'y'.repeat(16000)) +
      frame(CONTINUATION, 0, 1, 'y'.repeat(16000)) +
      frame(CONTINUATION, 0, 1, 'y'.repeat(16000)) +
      frame(CONTINUATION, 4, 1, 'y'.repeat(6000)),
    weft: '431',
    envoy: 'closed',
    why: 'Both refuse; Weft answers and goes on, Envoy takes it for broken compression.',
  },
  'more than 200 fields': {
    send: head([...GET, ...Array.from({ length: 250 }, (_, i) => [`x-${i}`, 'y'] as const)]),
    weft: '431',
    envoy: 'reset',
    why: 'Both refuse; Weft answers 431, Envoy resets the stream.',
  },
};

export const frameCases: Record<string, Http2Case> = {
  CONTINUATION: {
    send:
      frame(HEADERS, END_STREAM, 1, block(GET).slice(0, 9)) + frame(CONTINUATION, END_HEADERS, 1, block(GET).slice(9)),
    weft: 'GET / HTTP/1.1; host: a',
  },
  'CONTINUATION without HEADERS': {
    send: frame(CONTINUATION, END_HEADERS, 1, block(GET)),
    weft: 'closed',
    waits: false,
  },
  'another frame before CONTINUATION': {
    send: frame(HEADERS, END_STREAM, 1, block(GET)) + frame(PING, 0, 0, '12345678'),
    weft: 'closed',
    waits: false,
  },
  'CONTINUATION of another stream': {
    send: frame(HEADERS, END_STREAM, 1, block(GET)) + frame(CONTINUATION, END_HEADERS, 3, ''),
    weft: 'closed',
    waits: false,
  },
  'a CONTINUATION flood': {
    send: frame(HEADERS, END_STREAM, 1, block(GET)) + many(2000, () => frame(CONTINUATION, 0, 1, literal('x', 'y'))),
    weft: 'closed',
    waits: false,
  },
  'a flood of empty CONTINUATION': {
    send: frame(HEADERS, END_STREAM, 1, block(GET)) + many(2000, () => frame(CONTINUATION, 0, 1, '')),
    weft: 'closed',
    waits: false,
  },
  'HEADERS on stream 0': {
    send: frame(HEADERS, END_HEADERS | END_STREAM, 0, block(GET)),
    weft: 'closed',
    waits: false,
  },
  'DATA on stream 0': { send: frame(DATA, 0, 0, 'x'), weft: 'closed', waits: false },
  'HEADERS on an even stream': { send: head(GET, 2), weft: 'closed', waits: false },
  'a stream below one that was opened': {
    send: head(GET, 5) + head(GET, 3),
    weft: 'closed',
    envoy: 'goes on',
    why: 'Numbers only go up (RFC 9113, 5.1.1): a connection error. Envoy ignores the request.',
    waits: false,
  },
  'DATA on an idle stream': { send: data('x'), weft: 'closed', waits: false },
  'DATA behind the end of the stream': {
    send: head(GET) + data('x'),
    weft: 'reset',
    envoy: 'closed',
    why: 'Both refuse; Weft ends the stream, Envoy the connection (RFC 9113, 5.1 lets both be).',
    waits: false,
  },
  'HEADERS behind the end of the stream': {
    send: head(GET) + head(GET),
    weft: 'reset',
    envoy: 'closed',
    why: 'Both refuse; Weft ends the stream, Envoy the connection (RFC 9113, 5.1 lets both be).',
    waits: false,
  },
  'RST_STREAM on an idle stream': { send: frame(RST_STREAM, 0, 1, uint32(8)), weft: 'closed', waits: false },
  'WINDOW_UPDATE on an idle stream': { send: frame(WINDOW_UPDATE, 0, 1, uint32(8)), weft: 'closed', waits: false },
  'RST_STREAM of three bytes': {
    send: head(POST, 1, false) + frame(RST_STREAM, 0, 1, 'abc'),
    weft: 'closed',
    waits: false,
  },
  'PING of six bytes': { send: frame(PING, 0, 0, '123456'), weft: 'closed', waits: false },
  'PING on a stream': { send: frame(PING, 0, 1, '12345678'), weft: 'closed', waits: false },
  'SETTINGS on a stream': { send: frame(SETTINGS, 0, 1, ''), weft: 'closed', waits: false },
  'SETTINGS of five bytes': { send: frame(SETTINGS, 0, 0, '12345'), weft: 'closed', waits: false },
  'an acknowledgement of SETTINGS with a payload': {
    send: frame(SETTINGS, ACK, 0, uint16(1) + uint32(1)),
    weft: 'closed',
    waits: false,
  },
  'SETTINGS that push a value of 2': {
    send: frame(SETTINGS, 0, 0, uint16(2) + uint32(2)),
    weft: 'closed',
    waits: false,
  },
  'SETTINGS with a window above 2^31 - 1': {
    send: frame(SETTINGS, 0, 0, uint16(4) + uint32(0x80000000)),
    weft: 'closed',
    waits: false,
  },
  'SETTINGS with frames of 100 bytes': {
    send: frame(SETTINGS, 0, 0, uint16(5) + uint32(100)),
    weft: 'closed',
    waits: false,
  },
  'SETTINGS that nobody knows': {
    send: frame(SETTINGS, 0, 0, uint16(99) + uint32(1)) + head(GET),
    weft: 'GET / HTTP/1.1; host: a',
  },
  'WINDOW_UPDATE of 0 for the connection': {
    send: frame(WINDOW_UPDATE, 0, 0, uint32(0)),
    weft: 'closed',
    waits: false,
  },
  'WINDOW_UPDATE of 0 for a stream': {
    send: head(POST, 1, false) + frame(WINDOW_UPDATE, 0, 1, uint32(0)),
    weft: 'reset',
    envoy: 'closed',
    why: 'Both refuse; for a stream it is an error of that stream (RFC 9113, 6.9), Envoy ends the connection.',
  },
  'a window of the connection beyond 2^31 - 1': {
    send: frame(WINDOW_UPDATE, 0, 0, uint32(0x7fffffff)) + frame(WINDOW_UPDATE, 0, 0, uint32(0x7fffffff)),
    weft: 'closed',
    waits: false,
  },
  'a window of a stream beyond 2^31 - 1': {
    send: head(POST, 1, false) + frame(WINDOW_UPDATE, 0, 1, uint32(0x7fffffff)),
    weft: 'reset',
    envoy: 'closed',
    why: 'Both refuse; for a stream it is an error of that stream (RFC 9113, 6.9.1), Envoy ends the connection.',
  },
  'open windows beyond 2^31 - 1 by SETTINGS': {
    send:
      head(POST, 1, false) +
      frame(WINDOW_UPDATE, 0, 1, uint32(0x7ffffff0 - 65535)) +
      frame(SETTINGS, 0, 0, uint16(4) + uint32(0x7fffffff)),
    weft: 'closed',
    envoy: 'reset',
    why: 'Both refuse; by SETTINGS it is an error of the connection (RFC 9113, 6.9.2), Envoy ends the stream.',
    waits: false,
  },
  'PUSH_PROMISE of a client': {
    send: head(POST, 1, false) + frame(PUSH_PROMISE, END_HEADERS, 1, uint32(2) + block(GET)),
    weft: 'closed',
    waits: false,
  },
  'a stream that depends on itself': {
    send: frame(HEADERS, END_HEADERS | END_STREAM | HAS_PRIORITY, 1, `${uint32(1)}\0${block(GET)}`),
    weft: 'closed',
  },
  'PRIORITY of four bytes': {
    send: head(POST, 1, false) + frame(PRIORITY, 0, 1, '1234'),
    weft: 'closed',
    waits: false,
  },
  'a frame above the size that was agreed': {
    send: post([], frame(DATA, 0, 1, 'x'.repeat(16385))),
    weft: 'closed',
    waits: false,
  },
  'a frame of a type that nobody knows': {
    send: frame(0x77, 0xff, 0, 'whatever') + head(GET),
    weft: 'GET / HTTP/1.1; host: a',
  },
  'flags that nobody knows': {
    send: frame(HEADERS, 0xd0 | END_HEADERS | END_STREAM, 1, block(GET)),
    weft: 'GET / HTTP/1.1; host: a',
  },
  'a reserved bit that is set': {
    send: frame(HEADERS, END_HEADERS | END_STREAM, 0x80000001, block(GET)),
    weft: 'GET / HTTP/1.1; host: a',
  },
};

export const floodCases: Record<string, Http2Case> = {
  'rapid reset: 2000 requests, each reset at once': {
    send: many(2000, (i) => head(GET, 2 * i + 1) + frame(RST_STREAM, 0, 2 * i + 1, uint32(8))),
    weft: 'closed',
    waits: false,
  },
  '20000 PINGs': { send: many(20000, () => frame(PING, 0, 0, '12345678')), weft: 'closed', waits: false },
  '20000 SETTINGS': { send: many(20000, () => frame(SETTINGS, 0, 0, '')), weft: 'closed', waits: false },
  '20000 empty DATA': {
    send: head(POST, 1, false) + many(20000, () => data('', 1, false)),
    weft: 'closed',
    waits: false,
  },
  '20000 PRIORITY': { send: many(20000, () => frame(PRIORITY, 0, 1, `${uint32(3)}\0`)), weft: 'closed', waits: false },
  '20000 WINDOW_UPDATE': {
    send: head(POST, 1, false) + many(20000, () => frame(WINDOW_UPDATE, 0, 1, uint32(1))),
    weft: 'closed',
    waits: false,
  },
  '20000 frames that nobody knows': {
    send: many(20000, () => frame(0x77, 0, 0, '')),
    weft: 'closed',
    envoy: 'goes on',
    why: 'Envoy ignores any number; Weft counts frames that cost the sender nothing.',
    waits: false,
  },
  'streams beyond the limit': { send: many(150, (i) => head(POST, 2 * i + 1, false)), weft: 'refuses', waits: false },
  'resets that the server is made to send': {
    send: many(3000, (i) => head(POST, 2 * i + 1, false) + frame(WINDOW_UPDATE, 0, 2 * i + 1, uint32(0))),
    weft: 'closed',
    waits: false,
  },
};
