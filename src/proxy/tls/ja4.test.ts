import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ja4Of } from './ja4.ts';

const u16 = (...values: number[]): Buffer =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(2);
      bytes.writeUInt16BE(value);
      return bytes;
    }),
  );

const sized = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

interface Hello {
  readonly suites: readonly number[];
  readonly extensions: readonly (readonly [type: number, data?: Buffer])[];
}

const helloOf = ({ suites, extensions }: Hello): Buffer => {
  const list = Buffer.concat(extensions.flatMap(([type, data = Buffer.alloc(0)]) => [u16(type), sized(data)]));
  const body = Buffer.concat([
    u16(0x303),
    Buffer.alloc(32),
    Buffer.from([0]),
    sized(u16(...suites)),
    Buffer.from([1, 0]),
    sized(list),
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), sized(message)]);
};

const name = Buffer.from('x.test');
const serverName = sized(Buffer.concat([Buffer.from([0]), sized(name)]));
const versions = Buffer.concat([Buffer.from([6]), u16(0x2a2a, 0x304, 0x303)]);
const signatures = sized(u16(0x403, 0x804, 0x401, 0x503, 0x805, 0x501, 0x806, 0x601));

// The suites and extensions of the fingerprint that its specification works through: a browser's.
const SUITES = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014];
const browser: Hello = {
  suites: [0x7a7a, ...SUITES, 0x009c, 0x009d, 0x002f, 0x0035],
  extensions: [
    [0x3a3a],
    [0x001b],
    [0x0000, serverName],
    [0x0033],
    [0x0010, sized(Buffer.concat([Buffer.from([2]), Buffer.from('h2'), Buffer.from([8]), Buffer.from('http/1.1')]))],
    [0x4469],
    [0x0017],
    [0x002d],
    [0x000d, signatures],
    [0x0005],
    [0x0023],
    [0x0012],
    [0x002b, versions],
    [0xff01],
    [0x000b],
    [0x000a],
    [0x0015],
    [0xdada],
  ],
};

const cases: Record<string, { readonly bytes: Buffer; readonly want: string }> = {
  'as its specification has it, whatever is mixed in at random': {
    bytes: helloOf(browser),
    want: 't13d1516h2_8daaf6152771_e5627efa2ab1',
  },
  'without a name, a protocol or extensions': {
    bytes: helloOf({ suites: [0x1301], extensions: [] }),
    want: 't12i010000_0f2cb44170f4_000000000000',
  },
  'nothing of half a hello': { bytes: helloOf(browser).subarray(0, 100), want: '' },
  'nothing of what is no hello': { bytes: Buffer.from('GET / HTTP/1.1\r\n'), want: '' },
};

for (const [title, { bytes, want }] of Object.entries(cases)) {
  test(title, () => assert.equal(ja4Of(bytes), want));
}
