// The cases of strictness about heads and bodies of HTTP/2. Part of strictness-http2.ts.
import {
  block,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  GET,
  HEADERS,
  head,
  left,
  PADDED,
  POST,
  replaced,
} from '../fakes/http2-bytes.ts';
import type { Http2Case } from './strictness-http2.ts';

const withField = (name: string, value: string): string => head([...GET, [name, value]]);
const post = (fields: Fields, body: string): string => head([...POST, ...fields], 1, false) + body;
const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', 'a:80'],
];

export const pseudoCases: Record<string, Http2Case> = {
  'a plain request': { send: head(GET), weft: 'GET / HTTP/1.1; host: a' },
  'no method': { send: head(left(GET, ':method')), weft: 'reset' },
  'no scheme': { send: head(left(GET, ':scheme')), weft: 'reset' },
  'no path': { send: head(left(GET, ':path')), weft: 'reset' },
  'an empty path': { send: head(replaced(GET, ':path', '')), weft: 'reset' },
  'neither authority nor host': { send: head(left(GET, ':authority')), weft: 'reset' },
  'a host instead of the authority': {
    send: head([...left(GET, ':authority'), ['host', 'a']]),
    weft: 'GET / HTTP/1.1; host: a',
  },
  'an empty authority': { send: head(replaced(GET, ':authority', '')), weft: 'reset' },
  'an authority with a user': { send: head(replaced(GET, ':authority', 'u@a')), weft: 'reset' },
  'an authority with a path': { send: head(replaced(GET, ':authority', 'a/b')), weft: 'reset' },
  'an authority with a space': { send: head(replaced(GET, ':authority', 'a b')), weft: 'reset' },
  'an authority in capitals': {
    send: head(replaced(GET, ':authority', 'A.Test')),
    weft: 'GET / HTTP/1.1; host: a.test',
    envoy: 'GET / HTTP/1.1; host: A.Test',
    why: 'Hosts do not know upper from lower case; Weft writes them in one way.',
  },
  'an authority with a port beyond 65535': {
    send: head(replaced(GET, ':authority', 'a:65536')),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a:65536',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'a host that is another': {
    send: withField('host', 'b'),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a',
    why: 'Envoy drops the host and keeps the authority; RFC 9113, 8.3.1 has a request with two different hosts refused.',
  },
  'a host that is the same': { send: withField('host', 'a'), weft: 'GET / HTTP/1.1; host: a' },
  'a host with the port of the scheme': { send: withField('host', 'a:80'), weft: 'GET / HTTP/1.1; host: a' },
  'two hosts': { send: head([...GET, ['host', 'a'], ['host', 'a']]), weft: 'reset' },
  'the path twice': { send: head([...GET, [':path', '/b']]), weft: 'reset' },
  'the authority twice': { send: head([...GET, [':authority', 'a']]), weft: 'reset' },
  'an unknown pseudo header': { send: withField(':other', 'x'), weft: 'reset' },
  'a pseudo header of answers': { send: withField(':status', '200'), weft: 'reset' },
  'a pseudo header behind a field': { send: head([['x', 'y'], ...GET]), weft: 'reset' },
  'a method in lower case': {
    send: head(replaced(GET, ':method', 'get')),
    weft: 'reset',
    envoy: 'malformed: start line "get / HTTP/1.1" ++ 503',
    why: 'Envoy passes on methods that some readers take for others; Weft takes none in lower case.',
  },
  'a method with a space': { send: head(replaced(GET, ':method', 'GET /x HTTP/1.1')), weft: 'reset' },
  'a method that nobody knows': {
    send: head(replaced(GET, ':method', 'FETCH')),
    weft: 'FETCH / HTTP/1.1; host: a',
    envoy: 'FETCH / HTTP/1.1; content-length: 0; host: a',
    why: 'Without a length there is no body (RFC 9112, 6.3); Envoy writes the 0 down.',
  },
  'a path in absolute form': { send: head(replaced(GET, ':path', 'http://b/')), weft: 'reset' },
  'a path without its slash': { send: head(replaced(GET, ':path', 'x')), weft: 'reset' },
  'a path with a space': { send: head(replaced(GET, ':path', '/a b')), weft: 'reset' },
  'a path with CR LF': { send: head(replaced(GET, ':path', '/ HTTP/1.1\r\nx: y')), weft: 'reset' },
  'a path with a tab': { send: head(replaced(GET, ':path', '/a\tb')), weft: 'reset' },
  'a path with NUL': { send: head(replaced(GET, ':path', '/a\0b')), weft: 'reset' },
  'a path with a byte beyond ASCII': {
    send: head(replaced(GET, ':path', '/\xe4')),
    weft: 'reset',
    envoy: 'GET /%E4 HTTP/1.1; host: a',
    why: 'Envoy escapes it; RFC 3986 has no such byte in a path.',
  },
  'a path with a fragment': {
    send: head(replaced(GET, ':path', '/a#b')),
    weft: 'reset',
    envoy: '400',
    why: 'Both refuse; Envoy answers, Weft resets the stream as for every malformed request.',
  },
  'the path * for GET': { send: head(replaced(GET, ':path', '*')), weft: 'reset' },
  'the path * for OPTIONS': { send: head(replaced(replaced(GET, ':path', '*'), ':method', 'OPTIONS')), weft: '404' },
  'the scheme ftp': {
    send: head(replaced(GET, ':scheme', 'ftp')),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a',
    why: 'Envoy does not look at the scheme; Weft takes http and https.',
  },
  'the scheme https in plain text': { send: head(replaced(GET, ':scheme', 'https')), weft: 'GET / HTTP/1.1; host: a' },
  'a scheme with a space': { send: head(replaced(GET, ':scheme', 'http x')), weft: 'reset' },
  'CONNECT where no tunnels are made': {
    send: head(CONNECT, 1, false),
    weft: '405',
    envoy: '404',
    why: 'Both refuse; Envoy has no route for it, Weft does not allow the method there.',
  },
  'CONNECT with a path': { send: head([...CONNECT, [':path', '/']], 1, false), weft: 'reset' },
  'CONNECT without a port': {
    send: head(
      [
        [':method', 'CONNECT'],
        [':authority', 'a'],
      ],
      1,
      false,
    ),
    weft: 'reset',
    envoy: '404',
    why: 'Both refuse; Envoy has no route for it, to Weft it is malformed (RFC 9113, 8.5).',
  },
  'an extended CONNECT of a protocol that nobody knows': {
    send: head([...replaced(GET, ':method', 'CONNECT'), [':protocol', 'other']], 1, false),
    weft: 'GET / HTTP/1.1; connection: Upgrade; host: a; upgrade: other ++ 502',
    envoy: '403',
    why: 'Weft asks the backend for the protocol, as in HTTP/1, and this one does not know it; Envoy knows websocket alone.',
  },
  ':protocol without CONNECT': { send: withField(':protocol', 'websocket'), weft: 'reset' },
};

