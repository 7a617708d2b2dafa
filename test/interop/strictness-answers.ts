// The cases of strictness about what a backend answers. Part of strictness-cases.ts.
import type { AnswerCase } from './strictness-cases.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

export const answerCases: Record<string, AnswerCase> = {
  'a body of a length': {
    send: `${OK}content-length: 3\r\n\r\nabc`,
    weft: 'HTTP/1.1 200 OK; content-length: 3 | "abc"',
  },
  'both Content-Length and Transfer-Encoding': {
    send: `${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    weft: '502',
  },
  'the same length twice': { send: `${OK}content-length: 3\r\ncontent-length: 3\r\n\r\nabc`, weft: '502' },
  'two lengths': { send: `${OK}content-length: 3\r\ncontent-length: 4\r\n\r\nabc`, close: true, weft: '502' },
  'a list of the same length': { send: `${OK}content-length: 3, 3\r\n\r\nabc`, weft: '502' },
  'a length with a plus': { send: `${OK}content-length: +3\r\n\r\nabc`, weft: '502' },
  'a length with a minus': { send: `${OK}content-length: -3\r\n\r\nabc`, weft: '502' },
  'a body shorter than its length': {
    send: `${OK}content-length: 5\r\n\r\nabc`,
    close: true,
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'bytes behind the body': {
    send: `${OK}content-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`,
    weft: 'HTTP/1.1 200 OK; content-length: 3 | "abc"',
  },
  'a body until the close': {
    send: `${OK}\r\nabc`,
    close: true,
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "abc"',
  },
  'a body in chunks': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "abc"',
  },
  'chunks with a trailer': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "abc" x-sum: 1; ',
  },
  'chunks with an extension': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "abc"',
  },
  'a chunk size with a sign': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'a chunk size beyond 64 bits': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'chunks that end early': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    close: true,
    weft: 'HTTP/1.1 200 OK … cut short',
  },
  'gzip before chunked': { send: `${OK}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, weft: '502' },
  'gzip alone': { send: `${OK}transfer-encoding: gzip\r\n\r\nabc`, close: true, weft: '502' },
  'Transfer-Encoding: identity': {
    send: `${OK}transfer-encoding: identity\r\ncontent-length: 3\r\n\r\nabc`,
    weft: '502',
  },
  'HTTP/1.0 until the close': {
    send: `HTTP/1.0 200 OK\r\n\r\nabc`,
    close: true,
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked "abc"',
  },
  'HTTP/1.0 with chunks': {
    send: `HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    close: true,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; transfer-encoding: chunked | chunked ""',
    why: 'HTTP/1.0 has no chunks; a reader of 1.0 takes the frames for the body.',
  },
  'HTTP/2.0': {
    send: `HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; content-length: 0',
    why: 'Envoy takes any version of one digit and one for 1.1.',
  },
  'a version in lower case': { send: `http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'HTTP/1.10': { send: `HTTP/1.10 200 OK\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'no reason': { send: `HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n`, weft: 'HTTP/1.1 200 OK; content-length: 0' },
  'an empty reason': { send: `HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n`, weft: 'HTTP/1.1 200 OK; content-length: 0' },
  'two spaces before the status': {
    send: `HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; content-length: 0',
    why: 'Envoy skips the second; RFC 9112, 4 has one.',
  },
  'a status of two digits': {
    send: `HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'malformed: start line "HTTP/1.1 20 Unknown"',
    why: 'Envoy passes on a status that is not three digits; readers make different numbers of it.',
  },
  'a status of four digits': {
    send: `HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'malformed: start line "HTTP/1.1 2000 Unknown"',
    why: 'Envoy passes on a status that is not three digits; readers make different numbers of it.',
  },
  'a status as 1e2': { send: `HTTP/1.1 1e2 OK\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'a status as 9e9': { send: `HTTP/1.1 9e9 OK\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'status 099': {
    send: `HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'malformed: start line "HTTP/1.1 99 Unknown"',
    why: 'Envoy passes on a status that is not three digits; readers make different numbers of it.',
  },
  'status 999': {
    send: `HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 999 ; content-length: 0',
    envoy: 'HTTP/1.1 999 Unknown; content-length: 0',
    why: 'The reason means nothing; Weft writes none where it knows none.',
  },
  'NUL in the reason': { send: `HTTP/1.1 200 O\0K\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'a lone CR in a value': {
    send: `${OK}x: a\rb\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; content-length: 0; x: ab',
    why: 'Envoy leaves the CR out and joins what stood around it; Weft refuses what it would have to guess.',
  },
  'NUL in a value': { send: `${OK}x: a\0b\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'lines that end in LF alone': {
    send: `HTTP/1.1 200 OK\ncontent-length: 0\n\n`,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; content-length: 0',
    why: 'Envoy takes a line feed alone for the end of a line; readers that want CRLF see one line there.',
  },
  'a folded line': {
    send: `${OK}x: 1\r\n 2\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
    envoy: 'HTTP/1.1 200 OK; content-length: 0; x: 1 2',
    why: 'Envoy joins folded lines; RFC 9112, 5.2 lets a server refuse them, and readers that do not know them see two fields.',
  },
  'a space before the colon': { send: `${OK}x : 1\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'a field without a colon': { send: `${OK}x\r\ncontent-length: 0\r\n\r\n`, weft: '502' },
  'a value of 70 kB': {
    send: `${OK}x: ${'a'.repeat(70_000)}\r\ncontent-length: 0\r\n\r\n`,
    weft: '502',
  },
  '300 fields': { send: `${OK}${'x: 1\r\n'.repeat(300)}content-length: 0\r\n\r\n`, weft: '502' },
  'a field that Connection lists': {
    send: `${OK}connection: x-hop\r\nx-hop: 1\r\nx-end: 2\r\ncontent-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; content-length: 0; x-end: 2',
    envoy: 'HTTP/1.1 200 OK; content-length: 0; x-end: 2; x-hop: 1',
    why: 'It is for one hop (RFC 9110, 7.6.1); Envoy passes it on.',
  },
  'Connection: close': {
    send: `${OK}connection: close\r\ncontent-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; content-length: 0',
  },
  'Keep-Alive and Proxy-Connection': {
    send: `${OK}keep-alive: timeout=5\r\nproxy-connection: close\r\ncontent-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; content-length: 0',
  },
  '204 with a length': { send: `HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n`, weft: '502' },
  '204 with the length 0': {
    send: `HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 204 No Content',
  },
  '204 in chunks': { send: `HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, weft: '502' },
  '204 with a body that nobody announced': {
    send: `HTTP/1.1 204 No Content\r\n\r\nabc`,
    weft: 'HTTP/1.1 204 No Content',
  },
  '304 with a length': {
    send: `HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n`,
    weft: 'HTTP/1.1 304 Not Modified; content-length: 3',
  },
  'HEAD with a length': {
    send: `${OK}content-length: 3\r\n\r\n`,
    method: 'HEAD',
    weft: 'HTTP/1.1 200 OK; content-length: 3',
  },
  'HEAD in chunks': {
    send: `${OK}transfer-encoding: chunked\r\n\r\n`,
    method: 'HEAD',
    weft: 'HTTP/1.1 200 OK; transfer-encoding: chunked',
  },
  'HEAD with a body all the same': {
    send: `${OK}content-length: 3\r\n\r\nabc`,
    method: 'HEAD',
    weft: 'HTTP/1.1 200 OK; content-length: 3',
  },
  '100 before the answer': {
    send: `HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 200 OK; content-length: 0',
  },
  '103 before the answer': {
    send: `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}content-length: 0\r\n\r\n`,
    weft: 'HTTP/1.1 103 Early Hints; link: x ++ HTTP/1.1 200 OK; content-length: 0',
    envoy: 'HTTP/1.1 200 OK; content-length: 0',
    why: 'Weft passes interim answers on; Envoy drops them.',
  },
  '103 with a length': {
    send: `HTTP/1.1 103 Early Hints\r\ncontent-length: 3\r\n\r\n${OK}content-length: 0\r\n\r\n`,
    weft: '502',
  },
  '101 that nobody asked for': {
    send: `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n`,
    close: true,
    weft: '502',
    envoy: 'HTTP/1.1 101 Switching Protocols',
    why: 'Nobody asked to switch; Envoy lets the backend take the connection over.',
  },
  'no HTTP at all': {
    send: `SSH-2.0-OpenSSH_9\r\n`,
    close: true,
    weft: '503',
    envoy: '502',
    why: 'The connection ended before there was a head; Weft counts that as a lost backend, Envoy as a bad answer.',
  },
  'the end without an answer': { send: '', close: true, weft: '503' },
};
