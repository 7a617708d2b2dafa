import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldNames } from './fields.ts';
import { HeadParser, Refusal, type RequestMessage, type ResponseMessage } from './head.ts';

const parser = () => new HeadParser(new FieldNames(), { maxFields: 10 });
const request = (text: string) => parser().request(text, 0, text.length);
const response = (text: string) => parser().response(text, text.length);
const H = 'Host: a\r\n';

const good: Record<string, { head: string; want: Partial<RequestMessage> }> = {
  'a plain request': {
    head: 'GET /a?b=c HTTP/1.1\r\nHost: A.example:80',
    want: { method: 'GET', path: '/a', query: 'b=c', host: 'a.example:80', close: false },
  },
  'names in lower case, values trimmed': {
    head: `GET / HTTP/1.1\r\n${H}X-Y: \t v w \t`,
    want: { headers: ['x-y', 'v w'] },
  },
  'an empty value': { head: `GET / HTTP/1.1\r\n${H}X-Y:`, want: { headers: ['x-y', ''] } },
  'letters beyond ASCII in values': { head: `GET / HTTP/1.1\r\n${H}X-Y: \xe9`, want: { headers: ['x-y', '\xe9'] } },
  'a length': {
    head: `POST / HTTP/1.1\r\n${H}Content-Length: 12`,
    want: { contentLength: 12, chunked: false, headers: [] },
  },
  'chunked in any case': {
    head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: Chunked`,
    want: { contentLength: -1, chunked: true, headers: [] },
  },
  'what Connection lists is dropped': {
    head: `GET / HTTP/1.1\r\n${H}X-Hop: 1\r\nConnection: close, X-Hop\r\nX-End: 2`,
    want: { close: true, headers: ['x-end', '2'] },
  },
  'hop-by-hop fields are dropped': {
    head: `GET / HTTP/1.1\r\n${H}Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: gzip, trailers`,
    want: { teTrailers: true, headers: [] },
  },
  'an upgrade': {
    head: `GET / HTTP/1.1\r\n${H}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket`,
    want: { upgrade: 'websocket' },
  },
  'no upgrade that Connection does not list': {
    head: `GET / HTTP/1.1\r\n${H}Upgrade: websocket`,
    want: { upgrade: '' },
  },
  'an expectation': {
    head: `PUT / HTTP/1.1\r\n${H}Content-Length: 1\r\nExpect: 100-Continue`,
    want: { expectContinue: true },
  },
  'HTTP/1.0 expects nothing': {
    head: `PUT / HTTP/1.0\r\n${H}Content-Length: 1\r\nExpect: 100-continue`,
    want: { expectContinue: false, old: true },
  },
  'the absolute target wins over Host': {
    head: `GET http://B.example:8080?q HTTP/1.1\r\n${H}`.slice(0, -2),
    want: { form: 'absolute', host: 'b.example:8080', path: '/', query: 'q' },
  },
  'OPTIONS for the whole server': {
    head: `OPTIONS * HTTP/1.1\r\n${H}`.slice(0, -2),
    want: { form: 'asterisk', path: '*' },
  },
  CONNECT: {
    head: `CONNECT b.example:443 HTTP/1.1\r\n${H}`.slice(0, -2),
    want: { form: 'authority', host: 'b.example:443' },
  },
  'an IPv6 host': { head: 'GET / HTTP/1.1\r\nHost: [::1]:8080', want: { host: '[::1]:8080' } },
  'a method of its own': { head: `PURGE / HTTP/1.1\r\n${H}`.slice(0, -2), want: { method: 'PURGE' } },
};

for (const [name, { head, want }] of Object.entries(good)) {
  test(`takes ${name}`, () => {
    const message = request(head);
    assert.ok(!(message instanceof Refusal), JSON.stringify(message));
    assert.deepEqual({ ...message, ...want }, { ...message });
  });
}

