import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HpackDecoder, type HpackLimits } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { huffmanCodes } from './hpack-huffman.ts';

const LIMITS: HpackLimits = { maxListSize: 65_536, maxFields: 100 };

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

const decodeHex = (decoder: HpackDecoder, hex: string): string[] | string => {
  const bytes = bytesOf(hex);
  return decoder.decode(bytes, 0, bytes.length);
};

const huffman = (text: string): Buffer => {
  const { codes, lengths } = huffmanCodes();
  let bits = '';
  for (const byte of Buffer.from(text, 'latin1')) bits += codes[byte]!.toString(2).padStart(lengths[byte]!, '0');
  bits += '1'.repeat((8 - (bits.length % 8)) % 8);
  return Buffer.from(bits.match(/.{8}/g)?.map((octet) => Number.parseInt(octet, 2)) ?? []);
};

const REQUEST = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
const SECURE = [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com'];
const dateOf = (second: number): string[] => ['date', `Mon, 21 Oct 2013 20:13:${second} GMT`];
const LOCATION = ['location', 'https://www.example.com'];
const COOKIE = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const SCRIPT = ['cache-control', 'private'];

// RFC 7541, appendix C: one table for the blocks of a series; the answers with a table of 256.
const SERIES: Record<string, { maxTableSize: number; blocks: [hex: string, want: string[]][] }> = {
  'requests without Huffman coding (C.3)': {
    maxTableSize: 4096,
    blocks: [
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', REQUEST],
      ['8286 84be 5808 6e6f 2d63 6163 6865', [...REQUEST, 'cache-control', 'no-cache']],
      [
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        [...SECURE, 'custom-key', 'custom-value'],
      ],
    ],
  },
  'requests with Huffman coding (C.4)': {
    maxTableSize: 4096,
    blocks: [
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', REQUEST],
      ['8286 84be 5886 a8eb 1064 9cbf', [...REQUEST, 'cache-control', 'no-cache']],
      ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', [...SECURE, 'custom-key', 'custom-value']],
    ],
  },
  'answers with Huffman coding that push one another out of the table (C.6)': {
    maxTableSize: 256,
    blocks: [
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        [':status', '302', ...SCRIPT, ...dateOf(21), ...LOCATION],
      ],
      ['4883 640e ffc1 c0bf', [':status', '307', ...SCRIPT, ...dateOf(21), ...LOCATION]],
      [
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
        [':status', '200', ...SCRIPT, ...dateOf(22), ...LOCATION, 'content-encoding', 'gzip', ...COOKIE],
      ],
    ],
  },
};

const CORRUPT: Record<string, string> = {
  'index 0': '80',
  'an index beyond the tables': 'be',
  'a name beyond the tables': '7e 00',
  'an integer that does not end': 'ff 80 80 80',
  'an integer that overflows': 'ff ff ff ff ff ff 7f',
  'an integer of many empty bytes': 'ff 80 80 80 80 80 00',
  'a literal without a value': '00 01 61',
  'a string that is cut short': '00 01 61 05 61',
  'a length above what is left': '00 7f ff ff ff 07',
  'a size update after a field': '82 20',
  'a size update above the bound': '3f e2 1f',
  'padding of a whole byte': '00 01 61 82 1f ff',
  'padding of zeros': '00 01 61 81 18',
  'the end of the string coded': '00 01 61 84 ff ff ff ff',
};

