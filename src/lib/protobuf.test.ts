import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWeftError } from './errors.ts';
import { bytesField, bytesOf, numberField, numberOf, optionalField, readFields, textOf } from './protobuf.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('reads back what it wrote, in order', () => {
  const long = 'é'.repeat(200);
  const message = Buffer.concat([
    bytesField(1, 'a'),
    numberField(3, 86_400),
    bytesField(1, long),
    optionalField(4, ''),
    numberField(5, 0),
    numberField(300_000, Number.MAX_SAFE_INTEGER),
  ]);
  const fields = readFields(message);
  assert.deepEqual(
    fields.map((field) => field.number),
    [1, 3, 1, 300_000],
  );
  assert.equal(textOf(fields[0]!), 'a');
  assert.equal(numberOf(fields[1]!), 86_400);
  assert.equal(textOf(fields[2]!), long);
  assert.equal(numberOf(fields[3]!), Number.MAX_SAFE_INTEGER);
});

test('reads a negative number, and cuts what is out of the safe range', () => {
  assert.equal(numberOf(readFields(hex('08 ffffffffffffffffff01'))[0]!), -1);
  assert.equal(numberOf(readFields(hex('08 ffffffffffffffff7f'))[0]!), Number.MAX_SAFE_INTEGER);
});

const refused: Record<string, string> = {
  'refuses a tag that is cut': '80',
  'refuses a number that is cut': '08 80',
  'refuses a number of over ten bytes': '08 8080808080808080808001',
  'refuses a length beyond the end': '0a 05 6161',
  'refuses a huge length': '0a ffffffffffff01',
  'refuses field number 0': '00 00',
  'refuses groups': '0b 0c',
  'refuses fixed widths that are cut': '0d 0000',
};

for (const [name, input] of Object.entries(refused)) {
  test(name, () =>
    assert.throws(
      () => readFields(hex(input)),
      (error) => isWeftError(error, 'PROTOBUF_MALFORMED'),
    ),
  );
}

test('refuses a message of too many fields', () => {
  const many = (count: number) => Buffer.alloc(2 * count, Buffer.from([0x0a, 0x00]));
  assert.equal(readFields(many(1000)).length, 1000);
  assert.throws(() => readFields(many(250_001)), { code: 'PROTOBUF_MALFORMED', message: /more than 250000 fields/ });
});

test('refuses text that is not UTF-8, and values of the other kind', () => {
  const [text] = readFields(hex('0a 01 ff'));
  const [number] = readFields(hex('08 01'));
  for (const read of [() => textOf(text!), () => bytesOf(number!), () => numberOf(text!)]) {
    assert.throws(read, (error) => isWeftError(error, 'PROTOBUF_MALFORMED'));
  }
});
