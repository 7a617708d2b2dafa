// The cases of strictness about hosts, connection options and expectations. Part of strictness-cases.ts.
import type { StrictnessCase } from './strictness-cases.ts';

const POST = 'POST / HTTP/1.1\r\nhost: a\r\n';
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n';

export const hostCases: Record<string, StrictnessCase> = {
  'no Host': { send: `GET / HTTP/1.1\r\n\r\n`, weft: '400' },
  'an empty Host': {
    send: `GET / HTTP/1.1\r\nhost:\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: ',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'two Hosts': {
    send: `${GET}host: b\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a,b',
    why: 'Envoy joins them with a comma; RFC 9112, 3.2 has the request refused.',
  },
  'the same Host twice': {
    send: `${GET}host: a\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a,a',
    why: 'Envoy joins them with a comma; RFC 9112, 3.2 has the request refused.',
  },
  'a Host with a path': { send: `GET / HTTP/1.1\r\nhost: a/b\r\n\r\n`, weft: '400' },
  'a Host with a user': {
    send: `GET / HTTP/1.1\r\nhost: u@a\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: u@a',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'a Host with a space': { send: `GET / HTTP/1.1\r\nhost: a b\r\n\r\n`, weft: '400' },
  'a Host that is a list': { send: `GET / HTTP/1.1\r\nhost: a, b\r\n\r\n`, weft: '400' },
  'a Host in capitals': {
    send: `GET / HTTP/1.1\r\nhost: A.Test\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a.test',
    envoy: 'GET / HTTP/1.1; host: A.Test',
    why: 'Hosts do not know upper from lower case; Weft writes them in one way.',
  },
  'a Host with a port beyond 65535': {
    send: `GET / HTTP/1.1\r\nhost: a:65536\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a:65536',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'a Host with an empty port': {
    send: `GET / HTTP/1.1\r\nhost: a:\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a:',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'a Host with a port that is no number': {
    send: `GET / HTTP/1.1\r\nhost: a:b\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a:b',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'a Host that is an IPv6 address': {
    send: `GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: [::1]:80',
  },
  'an IPv6 address without its bracket': {
    send: `GET / HTTP/1.1\r\nhost: [::1\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: [::1',
    why: 'Envoy passes on what is no host and port; Weft reads it by RFC 3986 and refuses the rest.',
  },
  'absolute form': { send: `GET http://a/b?c HTTP/1.1\r\nhost: a\r\n\r\n`, weft: 'GET /b?c HTTP/1.1; host: a' },
  'absolute form against another Host': {
    send: `GET http://b/c HTTP/1.1\r\nhost: a\r\n\r\n`,
    weft: 'GET /c HTTP/1.1; host: b',
  },
  'absolute form without a path': { send: `GET http://a HTTP/1.1\r\nhost: a\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'absolute form with a query but no path': {
    send: `GET http://a?b HTTP/1.1\r\nhost: a\r\n\r\n`,
    weft: 'GET /?b HTTP/1.1; host: a',
    envoy: '404',
    why: 'Envoy does not add the slash (RFC 9112, 3.2.1) and then finds no route.',
  },
  'absolute form without a Host': {
    send: `GET http://a/ HTTP/1.1\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a',
    why: 'Envoy takes the host of the target; RFC 9112, 3.2 has a request without Host refused.',
  },
  'absolute form with a user': {
    send: `GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n`,
    weft: '400',
    envoy: 'GET / HTTP/1.1; host: a',
    why: 'Envoy drops the user name; RFC 9110, 4.2.4 wants it treated as an error.',
  },
  'absolute form of another scheme': { send: `GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n`, weft: '400' },
  'absolute form without an authority': { send: `GET http:///b HTTP/1.1\r\nhost: a\r\n\r\n`, weft: '400' },
  'absolute form with a backslash': { send: `GET http://a\\b/ HTTP/1.1\r\nhost: a\r\n\r\n`, weft: '400' },
  'OPTIONS in absolute form without a path': {
    send: `OPTIONS http://a HTTP/1.1\r\nhost: a\r\n\r\n`,
    weft: '404',
    envoy: 'OPTIONS / HTTP/1.1; content-length: 0; host: a',
    why: 'It means * (RFC 9112, 3.2.4), for which there is no route; Envoy asks for /.',
  },
};

export const connectionCases: Record<string, StrictnessCase> = {
  'a field that Connection lists': {
    send: `${GET}connection: x-hop\r\nx-hop: 1\r\nx-end: 2\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a; x-end: 2',
  },
  'Connection that lists Content-Length': {
    send: `${POST}connection: content-length\r\ncontent-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Weft keeps the framing that was declared; Envoy drops it and sends chunks.',
  },
  'Connection that lists Transfer-Encoding': {
    send: `${POST}connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked ""',
  },
  'Connection that lists Host': {
    send: `${GET}connection: host\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
    envoy: '400',
    why: 'Weft keeps the Host, which is no field to list; Envoy refuses.',
  },
  'Connection that lists Authorization': {
    send: `${GET}connection: authorization\r\nauthorization: Basic eA==\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
  },
  'Connection that lists X-Forwarded-For': {
    send: `${GET}connection: x-forwarded-for\r\nx-forwarded-for: 1.2.3.4\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
    envoy: '400',
    why: 'Weft drops what is listed and writes its own; Envoy refuses.',
  },
  'Connection that is no list of tokens': { send: `${GET}connection: a b\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'both close and keep-alive': { send: `${GET}connection: keep-alive, close\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'Keep-Alive': { send: `${GET}keep-alive: timeout=5\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'Proxy-Connection': { send: `${GET}proxy-connection: keep-alive\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'Proxy-Authorization': {
    send: `${GET}proxy-authorization: Basic eA==\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
    envoy: 'GET / HTTP/1.1; host: a; proxy-authorization: Basic eA==',
    why: 'It is meant for this hop (RFC 9110, 11.7.2); Envoy shows it to the backend.',
  },
  'TE: trailers': {
    send: `${GET}te: trailers\r\nconnection: te\r\n\r\n`,
    weft: 'GET / HTTP/1.1; connection: TE; host: a; te: trailers',
    envoy: 'GET / HTTP/1.1; host: a; te: trailers',
    why: 'TE is for one hop, so Connection has to list it (RFC 9110, 10.1.4); Envoy leaves that out.',
  },
  'TE with other codings': {
    send: `${GET}te: gzip, trailers\r\nconnection: te\r\n\r\n`,
    weft: 'GET / HTTP/1.1; connection: TE; host: a; te: trailers',
    envoy: 'GET / HTTP/1.1; host: a; te: trailers',
    why: 'TE is for one hop, so Connection has to list it (RFC 9110, 10.1.4); Envoy leaves that out.',
  },
  'TE: chunked': { send: `${GET}te: chunked\r\n\r\n`, weft: 'GET / HTTP/1.1; host: a' },
  'an upgrade to h2c': {
    send: `${GET}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
  },
  'Upgrade that Connection does not list': {
    send: `${GET}upgrade: websocket\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
  },
};

export const expectCases: Record<string, StrictnessCase> = {
  'Expect: 100-continue without a body': {
    send: `${GET}expect: 100-continue\r\n\r\n`,
    weft: 'GET / HTTP/1.1; host: a',
  },
  'Expect: 100-continue with the body at once': {
    send: `${POST}expect: 100-continue\r\ncontent-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; expect: 100-continue; host: a | "abc"',
    envoy: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
    why: 'Envoy answers 100 itself and drops the field; Weft leaves the answer to the backend.',
  },
  'Expect of something else': {
    send: `${POST}expect: 200-ok\r\ncontent-length: 3\r\n\r\nabc`,
    weft: '417',
    envoy: 'POST / HTTP/1.1; content-length: 3; expect: 200-ok; host: a | "abc"',
    why: 'Weft answers 417 (RFC 9110, 10.1.1) to what it does not know; Envoy passes it on.',
  },
  'Expect in capitals': {
    send: `${POST}EXPECT: 100-CONTINUE\r\ncontent-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; expect: 100-continue; host: a | "abc"',
    envoy: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
    why: 'Envoy answers 100 itself and drops the field; Weft leaves the answer to the backend.',
  },
  'Expect twice': {
    send: `${POST}expect: 100-continue\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; expect: 100-continue; host: a | "abc"',
    envoy: 'POST / HTTP/1.1; content-length: 3; expect: 100-continue,100-continue; host: a | "abc"',
    why: 'Envoy passes on a list that it did not understand; Weft says it once.',
  },
  'Expect of HTTP/1.0': {
    send: `POST / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
  },
};