describe('the HPACK decoder', () => {
  for (const [sentence, { maxTableSize, blocks }] of Object.entries(SERIES)) {
    it(`reads ${sentence}`, () => {
      const decoder = new HpackDecoder({ ...LIMITS, maxTableSize });
      for (const [hex, want] of blocks) assert.deepEqual(decodeHex(decoder, hex), want);
    });
  }

  for (const [sentence, hex] of Object.entries(CORRUPT)) {
    it(`refuses ${sentence}`, () => assert.equal(decodeHex(new HpackDecoder(LIMITS), hex), 'corrupt'));
  }

  it('reads each byte in Huffman coding', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
    const value = huffman(all);
    const length = value.length - 127;
    const head = bytesOf(`00 01 61 ff`);
    const block = Buffer.concat([head, Buffer.from([(length & 127) | 128, length >> 7]), value]);
    assert.deepEqual(new HpackDecoder(LIMITS).decode(block, 0, block.length), ['a', all]);
  });

  it('reads a range of a larger buffer', () => {
    assert.deepEqual(new HpackDecoder(LIMITS).decode(bytesOf('ff82 86ff'), 1, 3), REQUEST.slice(0, 4));
  });

  it('empties the table by an entry that is larger than it', () => {
    const decoder = new HpackDecoder({ ...LIMITS, maxTableSize: 64 });
    assert.deepEqual(decodeHex(decoder, '40 01 61 01 62 be'), ['a', 'b', 'a', 'b']);
    assert.deepEqual(decodeHex(decoder, `40 01 61 1f ${'62'.repeat(31)}`), ['a', 'b'.repeat(31)]);
    assert.deepEqual(decodeHex(decoder, `40 01 61 20 ${'62'.repeat(32)}`), ['a', 'b'.repeat(32)]);
    assert.equal(decodeHex(decoder, 'be'), 'corrupt');
  });

  it('drops entries when the table is made smaller and takes it back to its bound', () => {
    const decoder = new HpackDecoder(LIMITS);
    assert.deepEqual(decodeHex(decoder, '40 01 61 01 62'), ['a', 'b']);
    assert.deepEqual(decodeHex(decoder, '20 3f e1 1f 40 01 63 01 64 be'), ['c', 'd', 'c', 'd']);
    assert.equal(decodeHex(decoder, 'bf'), 'corrupt');
  });

  it('tells a list that is too large and keeps its table in step', () => {
    const decoder = new HpackDecoder({ maxListSize: 100, maxFields: 100 });
    const bomb = `40 01 61 28 ${'62'.repeat(40)} ${'be'.repeat(10_000)} 40 01 63 01 64`;
    assert.equal(decodeHex(decoder, bomb), 'too-large');
    assert.deepEqual(decodeHex(decoder, 'be'), ['c', 'd']);
  });

  it('tells a list of too many fields', () => {
    const decoder = new HpackDecoder({ maxListSize: 65_536, maxFields: 3 });
    assert.deepEqual(decodeHex(decoder, '82 82 82'), [':method', 'GET', ':method', 'GET', ':method', 'GET']);
    assert.equal(decodeHex(decoder, '82 82 82 82'), 'too-large');
  });
});

const roundTrip = (encoder: HpackEncoder, decoder: HpackDecoder, fields: readonly string[]): Buffer => {
  const block = Buffer.from(encoder.encode(fields), 'latin1');
  assert.deepEqual(decoder.decode(block, 0, block.length), fields);
  return block;
};

describe('the HPACK encoder', () => {
  it('spends one byte on a field that came twice', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    const fields = [...REQUEST, 'user-agent', 'test', 'x-team', 'a'];
    roundTrip(encoder, decoder, fields);
    roundTrip(encoder, decoder, fields);
    assert.equal(roundTrip(encoder, decoder, fields).length, fields.length / 2);
  });

  it('leaves the table to fields that repeat', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    for (let i = 0; i < 3; i++) roundTrip(encoder, decoder, ['x-team', 'a']);
    for (let i = 0; i < 1000; i++) roundTrip(encoder, decoder, [':path', `/${i}`, 'x-request-id', `id-${i}`]);
    assert.equal(roundTrip(encoder, decoder, ['x-team', 'a']).length, 1);
  });

  it('never indexes what must stay secret', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    for (const field of [
      ['authorization', 'Bearer x'],
      ['set-cookie', 'a=b'],
      ['cookie', 'a=b'],
      ['proxy-authorization', 'x'],
    ]) {
      for (let i = 0; i < 3; i++) assert.equal(roundTrip(encoder, decoder, field)[0]! & 0xf0, 0x10, field[0]);
    }
  });

  it('tells each change of the table that the peer asks for, the smallest first', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    for (let i = 0; i < 3; i++) roundTrip(encoder, decoder, ['x-team', 'a']);
    encoder.setMaxTableSize(0);
    encoder.setMaxTableSize(100);
    assert.equal(encoder.start(), ' \x3f\x45');
    encoder.setMaxTableSize(50);
    const small = new HpackDecoder({ ...LIMITS, maxTableSize: 50 });
    for (let i = 0; i < 4; i++) roundTrip(encoder, small, ['x-team', 'a', 'x-other', 'b', 'x-team', 'a']);
    encoder.setMaxTableSize(1_000_000);
    assert.equal(encoder.start(), '\x3f\xe1\x1f');
    encoder.setMaxTableSize(1_000_000);
    assert.equal(encoder.start(), '');
  });

  it('keeps in step over many fields that come and go', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(LIMITS);
    for (let i = 0; i < 5000; i++) {
      const value = `${'v'.repeat(i % 300)}${i % 7}`;
      roundTrip(encoder, decoder, [`x-${i % 400}`, value, `x-${i % 400}`, value, `x-${i % 3}`, value, 'via', value]);
    }
  });
});
