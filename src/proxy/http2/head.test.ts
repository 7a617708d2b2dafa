import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FieldNames } from '../http1/fields.ts';
import { Refusal } from '../http1/head.ts';
import { Http2HeadParser } from './head.ts';
import { answerBlock, requestBlock, trailersBlock } from './head-block.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const parser = new Http2HeadParser(new FieldNames());

const GET = [':method', 'GET', ':scheme', 'http', ':path', '/a?b', ':authority', 'A.test'];
const without = (name: string): string[] => {
  const at = GET.indexOf(name);
  return [...GET.slice(0, at), ...GET.slice(at + 2)];
};
const withField = (name: string, value: string): string[] => [...without(name), name, value];
const CONNECT = [':method', 'CONNECT', ':authority', 'a.test:443'];
const EXTENDED = [
  ':method',
  'CONNECT',
  ':protocol',
  'websocket',
  ':scheme',
  'https',
  ':path',
  '/',
  ':authority',
  'a.test',
];

const MALFORMED: Record<string, string[]> = {
  'no method': without(':method'),
  'no scheme': without(':scheme'),
  'no path': without(':path'),
  'neither authority nor host': without(':authority'),
  'an empty path': withField(':path', ''),
  'a path without its slash': withField(':path', 'a'),
  'a path with a scheme': withField(':path', 'http://a.test/'),
  'a path with a fragment': withField(':path', '/a#b'),
  'a path with a space': withField(':path', '/a b'),
  'a path with CR LF': withField(':path', '/ HTTP/1.1\r\nx: y'),
  'a path with a letter beyond ASCII': withField(':path', '/\xe4'),
  '* for GET': withField(':path', '*'),
  'a method in small letters': withField(':method', 'get'),
  'a method with a space': withField(':method', 'GET /x HTTP/1.1'),
  'an unknown scheme': withField(':scheme', 'ftp'),
  'an authority with a user': withField(':authority', 'u@a.test'),
  'an authority with a path': withField(':authority', 'a.test/x'),
  'an empty authority': withField(':authority', ''),
  'a repeated pseudo header': [...GET, ':path', '/'],
  'an unknown pseudo header': [...GET, ':other', 'x'],
  'a pseudo header of answers': [...GET, ':status', '200'],
  'a pseudo header behind a field': ['x', 'y', ...GET],
  'a host that is another': [...GET, 'host', 'b.test'],
  'two hosts': [...GET, 'host', 'a.test', 'host', 'a.test'],
  'two hosts without authority': [...without(':authority'), 'host', 'a.test', 'host', 'a.test'],
  'a host with another port': [...GET, 'host', 'a.test:443'],
  'a name in capitals': [...GET, 'X-Team', 'a'],
  'a name with a space': [...GET, 'x team', 'a'],
  'a name with a colon': [...GET, 'x:y', 'a'],
  'a name with LF': [...GET, 'x\ny', 'a'],
  'a name of NUL': [...GET, 'x\0', 'a'],
  'an empty name': [...GET, '', 'a'],
  'a name that poses as framing': [...GET, 'content_length', '1'],
  'a value with CR': [...GET, 'x', 'a\rb'],
  'a value with LF': [...GET, 'x', 'a\nb: c'],
  'a value with NUL': [...GET, 'x', 'a\0b'],
  'a value that begins with a space': [...GET, 'x', ' a'],
  'a value that ends with a tab': [...GET, 'x', 'a\t'],
  connection: [...GET, 'connection', 'close'],
  'keep-alive': [...GET, 'keep-alive', 'timeout=1'],
  'proxy-connection': [...GET, 'proxy-connection', 'keep-alive'],
  'transfer-encoding': [...GET, 'transfer-encoding', 'chunked'],
  upgrade: [...GET, 'upgrade', 'h2c'],
  'te other than trailers': [...GET, 'te', 'trailers, deflate'],
  'a content-length that is no number': [...GET, 'content-length', '+1'],
  'a content-length that is a list': [...GET, 'content-length', '1, 1'],
  'two content-lengths': [...GET, 'content-length', '1', 'content-length', '1'],
  'CONNECT with a path': [...CONNECT, ':path', '/'],
  'CONNECT with a scheme': [...CONNECT, ':scheme', 'https'],
  'CONNECT without a port': [':method', 'CONNECT', ':authority', 'a.test'],
  'CONNECT without authority': [':method', 'CONNECT', 'host', 'a.test:443'],
  ':protocol without CONNECT': [...GET, ':protocol', 'websocket'],
  'an extended CONNECT without a path': EXTENDED.filter((_, i) => i !== 6 && i !== 7),
  'an extended CONNECT without authority': [...EXTENDED.slice(0, 8), 'host', 'a.test'],
};

const request = (fields: string[]) => {
  const message = parser.request(fields);
  assert.ok(!(message instanceof Refusal), 'reason' in message ? message.reason : '');
  return message;
};

