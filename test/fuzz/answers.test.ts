// Property tests of what comes from upstreams: answer heads, chunks from both sides, authorities and absolute targets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerText } from '../../src/proxy/exchange/answer-head.ts';
import { BodyReader, BY_LENGTH, CHUNKED, NO_BODY, UNTIL_CLOSE } from '../../src/proxy/http1/body.ts';
import { FieldNames } from '../../src/proxy/http1/fields.ts';
import { HeadParser, parseAuthority, Refusal, RequestMessage } from '../../src/proxy/http1/head.ts';
import { Malformed, readMessage } from '../fakes/strict-reader.ts';
import { type Draw, fuzz, mutate, pickFrom } from './budget.ts';

const parser = new HeadParser(new FieldNames(), { maxFields: 50 });

const STATUS_PARTS = ['HTTP/1.1 ', 'HTTP/1.0 ', '200', '204', '304', '101', '9e9', '0x9', ' ', ' OK', '\t', 'é'];
const FIELD_PARTS = [
  'Content-Length: 1',
  'Content-Length: 01',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Connection: close, x',
  'Connection: \x85',
  'Keep-Alive: timeout=1',
  'X: 1',
  'content_length: 1',
  'x',
  ':',
  ' ',
  ' folded',
  '\r',
  '\n',
  '\0',
  '\xff',
];

const randomAnswer = (draw: Draw): string => {
  let text = draw(4) === 0 ? '' : 'HTTP/1.1 200 OK';
  for (let n = draw(text === '' ? 6 : 2); n > 0; n--) text += pickFrom(draw, STATUS_PARTS);
  for (let n = draw(5); n > 0; n--)
    text += `\r\n${pickFrom(draw, FIELD_PARTS)}${draw(6) ? '' : pickFrom(draw, FIELD_PARTS)}`;
  return text;
};

test('an answer that is taken is sent on as one message of one framing, which a reader of its own takes too', () => {
  const request = Object.assign(new RequestMessage(), { method: 'GET' });
  let taken = 0;
  fuzz(4000, 17, (draw) => {
    const text = randomAnswer(draw);
    const cut = text.indexOf('\r\n\r\n');
    const message = parser.response(text, cut < 0 ? text.length : cut);
    if (message instanceof Refusal) {
      assert.equal(message.status, 502);
      return;
    }
    taken++;
    assert.ok(!(message.chunked && message.contentLength >= 0));
    assert.ok(message.status >= 100 && message.status <= 999);
    if (message.status < 200) return;
    const mode = message.chunked
      ? CHUNKED
      : message.contentLength > 0
        ? BY_LENGTH
        : message.contentLength === 0
          ? NO_BODY
          : UNTIL_CLOSE;
    const sent = answerText(message, request, mode, false);
    assert.equal(sent.indexOf('\r\n\r\n'), sent.length - 4);
    const read = readMessage(sent, 0, { closed: true, bodyless: true });
    assert.equal(read?.end, sent.length);
    const again = parser.response(sent, sent.length - 4);
    assert.ok(!(again instanceof Refusal), JSON.stringify(sent));
    assert.deepEqual([again.status, again.headers], [message.status, message.headers]);
  });
  assert.ok(taken > 100, `only ${taken} were taken`);
});

const HEAD = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n';

test('chunks that are taken are those that a reader of its own takes, to the same end', () => {
  const text = Buffer.from('4\r\nwxyz\r\n00A\r\n0123456789\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n');
  let taken = 0;
  fuzz(4000, 19, (draw) => {
    const bytes = mutate(draw, text);
    const reader = new BodyReader(new FieldNames(), { maxExtensionBytes: 0, maxTrailerBytes: 100 });
    reader.begin(CHUNKED);
    let body = '';
    let pieces = 0;
    const sink = {
      onBody: (buffer: Buffer, start: number, end: number) => {
        pieces++;
        body += buffer.toString('latin1', start, end);
      },
      onBodyEnd: () => {},
    };
    const stop = reader.feed(bytes, 0, bytes.length, sink);
    assert.ok(pieces <= bytes.length, 'more pieces than bytes');
    assert.ok(!(reader.done && reader.error !== ''));
    if (!reader.done) return;
    taken++;
    // Extensions, also empty ones, are dropped here and unknown there.
    if (bytes.includes(';')) return;
    const plain = bytes.toString('latin1', 0, stop);
    let read: ReturnType<typeof readMessage>;
    try {
      read = readMessage(HEAD + plain, 0);
    } catch (error) {
      assert.ok(!(error instanceof Malformed), `taken, but ${error}: ${JSON.stringify(plain)}`);
      throw error;
    }
    assert.equal(read?.end, HEAD.length + plain.length, JSON.stringify(plain));
    assert.ok(read.text.includes(`chunked ${JSON.stringify(body)}`), JSON.stringify(plain));
  });
  assert.ok(taken > 20, `only ${taken} were taken`);
});

const AUTHORITY_PARTS = [
  'a',
  'B.test',
  '[::1]',
  '[',
  ']',
  ':',
  '80',
  '65536',
  '@',
  '%41',
  '/',
  '\\',
  '?',
  '#',
  '.',
  ' ',
  '\0',
  'é',
  '_',
  '*',
];

test('an authority that is taken is one for the URL parser too, with the same host and port', () => {
  let taken = 0;
  fuzz(3000, 23, (draw) => {
    let text = '';
    for (let n = 1 + draw(4); n > 0; n--) text += pickFrom(draw, AUTHORITY_PARTS);
    const authority = parseAuthority(text);
    const target = `GET http://${text}/p?q HTTP/1.1\r\nhost: other`;
    const message = parser.request(target, 0, target.length);
    if (authority === undefined) {
      // A `/` or `?` may end the authority earlier.
      if (!/[/?]/.test(text)) assert.ok(message instanceof Refusal, JSON.stringify(text));
      return;
    }
    taken++;
    assert.equal(parseAuthority(authority), authority);
    assert.doesNotMatch(authority, /[\s/?#@\\%]/);
    assert.ok(!(message instanceof Refusal));
    assert.deepEqual([message.host, message.path, message.query, message.form], [authority, '/p', 'q', 'absolute']);
    if (!URL.canParse(`http://${authority}/`)) return;
    const url = new URL(`http://${authority}/`);
    assert.deepEqual([url.username, url.password, url.pathname], ['', '', '/']);
  });
  assert.ok(taken > 100, `only ${taken} were taken`);
});
