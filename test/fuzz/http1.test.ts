// Property tests of the HTTP/1 codec: fixed seed, fixed budget (budget.ts). What is valid reads the same however it is split; what
// is taken is never framed in two ways; nothing throws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyReader, CHUNKED } from '../../src/proxy/http1/body.ts';
import { FieldNames } from '../../src/proxy/http1/fields.ts';
import { HeadParser, Refusal } from '../../src/proxy/http1/head.ts';
import { requestText } from '../../src/proxy/upstream/upstream-request.ts';
import { fuzz, pickFrom } from './budget.ts';

const ROUNDS = 4000;

const LIMITS = { maxExtensionBytes: 4096, maxTrailerBytes: 4096 };

test('a chunked body reads the same however it is split', () => {
  fuzz(500, 7, (random) => {
    let text = '';
    let want = '';
    for (let n = random(6); n > 0; n--) {
      const data = '\r\n0;a'.repeat(random(8)) + 'x'.repeat(1 + random(20));
      want += data;
      text += `${data.length.toString(16)}${pickFrom(random, ['', ';a', ';a="b"'])}\r\n${data}\r\n`;
    }
    text += `0\r\n${pickFrom(random, ['', 'a: b\r\n'])}\r\nrest`;
    const reader = new BodyReader(new FieldNames(), LIMITS);
    let body = '';
    let rest = '';
    reader.begin(CHUNKED);
    const sink = {
      onBody: (buffer: Buffer, start: number, end: number) => {
        body += buffer.toString('latin1', start, end);
      },
      onBodyEnd: () => {},
    };
    for (let at = 0; at < text.length; ) {
      const piece = Buffer.from(text.slice(at, at + 1 + random(9)));
      at += piece.length;
      const stop = reader.done ? 0 : reader.feed(piece, 0, piece.length, sink);
      if (reader.done) rest += piece.toString('latin1', stop);
    }
    assert.deepEqual([body, rest, reader.error], [want, 'rest', ''], text);
  });
});

const PARTS = [
  'GET',
  'POST',
  ' ',
  '/',
  '/a?b',
  'http://a/',
  'HTTP/1.1',
  'HTTP/1.0',
  '\r\n',
  '\n',
  '\r',
  'Host: a',
  'Host',
  ':',
  'a',
  '\t',
  'Content-Length: 1',
  'Content-Length',
  '1',
  ',',
  'Transfer-Encoding: chunked',
  'chunked',
  'Connection: close',
  'Upgrade',
  '\0',
  '\x7f',
  '\xff',
  'Expect: 100-continue',
  'TE: trailers',
  '"',
  '@',
  '[::1]',
  '#',
];

test('no text makes the parser throw, and what it takes is sent on as one message of the same framing', () => {
  const parser = new HeadParser(new FieldNames(), { maxFields: 50 });
  let taken = 0;
  fuzz(ROUNDS, 11, (random) => {
    const start = random(3) === 0 ? '' : 'POST / HTTP/1.1\r\nHost: a\r\n';
    let text = start;
    for (let n = random(9); n > 0; n--)
      text += pickFrom(random, PARTS) + pickFrom(random, ['', '', ': ', '\r\n', '\r\n']);
    if (text.endsWith('\r\n')) text = text.slice(0, -2);
    const cut = text.indexOf('\r\n\r\n');
    const message = parser.request(text, 0, cut < 0 ? text.length : cut);
    parser.response(text, text.length);
    if (message instanceof Refusal || message.method === 'CONNECT') return;
    taken++;
    assert.ok(!(message.chunked && message.contentLength >= 0));
    const sent = requestText(message);
    assert.doesNotMatch(sent, /[\0\x7f]|\r(?!\n)|(?<!\r)\n/);
    assert.equal(sent.indexOf('\r\n\r\n'), sent.length - 4, JSON.stringify(sent));
    const again = parser.request(sent, 0, sent.length - 4);
    assert.ok(!(again instanceof Refusal), JSON.stringify(sent));
    assert.deepEqual(
      [again.method, again.path, again.query, again.host, again.contentLength, again.chunked, again.headers],
      [
        message.method,
        message.path,
        message.query,
        message.host,
        message.contentLength,
        message.chunked,
        message.headers,
      ],
    );
  });
  assert.ok(taken > 100, `only ${taken} were taken`);
});

test('a changed byte in a chunked body is read to the same end or refused, never beyond the text', () => {
  const text = '4\r\nwxyz\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nx: y\r\n\r\n';
  fuzz(ROUNDS, 13, (random) => {
    const bytes = Buffer.from(text);
    for (let n = 1 + random(3); n > 0; n--) bytes[random(bytes.length)] = random(256);
    const reader = new BodyReader(new FieldNames(), LIMITS);
    reader.begin(CHUNKED);
    let size = 0;
    const sink = {
      onBody: (_: Buffer, start: number, end: number) => {
        size += end - start;
      },
      onBodyEnd: () => {},
    };
    const stop = reader.feed(bytes, 0, bytes.length, sink);
    assert.ok(stop <= bytes.length && size <= bytes.length);
    assert.ok(!(reader.done && reader.error !== ''));
  });
});