describe('the head of a request', () => {
  for (const [sentence, fields] of Object.entries(MALFORMED)) {
    it(`is malformed with ${sentence}`, () => assert.equal((parser.request(fields) as Refusal).status, 400));
  }

  it('is read as that of HTTP/1', () => {
    const fields = [
      'cookie',
      'a=b',
      'x',
      '',
      'content-length',
      '3',
      'te',
      'trailers',
      'expect',
      '100-continue',
      'cookie',
      'c=d',
    ];
    const message = request([...GET, ...fields, 'proxy-authorization', 'x']);
    assert.deepEqual(
      [message.method, message.scheme, message.host, message.path, message.query, message.form],
      ['GET', 'http', 'a.test', '/a', 'b', 'origin'],
    );
    assert.deepEqual(message.headers, ['cookie', 'a=b; c=d', 'x', '']);
    assert.deepEqual([message.contentLength, message.teTrailers, message.expectContinue], [3, true, true]);
  });

  it('takes the host header for an absent authority', () => {
    assert.equal(request([...without(':authority'), 'host', 'B.test']).host, 'b.test');
  });

  it('compares hosts as the scheme has it', () => {
    assert.equal(request([...GET, 'host', 'a.test:80']).host, 'a.test');
    assert.deepEqual(request([...GET, 'host', 'a.test']).headers, []);
  });

  it('knows OPTIONS *, CONNECT and the extended CONNECT', () => {
    const all = request([':method', 'OPTIONS', ':scheme', 'http', ':path', '*', ':authority', 'a.test']);
    assert.deepEqual([all.form, all.path], ['asterisk', '*']);
    const connect = request(CONNECT);
    assert.deepEqual([connect.form, connect.host], ['authority', 'a.test:443']);
    const extended = request(EXTENDED);
    assert.deepEqual([extended.form, extended.protocol, extended.path], ['origin', 'websocket', '/']);
  });

  it('answers what is well-formed but not supported', () => {
    assert.equal((parser.request([...GET, 'expect', 'more']) as Refusal).status, 417);
  });
});

describe('the head of an answer', () => {
  const BAD: Record<string, string[]> = {
    'no status': ['x', 'y'],
    'no fields': [],
    'a status of two digits': [':status', '20'],
    'a status below 100': [':status', '099'],
    'a status that is a number otherwise': [':status', '2e2'],
    'the status 101': [':status', '101'],
    'two statuses': [':status', '200', ':status', '200'],
    'a pseudo header of requests': [':status', '200', ':path', '/'],
    'transfer-encoding': [':status', '200', 'transfer-encoding', 'chunked'],
    'a value with CR LF': [':status', '200', 'x', 'a\r\nb: c'],
  };
  for (const [sentence, fields] of Object.entries(BAD)) {
    it(`is malformed with ${sentence}`, () => assert.equal((parser.response(fields) as Refusal).status, 502));
  }

  it('is read as that of HTTP/1', () => {
    const message = parser.response([':status', '200', 'content-length', '5', 'set-cookie', 'a', 'set-cookie', 'b']);
    assert.ok(!(message instanceof Refusal));
    assert.deepEqual([message.status, message.contentLength], [200, 5]);
    assert.deepEqual(message.headers, ['set-cookie', 'a', 'set-cookie', 'b']);
  });
});

describe('trailers', () => {
  it('keep what may stand behind a body', () => {
    assert.deepEqual(parser.trailers(['grpc-status', '0', 'content-length', '1', 'set-cookie', 'a']), [
      'grpc-status',
      '0',
    ]);
  });

  for (const fields of [
    [':path', '/'],
    ['X', 'a'],
    ['x', 'a\nb'],
  ]) {
    it(`are malformed with ${JSON.stringify(fields)}`, () => assert.equal(parser.trailers(fields), undefined));
  }
});

describe('blocks', () => {
  const decoder = new HpackDecoder({ maxListSize: 65_536, maxFields: 100 });
  const encoder = new HpackEncoder();
  const read = (text: string): string[] => {
    const block = Buffer.from(text, 'latin1');
    return decoder.decode(block, 0, block.length) as string[];
  };

  for (const fields of [GET, CONNECT, EXTENDED, [...GET, 'x', 'y', 'content-length', '0', 'te', 'trailers']]) {
    it(`carry a request as it was: ${fields.join(' ')}`, () => {
      const message = request(fields);
      assert.deepEqual(request(read(requestBlock(encoder, message, false))), message);
    });
  }

  it('carry an answer and trailers as they were', () => {
    const fields = [':status', '404', 'x', 'y', 'content-length', '7'];
    const message = parser.response(fields);
    assert.ok(!(message instanceof Refusal));
    assert.deepEqual(read(answerBlock(encoder, message)), fields);
    assert.deepEqual(read(trailersBlock(encoder, ['grpc-status', '0'])), ['grpc-status', '0']);
  });

  it('promise no body that does not come', () => {
    const message = request([...GET, 'expect', '100-continue']);
    assert.ok(!read(requestBlock(encoder, message, true)).includes('expect'));
    const empty = parser.response([':status', '204', 'content-length', '7']);
    assert.ok(!(empty instanceof Refusal));
    assert.deepEqual(read(answerBlock(encoder, empty)), [':status', '204']);
  });
});
