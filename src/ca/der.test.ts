import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { bitStringBytes, childrenOf, der, integer, oid, oidText, readDer, sequence, TAG, time } from './der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const written: Record<string, { value: Buffer; want: string }> = {
  'writes a short length in one byte': { value: der(TAG.octetString, Buffer.alloc(2)), want: '04 02 0000' },
  'writes a length from 128 in the long form': {
    value: der(TAG.octetString, Buffer.alloc(128)).subarray(0, 3),
    want: '04 81 80',
  },
  'writes a length from 256 in two bytes': {
    value: der(TAG.octetString, Buffer.alloc(256)).subarray(0, 4),
    want: '04 82 0100',
  },
  'puts a zero before an integer whose top bit is set': { value: integer(hex('80')), want: '02 02 0080' },
  'drops leading zeros of an integer': { value: integer(hex('000001')), want: '02 01 01' },
  'writes large arcs in base 128': { value: oid('1.2.840.10045.4.3.2'), want: '06 08 2a8648ce3d040302' },
  'writes years before 2050 as UTCTime': {
    value: time(Date.UTC(2049, 11, 31, 23, 59, 59)),
    want: `17 0d ${Buffer.from('491231235959Z').toString('hex')}`,
  },
  'writes years from 2050 as GeneralizedTime': {
    value: time(Date.UTC(2050, 0, 1)),
    want: `18 0f ${Buffer.from('20500101000000Z').toString('hex')}`,
  },
};

for (const [name, { value, want }] of Object.entries(written)) {
  test(name, () => assert.equal(value.toString('hex'), want.replaceAll(' ', '')));
}

const refused: Record<string, string> = {
  'refuses an empty input': '',
  'refuses a value that ends early': '30 05 0201',
  'refuses bytes behind the value': '05 00 00',
  'refuses an indefinite length': '30 80 0000',
  'refuses a long form for a short length': '04 81 02 0000',
  'refuses a length with a leading zero': `04 82 0080 ${'00'.repeat(128)}`,
  'refuses a length of more than three bytes': '04 84 00000001 00',
  'refuses a tag number over 30': '1f 01 00',
};

for (const [name, input] of Object.entries(refused)) {
  test(name, () =>
    assert.throws(
      () => readDer(hex(input)),
      (error) => isWeftError(error, 'DER_MALFORMED'),
    ),
  );
}

test('reads back the parts it wrote', () => {
  const [first, second] = childrenOf(readDer(sequence(oid('2.5.29.17'), integer(hex('05')))));
  assert.equal(oidText(first, 'id'), '2.5.29.17');
  assert.equal(second!.content[0], 5);
  assert.throws(() => childrenOf(second!), /no parts/);
  assert.throws(() => oidText(second, 'id'), /id is missing/);
});

test('refuses a bit string with loose bits', () => {
  assert.throws(() => bitStringBytes(readDer(hex('03 02 0180')), 'the key'), /loose bits/);
});
