import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeText, TextReader, trailersFrame, webTypeOfAnswer, webTypeOfRequest } from './web.ts';

const read = (reader: TextReader, text: string): string | undefined => {
  const bytes = Buffer.from(text);
  return reader.read(bytes, 0, bytes.length)?.toString();
};

describe('gRPC-Web', () => {
  const TYPES: Record<string, unknown> = {
    'application/grpc-web': { text: false, format: '' },
    'application/grpc-web+proto': { text: false, format: '+proto' },
    'application/grpc-web-text+proto; charset=utf-8': { text: true, format: '+proto' },
    'application/grpc-web-texts': undefined,
    'application/grpc': undefined,
  };
  for (const [type, want] of Object.entries(TYPES)) {
    it(`reads the type ${type}`, () => {
      assert.deepEqual(webTypeOfRequest('POST', { headers: ['content-type', type] }), want);
    });
  }

  it('names the type of an answer', () => {
    assert.equal(webTypeOfAnswer('application/grpc', false), 'application/grpc-web+proto');
    assert.equal(webTypeOfAnswer('application/grpc+json', true), 'application/grpc-web-text+json');
    assert.equal(webTypeOfAnswer('text/html', true), undefined);
  });

  it('writes trailers as a frame', () => {
    assert.equal(trailersFrame(['grpc-status', '0']).toString('latin1'), '\x80\0\0\0\x10grpc-status: 0\r\n');
  });

  it('reads base64 that is cut anywhere and padded between pieces', () => {
    const text = ['a', 'bc', 'def', 'g'].map((piece) => Buffer.from(piece).toString('base64')).join('');
    for (let cut = 0; cut <= text.length; cut++) {
      const reader = new TextReader();
      assert.equal(read(reader, text.slice(0, cut))! + read(reader, text.slice(cut))!, 'abcdefg');
      assert.ok(reader.done);
    }
  });

  for (const text of ['YQ=a', '====', 'Y===', 'YQ!=', 'YQ=\n', 'YWJj====']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(read(new TextReader(), text), undefined));
  }

  it('knows of a group that has not ended', () => {
    const reader = new TextReader();
    assert.equal(read(reader, 'YWJjYQ'), 'abc');
    assert.equal(reader.done, false);
  });

  it('pads what it encodes', () => {
    const bytes = Buffer.from('xab');
    assert.equal(encodeText(bytes, 1, 3).toString(), 'YWI=');
  });
});
