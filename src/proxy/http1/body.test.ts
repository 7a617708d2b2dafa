import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyReader, BY_LENGTH, CHUNKED, UNTIL_CLOSE } from './body.ts';
import { FieldNames } from './fields.ts';

const LIMITS = { maxExtensionBytes: 20, maxTrailerBytes: 64 };

interface Read {
  body: string;
  trailers?: readonly string[] | undefined;
  ended: number;
  rest: string;
  error: string;
}

/** Feeds the pieces one after the other, as reads of a socket would come. */
const read = (mode: number, pieces: readonly string[], length = 0): Read => {
  const reader = new BodyReader(new FieldNames(), LIMITS);
  const result: Read = { body: '', ended: 0, rest: '', error: '' };
  const sink = {
    onBody: (buffer: Buffer, start: number, end: number) => {
      result.body += buffer.toString('latin1', start, end);
    },
    onBodyEnd: (trailers: readonly string[] | undefined) => {
      result.ended++;
      result.trailers = trailers;
    },
  };
  reader.begin(mode, length);
  for (const piece of pieces) {
    const buffer = Buffer.from(piece, 'latin1');
    const at = reader.done ? 0 : reader.feed(buffer, 0, buffer.length, sink);
    if (reader.done) result.rest += buffer.toString('latin1', at);
  }
  if (mode === UNTIL_CLOSE) reader.finish(sink);
  result.error = reader.error;
  return result;
};

const NEXT = 'GET / HTTP/1.1';

const good: Record<string, { text: string; body: string; trailers?: string[] }> = {
  'one chunk': { text: '3\r\nabc\r\n0\r\n\r\n', body: 'abc' },
  'many chunks': { text: '1\r\na\r\n2\r\nbc\r\n00a\r\n0123456789\r\n0\r\n\r\n', body: 'abc0123456789' },
  'hex in both cases': { text: 'a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n', body: '01234567890123456789' },
  'an empty body': { text: '0\r\n\r\n', body: '' },
  extensions: { text: '1;a=b\r\na\r\n0;c="d e"\r\n\r\n', body: 'a' },
  'CR and LF within data': { text: '4\r\n\r\n\r\n\r\n0\r\n\r\n', body: '\r\n\r\n' },
  trailers: { text: '1\r\na\r\n0\r\nX-Sum: 1 \r\nx-two:2\r\n\r\n', body: 'a', trailers: ['x-sum', '1', 'x-two', '2'] },
  'trailers that must not be there are dropped': {
    text: '0\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: x\r\nA: 1\r\n\r\n',
    body: '',
    trailers: ['a', '1'],
  },
};

for (const [name, { text, body, trailers }] of Object.entries(good)) {
  test(`reads ${name}, however it is split`, () => {
    const whole = text + NEXT;
    const check = (pieces: string[]) => {
      const result = read(CHUNKED, pieces);
      assert.deepEqual(result, { body, trailers, ended: 1, rest: NEXT, error: '' }, JSON.stringify(pieces));
    };
    check([whole]);
    check([...whole]);
    for (let i = 1; i < whole.length; i++) check([whole.slice(0, i), whole.slice(i)]);
  });
}

const bad: Record<string, string> = {
  'no size': '\r\nabc',
  'a bad size': 'g\r\n',
  'a signed size': '+1\r\na\r\n',
  'a size with 0x': '0x1\r\na\r\n',
  'a space before the size': ' 1\r\na\r\n',
  'a space behind the size': '1 \r\na\r\n',
  'a huge size': '10000000000000\r\n',
  'many leading zeroes': '00000000000001\r\na',
  'LF alone behind the size': '1\na\r\n0\r\n\r\n',
  'CR alone behind the size': '1\ra',
  'data longer than its size': '1\r\nab\r\n',
  'LF alone behind data': '1\r\na\n0\r\n\r\n',
  'LF in an extension': '1;a\nb\r\n',
  'NUL in an extension': '1;\0\r\n',
  'long extensions': `1;${'a'.repeat(21)}\r\n`,
  'extensions that add up': `1;${'a'.repeat(15)}\r\na\r\n1;${'a'.repeat(15)}\r\n`,
  'LF alone behind a trailer': '0\r\na: 1\n\r\n',
  'a trailer without a colon': '0\r\nabc\r\n\r\n',
  'a space before the colon of a trailer': '0\r\na : 1\r\n\r\n',
  'a folded trailer': '0\r\na: 1\r\n b\r\n\r\n',
  'long trailers': `0\r\na: ${'b'.repeat(64)}\r\n\r\n`,
};

for (const [name, text] of Object.entries(bad)) {
  test(`refuses ${name}, however it is split`, () => {
    for (const pieces of [[text], [...text]]) {
      const result = read(CHUNKED, pieces);
      assert.notEqual(result.error, '', JSON.stringify(result));
      assert.equal(result.ended, 0);
    }
  });
}

test('reads a body by its length and leaves the rest', () => {
  const text = `hello${NEXT}`;
  for (let i = 0; i <= text.length; i++) {
    const result = read(BY_LENGTH, [text.slice(0, i), text.slice(i)], 5);
    assert.deepEqual(result, { body: 'hello', trailers: undefined, ended: 1, rest: NEXT, error: '' });
  }
});

test('a body of no bytes has ended before it begins', () => {
  assert.deepEqual(read(BY_LENGTH, [NEXT], 0), { body: '', ended: 0, rest: NEXT, error: '' });
});

test('a body without framing goes until the end', () => {
  assert.deepEqual(read(UNTIL_CLOSE, ['a', 'bc']), { body: 'abc', trailers: undefined, ended: 1, rest: '', error: '' });
});

test('the end of the stream within a framed body is an error', () => {
  const reader = new BodyReader(new FieldNames(), LIMITS);
  reader.begin(BY_LENGTH, 5);
  reader.finish({ onBody: () => {}, onBodyEnd: () => assert.fail('it has not ended') });
  assert.notEqual(reader.error, '');
});
