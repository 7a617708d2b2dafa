// Property tests of HPACK: what the encoder writes is read back, and no bytes make the decoder throw or keep more than its bounds.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../src/proxy/http2/hpack-encoder.ts';
import { type Draw, fuzz, mutate, pickFrom } from './budget.ts';

const LIMITS = { maxListSize: 16_384, maxFields: 64 };
const NAMES = [':path', ':status', 'cookie', 'authorization', 'x-a', 'x-b', 'accept', 'vary', 'a'.repeat(200)];

const drawValue = (draw: Draw): string =>
  draw(2) === 0
    ? pickFrom(draw, ['', '/', '200', 'b', 'c'.repeat(300), 'd'.repeat(5000)])
    : String.fromCharCode(...Array.from({ length: draw(40) }, () => draw(256)));

const drawFields = (draw: Draw): string[] => {
  const fields: string[] = [];
  for (let n = draw(10); n > 0; n--)
    fields.push(draw(4) === 0 ? `x-${draw(500)}` : pickFrom(draw, NAMES), drawValue(draw));
  return fields;
};

const MANY = { maxListSize: 1_000_000, maxFields: 64 };

it('what is encoded is decoded, whatever sizes the table takes', () => {
  fuzz(100, 1, (draw) => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(MANY);
    for (let block = 0; block < 10; block++) {
      if (draw(3) === 0) encoder.setMaxTableSize(draw(6000));
      const fields = drawFields(draw);
      const bytes = Buffer.from(encoder.encode([...fields, ...fields]), 'latin1');
      assert.deepEqual(decoder.decode(bytes, 0, bytes.length), [...fields, ...fields]);
    }
  });
});

it('no bytes make the decoder throw or exceed its limits', () => {
  fuzz(3000, 2, (draw, index) => {
    const decoder = new HpackDecoder(LIMITS);
    const encoder = new HpackEncoder();
    for (let block = 0; block < 3; block++) {
      const bytes =
        index % 2 === 0
          ? Buffer.from(Array.from({ length: draw(200) }, () => draw(256)))
          : mutate(draw, Buffer.from(encoder.encode(drawFields(draw)), 'latin1'));
      const fields = decoder.decode(bytes, 0, bytes.length);
      if (typeof fields === 'string') continue;
      assert.ok(fields.length <= 2 * LIMITS.maxFields);
      assert.ok(fields.join('').length + 16 * fields.length <= LIMITS.maxListSize);
    }
  });
});