export const fieldCases: Record<string, Http2Case> = {
  'a name in capitals': { send: withField('X-Team', 'a'), weft: 'reset' },
  'a name with a space': { send: withField('x team', 'a'), weft: 'reset' },
  'a name with a colon': { send: withField('x:y', 'a'), weft: 'reset' },
  'a name with LF': { send: withField('x\ny', 'a'), weft: 'reset' },
  'a name with CR LF and a field': { send: withField('x: y\r\nz', 'a'), weft: 'reset' },
  'a name with NUL': { send: withField('x\0', 'a'), weft: 'reset' },
  'a name with DEL': { send: withField('x\x7f', 'a'), weft: 'reset' },
  'a name beyond ASCII': { send: withField('x\xe4', 'a'), weft: 'reset' },
  'an empty name': { send: withField('', 'a'), weft: 'reset' },
  'a name of 300 bytes': {
    send: withField('x'.repeat(300), 'a'),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a; x{300}: a',
    why: 'Weft takes names of up to 256 bytes.',
  },
  'an underscore instead of the hyphen of Content-Length': {
    send: withField('content_length', '1'),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; content_length: 1; host: a',
    why: 'CGI reads the underscore as a hyphen and would have two lengths.',
  },
  'a value with CR': { send: withField('x', 'a\rb'), weft: 'reset' },
  'a value with LF': { send: withField('x', 'a\nb'), weft: 'reset' },
  'a value with CR LF and a request': {
    send: withField('x', 'a\r\n\r\nGET /admin HTTP/1.1\r\nhost: a'),
    weft: 'reset',
  },
  'a value with NUL': { send: withField('x', 'a\0b'), weft: 'reset' },
  'a value with DEL': { send: withField('x', 'a\x7fb'), weft: 'reset' },
  'a value with a tab': { send: withField('x', 'a\tb'), weft: 'GET / HTTP/1.1; host: a; x: a\tb' },
  'a value beyond ASCII': { send: withField('x', '\xe4'), weft: 'GET / HTTP/1.1; host: a; x: ä' },
  'a value that begins with a space': {
    send: withField('x', ' a'),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a; x: a',
    why: 'Envoy cuts the space off; RFC 9113, 8.2.1 has it malformed.',
  },
  'a value that ends with a tab': {
    send: withField('x', 'a\t'),
    weft: 'reset',
    envoy: 'GET / HTTP/1.1; host: a; x: a',
    why: 'Envoy cuts the tab off; RFC 9113, 8.2.1 has it malformed.',
  },
  'an empty value': { send: withField('x', ''), weft: 'GET / HTTP/1.1; host: a; x: ' },
  'connection: close': { send: withField('connection', 'close'), weft: 'reset' },
  'connection that lists a field': { send: head([...GET, ['connection', 'x'], ['x', 'y']]), weft: 'reset' },
  'keep-alive': { send: withField('keep-alive', 'timeout=5'), weft: 'reset' },
  'proxy-connection': { send: withField('proxy-connection', 'keep-alive'), weft: 'reset' },
  'transfer-encoding: chunked': {
    send: post([['transfer-encoding', 'chunked']], data('1\r\na\r\n0\r\n\r\n')),
    weft: 'reset',
  },
  'transfer-encoding without a body': { send: withField('transfer-encoding', 'chunked'), weft: 'reset' },
  'upgrade: h2c': { send: withField('upgrade', 'h2c'), weft: 'reset' },
  'te: trailers': {
    send: withField('te', 'trailers'),
    weft: 'GET / HTTP/1.1; connection: TE; host: a; te: trailers',
    envoy: 'GET / HTTP/1.1; host: a; te: trailers',
    why: 'TE is for one hop, so Connection has to list it (RFC 9110, 10.1.4); Envoy leaves that out.',
  },
  'te of something else': { send: withField('te', 'gzip'), weft: 'reset' },
  'te of trailers and something else': { send: withField('te', 'trailers, gzip'), weft: 'reset' },
  'expect: 100-continue': {
    send: post([['expect', '100-continue']], data('hi')),
    weft: 'POST / HTTP/1.1; expect: 100-continue; host: a; transfer-encoding: chunked | chunked "hi"',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
    why: 'Envoy answers 100 itself and drops the field; Weft leaves the answer to the backend.',
  },
  'expect of something else': {
    send: withField('expect', 'more'),
    weft: '417',
    envoy: 'GET / HTTP/1.1; expect: more; host: a',
    why: 'Weft answers 417 (RFC 9110, 10.1.1) to what it does not know; Envoy passes it on.',
  },
  'two cookies': {
    send: head([...GET, ['cookie', 'a=b'], ['x', 'y'], ['cookie', 'c=d']]),
    weft: 'GET / HTTP/1.1; cookie: a=b; c=d; host: a; x: y',
  },
  'proxy-authorization': {
    send: withField('proxy-authorization', 'x'),
    weft: 'GET / HTTP/1.1; host: a',
    envoy: 'GET / HTTP/1.1; host: a; proxy-authorization: x',
    why: 'It is meant for this hop (RFC 9110, 11.7.2); Envoy shows it to the backend.',
  },
};