const bad: Record<string, { head: string; status?: number }> = {
  'a length and chunked together': { head: `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nTransfer-Encoding: chunked` },
  'the same the other way round': { head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 1` },
  'two lengths': { head: `POST / HTTP/1.1\r\n${H}Content-Length: 1\r\nContent-Length: 1` },
  'a list of lengths': { head: `POST / HTTP/1.1\r\n${H}Content-Length: 1, 1` },
  'a signed length': { head: `POST / HTTP/1.1\r\n${H}Content-Length: +1` },
  'a negative length': { head: `POST / HTTP/1.1\r\n${H}Content-Length: -1` },
  'an empty length': { head: `POST / HTTP/1.1\r\n${H}Content-Length:` },
  'a length in hex': { head: `POST / HTTP/1.1\r\n${H}Content-Length: 0x1` },
  'a length of too many digits': { head: `POST / HTTP/1.1\r\n${H}Content-Length: 1234567890123456` },
  'chunked twice': { head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked` },
  'chunked in a list': { head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked` },
  'another coding': { head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity` },
  'chunked with a vertical tab': { head: `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked` },
  'chunked in HTTP/1.0': { head: `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked` },
  'a space before the colon': { head: `GET / HTTP/1.1\r\n${H}X-Y : 1` },
  'a folded line': { head: `GET / HTTP/1.1\r\n${H}X-Y: 1\r\n 2` },
  'a folded first line': { head: `GET / HTTP/1.1\r\n X: 1\r\n${H}` },
  'no colon': { head: `GET / HTTP/1.1\r\n${H}X-Y` },
  'an empty name': { head: `GET / HTTP/1.1\r\n${H}: 1` },
  'a bad letter in a name': { head: `GET / HTTP/1.1\r\n${H}X(Y: 1` },
  'NUL in a value': { head: `GET / HTTP/1.1\r\n${H}X-Y: a\0b` },
  'DEL in a value': { head: `GET / HTTP/1.1\r\n${H}X-Y: a\x7fb` },
  'a lone LF': { head: `GET / HTTP/1.1\r\n${H}X-Y: a\nX-Z: b` },
  'a lone CR': { head: `GET / HTTP/1.1\r\n${H}X-Y: a\rX-Z: b` },
  'no Host': { head: 'GET / HTTP/1.1\r\nX: 1' },
  'no header at all': { head: 'GET / HTTP/1.1' },
  'no Host in HTTP/1.0': { head: 'GET / HTTP/1.0' },
  'two Hosts': { head: 'GET / HTTP/1.1\r\nHost: a\r\nHost: a' },
  'an empty Host': { head: 'GET / HTTP/1.1\r\nHost: ' },
  'a Host with a path': { head: 'GET / HTTP/1.1\r\nHost: a/b' },
  'a Host with a user': { head: 'GET / HTTP/1.1\r\nHost: u@a' },
  'a Host with a space': { head: 'GET / HTTP/1.1\r\nHost: a b' },
  'a Host with a bad port': { head: 'GET / HTTP/1.1\r\nHost: a:99999' },
  'a user in the target': { head: `GET http://u:p@a/ HTTP/1.1\r\n${H}`.slice(0, -2) },
  'another scheme': { head: `GET ftp://a/ HTTP/1.1\r\n${H}`.slice(0, -2) },
  'a relative target': { head: `GET a HTTP/1.1\r\n${H}`.slice(0, -2) },
  'a fragment': { head: `GET /a#b HTTP/1.1\r\n${H}`.slice(0, -2) },
  'letters beyond ASCII in the target': { head: `GET /\xe9 HTTP/1.1\r\n${H}`.slice(0, -2) },
  'two spaces': { head: `GET  / HTTP/1.1\r\n${H}`.slice(0, -2) },
  'a tab for a space': { head: `GET\t/ HTTP/1.1\r\n${H}`.slice(0, -2) },
  'a space behind': { head: `GET / HTTP/1.1 \r\n${H}`.slice(0, -2) },
  'a space before': { head: ` GET / HTTP/1.1\r\n${H}`.slice(0, -2) },
  'no version': { head: `GET /\r\n${H}`.slice(0, -2) },
  'a version in small letters': { head: `GET / http/1.1\r\n${H}`.slice(0, -2) },
  'a version of three digits': { head: `GET / HTTP/1.10\r\n${H}`.slice(0, -2) },
  'HTTP/2': { head: `PRI * HTTP/2.0\r\n${H}`.slice(0, -2), status: 505 },
  'HTTP/0.9 by name': { head: `GET / HTTP/0.9\r\n${H}`.slice(0, -2), status: 505 },
  'a bad method': { head: `G[T / HTTP/1.1\r\n${H}`.slice(0, -2) },
  'a method in lower case': { head: `get / HTTP/1.1\r\n${H}`.slice(0, -2) },
  'an underscore instead of the hyphen of a framing field': { head: `GET / HTTP/1.1\r\n${H}Content_Length: 1` },
  'a long method': { head: `${'G'.repeat(33)} / HTTP/1.1\r\n${H}`.slice(0, -2) },
  '* for GET': { head: `GET * HTTP/1.1\r\n${H}`.slice(0, -2) },
  'CONNECT without a port': { head: `CONNECT a HTTP/1.1\r\n${H}`.slice(0, -2) },
  'another expectation': { head: `PUT / HTTP/1.1\r\n${H}Expect: 200-ok`, status: 417 },
  'too many fields': { head: `GET / HTTP/1.1\r\n${H}${'X: 1\r\n'.repeat(10)}`.slice(0, -2), status: 431 },
};

