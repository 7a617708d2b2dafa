// The cases of strictness about answers of backends that speak HTTP/2. Part of strictness-http2.ts.
import {
  block,
  CONTINUATION,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  HEADERS,
  head,
  literal,
  PADDED,
  PUSH_PROMISE,
  RST_STREAM,
  uint32,
} from '../fakes/http2-bytes.ts';
import type { Http2AnswerCase } from './strictness-http2.ts';

const OK: Fields = [[':status', '200']];

/** A whole answer with these fields behind its status. */
const answer =
  (...fields: Fields): Http2AnswerCase['send'] =>
  (id) =>
    head([...OK, ...fields], id, false) + data('ok', id);

export const answerCases: Record<string, Http2AnswerCase> = {
  'a plain answer': { send: answer(), weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok"' },
  'an answer of its length': {
    send: answer(['content-length', '2']),
    weft: 'HTTP/1.1 200 OK; content-length: 2 | "ok"',
  },
  'an answer without a body': { send: (id) => head([[':status', '204']], id), weft: 'HTTP/1.1 204 No Content' },
  'a body shorter than its length': { send: answer(['content-length', '3']), weft: 'HTTP/1.1 200 OK … cut short' },
  'a body longer than its length': { send: answer(['content-length', '1']), weft: 'HTTP/1.1 200 OK … cut short' },
  'a length without a body': { send: (id) => head([...OK, ['content-length', '2']], id), weft: '502' },
  'two lengths': { send: answer(['content-length', '2'], ['content-length', '2']), weft: '502' },
  'a length with a sign': { send: answer(['content-length', '+2']), weft: '502' },
  'no status': { send: (id) => head([['x', 'y']], id), weft: '502' },
  'two statuses': { send: (id) => head([...OK, [':status', '404']], id), weft: '502' },
  'a status of two digits': { send: (id) => head([[':status', '20']], id), weft: '502' },
  'a status with a text': { send: (id) => head([[':status', '200 OK']], id), weft: '502' },
  'a status with CR LF': { send: (id) => head([[':status', '200\r\nx: y']], id), weft: '502' },
  'status 101': { send: (id) => head([[':status', '101']], id), weft: '502' },
  'status 099': {
    send: (id) => head([[':status', '099']], id),
    weft: '502',
    envoy: 'malformed: start line "HTTP/1.1 99 Unknown"',
    why: 'Envoy passes on a status that is not three digits; readers make different numbers of it.',
  },
  'a pseudo header of requests': { send: answer([':path', '/']), weft: '502' },
  'a pseudo header behind a field': { send: (id) => head([['x', 'y'], ...OK], id), weft: '502' },
  'a name in capitals': { send: answer(['X-Team', 'a']), weft: '502' },
  'a name with CR LF': { send: answer(['x: y\r\nz', 'a']), weft: '502' },
  'a name with a space': { send: answer(['x y', 'a']), weft: '502' },
  'a name with a colon': { send: answer(['x:y', 'a']), weft: '502' },
  'a value with CR LF and a head': {
    send: answer(['x', 'a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0']),
    weft: '502',
  },
  'a value with LF': { send: answer(['x', 'a\nb']), weft: '502' },
  'a value with NUL': { send: answer(['x', 'a\0b']), weft: '502' },
  'a value that begins with a space': {
    send: answer(['x', ' a']),
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; transfer-encoding: chunked; x: a | chunked "ok"',
    why: 'Envoy cuts the space off; RFC 9113, 8.2.1 has it malformed.',
  },
  'transfer-encoding: chunked': { send: answer(['transfer-encoding', 'chunked']), weft: '502' },
  'connection: close': { send: answer(['connection', 'close']), weft: '502' },
  'keep-alive': { send: answer(['keep-alive', 'timeout=5']), weft: '502' },
  upgrade: { send: answer(['upgrade', 'other']), weft: '502' },
  '103 before the answer': {
    send: (id) =>
      head(
        [
          [':status', '103'],
          ['link', '</x>'],
        ],
        id,
        false,
      ) + answer()(id),
    weft: 'HTTP/1.1 103 Early Hints; link: </x> ++ HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok"',
    envoy: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok"',
    why: 'Weft passes interim answers on; Envoy drops them.',
  },
  '103 that ends the stream': { send: (id) => head([[':status', '103']], id), weft: '502' },
  trailers: {
    send: (id) => head(OK, id, false) + data('ok', id, false) + head([['x-sum', '1']], id),
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok" x-sum: 1; ',
  },
  'trailers with a status': {
    send: (id) => head(OK, id, false) + data('ok', id, false) + head([[':status', '200']], id),
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'a trailer that frames': {
    send: (id) => head(OK, id, false) + data('ok', id, false) + head([['transfer-encoding', 'chunked']], id),
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok"',
    envoy: 'HTTP/1.1 200 OK … cut short',
    why: 'Weft drops framing that stands in a trailer (RFC 9110, 6.5.1); Envoy cuts the answer off.',
  },
  'a trailer with CR LF': {
    send: (id) => head(OK, id, false) + data('ok', id, false) + head([['x', 'a\r\n\r\nb']], id),
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'a body before the head': { send: (id) => data('ok', id), weft: '502' },
  'a body of a stream that was not asked for': {
    send: (id) => data('ok', id + 2),
    weft: '503',
    envoy: '502',
    why: 'Both refuse; the connection ended without an answer, which Weft counts as a lost backend, Envoy as a bad answer.',
  },
  padding: {
    send: (id) => head(OK, id, false) + frame(DATA, PADDED | END_STREAM, id, '\x03ok\0\0\0'),
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "ok"',
  },
  CONTINUATION: {
    send: (id) => frame(HEADERS, END_STREAM, id, block(OK)) + frame(CONTINUATION, END_HEADERS, id, literal('x', 'y')),
    weft: 'HTTP/1.1 200 OK; content-length: 0; x: y',
  },
  'a CONTINUATION flood': {
    send: (id) =>
      frame(HEADERS, END_STREAM, id, block(OK)) + frame(CONTINUATION, 0, id, literal('x', 'y')).repeat(2000),
    weft: '503',
    envoy: '502',
    why: 'Both refuse; the connection ended without an answer, which Weft counts as a lost backend, Envoy as a bad answer.',
  },
  'more than 200 fields': {
    send: (id) => head([...OK, ...Array.from({ length: 250 }, (_, i) => [`x-${i}`, 'y'] as const)], id),
    weft: '502',
    envoy: '503',
    why: 'Both refuse; Weft takes it for a bad answer, Envoy for a lost backend.',
  },
  'broken compression': {
    send: (id) => frame(HEADERS, END_HEADERS | END_STREAM, id, '\x80'),
    weft: '503',
    envoy: '502',
    why: 'Both refuse; the connection ended without an answer, which Weft counts as a lost backend, Envoy as a bad answer.',
  },
  PUSH_PROMISE: {
    send: (id) => frame(PUSH_PROMISE, END_HEADERS, id, uint32(2) + block(OK)) + answer()(id),
    weft: '503',
    envoy: '502',
    why: 'Both refuse; the connection ended without an answer, which Weft counts as a lost backend, Envoy as a bad answer.',
  },
  'RST_STREAM in the middle of the body': {
    send: (id) => head(OK, id, false) + data('ok', id, false) + frame(RST_STREAM, 0, id, uint32(2)),
    weft: 'HTTP/1.1 200 OK … cut short',
  },
};