export const bodyCases: Record<string, Http2Case> = {
  'a body without a length': {
    send: post([], data('hi')),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
  },
  'a body of its length': {
    send: post([['content-length', '2']], data('hi')),
    weft: 'POST / HTTP/1.1; content-length: 2; host: a | "hi"',
  },
  'a body shorter than its length': { send: post([['content-length', '3']], data('hi')), weft: 'reset' },
  'a body longer than its length': { send: post([['content-length', '1']], data('hi')), weft: 'reset' },
  'a length without a body': { send: head([...POST, ['content-length', '2']]), weft: 'reset' },
  'a length with a sign': { send: post([['content-length', '+2']], data('hi')), weft: 'reset' },
  'a length that is a list': { send: post([['content-length', '2, 2']], data('hi')), weft: 'reset' },
  'an empty length': { send: post([['content-length', '']], data('hi')), weft: 'reset' },
  'two lengths that are equal': {
    send: post(
      [
        ['content-length', '2'],
        ['content-length', '2'],
      ],
      data('hi'),
    ),
    weft: 'reset',
  },
  'two lengths that differ': {
    send: post(
      [
        ['content-length', '2'],
        ['content-length', '3'],
      ],
      data('hi'),
    ),
    weft: 'reset',
  },
  'a body of a GET': {
    send: head(GET, 1, false) + data('hi'),
    weft: 'GET / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
  },
  trailers: {
    send: post([], data('hi', 1, false) + head([['x-sum', '1']])),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi" x-sum: 1; ',
  },
  'trailers with a pseudo header': { send: post([], data('hi', 1, false) + head([[':path', '/b']])), weft: 'reset' },
  'trailers that do not end the stream': {
    send: post([], data('hi', 1, false) + head([['x', 'y']], 1, false) + data('more')),
    weft: 'reset',
  },
  'a trailer that frames': {
    send: post([], data('hi', 1, false) + head([['content-length', '9']])),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
    envoy: 'reset',
    why: 'Weft drops framing that stands in a trailer (RFC 9110, 6.5.1); Envoy refuses it.',
  },
  'a trailer with LF': { send: post([], data('hi', 1, false) + head([['x', 'a\nb']])), weft: 'reset' },
  'a trailer that names a host': {
    send: post([], data('hi', 1, false) + head([['host', 'b']])),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi" host: b; ',
    why: 'Envoy passes on routing that stands in a trailer; Weft drops it (RFC 9110, 6.5.1).',
  },
  'padded DATA': {
    send: post([], frame(DATA, PADDED | END_STREAM, 1, '\x03hi\0\0\0')),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "hi"',
  },
  'padding as long as the frame': { send: post([], frame(DATA, PADDED | END_STREAM, 1, '\x03hi')), weft: 'closed' },
  'padding that is all of it': {
    send: post([], frame(DATA, PADDED | END_STREAM, 1, '\x02\0\0')),
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked ""',
  },
  'padding longer than HEADERS': {
    send: frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, `\xff${block(GET)}`),
    weft: 'closed',
    waits: false,
  },
  'a length beside padding': {
    send: post([['content-length', '2']], frame(DATA, PADDED | END_STREAM, 1, '\x03hi\0\0\0')),
    weft: 'POST / HTTP/1.1; content-length: 2; host: a | "hi"',
  },
};