for (const [name, { head, status = 400 }] of Object.entries(bad)) {
  test(`refuses ${name}`, () => {
    const message = request(head);
    assert.ok(message instanceof Refusal, JSON.stringify(message));
    assert.equal(message.status, status);
  });
}

const answers: Record<string, { head: string; want?: Partial<ResponseMessage> }> = {
  'takes a plain answer': { head: 'HTTP/1.1 200 OK\r\nContent-Length: 3', want: { status: 200, contentLength: 3 } },
  'takes an answer without a reason': { head: 'HTTP/1.1 204', want: { status: 204 } },
  'takes an answer with an empty reason': { head: 'HTTP/1.1 404 ', want: { status: 404 } },
  'takes HTTP/1.0': { head: 'HTTP/1.0 200 OK', want: { old: true, contentLength: -1 } },
  'keeps the hint of Keep-Alive': {
    head: 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5',
    want: { keepAliveHint: 'timeout=5', headers: [] },
  },
  'refuses both framings': { head: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked' },
  'refuses two lengths': { head: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3' },
  'refuses another coding': { head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked' },
  'refuses another protocol': { head: 'SSH-2.0-x' },
  'refuses a bad status': { head: 'HTTP/1.1 2x0 OK' },
  'refuses a status that is a number but not three digits': { head: 'HTTP/1.1 9e9 OK' },
  'refuses a status of two digits': { head: 'HTTP/1.1 20 OK' },
  'refuses a status under 100': { head: 'HTTP/1.1 099 OK' },
  'refuses a status of four digits': { head: 'HTTP/1.1 2000 OK' },
  'refuses a control character in the reason': { head: 'HTTP/1.1 200 O\x01K' },
  'refuses a folded line': { head: 'HTTP/1.1 200 OK\r\nA: 1\r\n 2' },
};

for (const [name, { head, want }] of Object.entries(answers)) {
  test(name, () => {
    const message = response(head);
    if (!want) {
      assert.ok(message instanceof Refusal, JSON.stringify(message));
      assert.equal(message.status, 502);
      return;
    }
    assert.ok(!(message instanceof Refusal), JSON.stringify(message));
    assert.deepEqual({ ...message, ...want }, { ...message });
  });
}
