import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeProxyHeader, NO_ORIGIN, type Origin, parseProxyHeader } from './header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const v2 = (hex: string): Buffer => Buffer.from(SIGNATURE + hex.replaceAll(' ', ''), 'hex');
const origin = (peerAddress: string, peerPort: number, localAddress: string, localPort: number): Origin => ({
  peerAddress,
  peerPort,
  localAddress,
  localPort,
});
const V4 = 'c0000201 c6336402 1234 01bb';
const V4_ORIGIN = origin('192.0.2.1', 0x1234, '198.51.100.2', 443);
const V6 = `20010db8${'0'.repeat(23)}1 20010db8${'0'.repeat(23)}2 0050 ffff`;
const V6_ORIGIN = origin('2001:db8::1', 80, '2001:db8::2', 65535);

const named: Record<string, { input: string | Buffer; want: Origin | undefined }> = {
  'v1, IPv4': { input: 'PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n', want: V4_ORIGIN },
  'v1, IPv6, written in its short form': {
    input: 'PROXY TCP6 2001:DB8:0:0:0:0:0:1 2001:db8::2 80 65535\r\n',
    want: V6_ORIGIN,
  },
  'v1, the longest': {
    input: `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
    want: origin(`${'ffff:'.repeat(7)}ffff`, 65535, `${'ffff:'.repeat(7)}ffff`, 65535),
  },
  'v1, of unknown family': { input: 'PROXY UNKNOWN\r\n', want: undefined },
  'v1, of unknown family with words': { input: 'PROXY UNKNOWN ffff::1 2 three\r\n', want: undefined },
  'v2, IPv4': { input: v2(`21 11 000c ${V4}`), want: V4_ORIGIN },
  'v2, IPv6': { input: v2(`21 21 0024 ${V6}`), want: V6_ORIGIN },
  'v2, with TLVs, which are skipped': { input: v2(`21 11 0013 ${V4} 03 0004 00000000`), want: V4_ORIGIN },
  'v2, a mapped address': {
    input: v2(`21 21 0024 ${'0'.repeat(20)}ffff01020304 ${'0'.repeat(20)}ffff05060708 0001 0002`),
    want: origin('1.2.3.4', 1, '5.6.7.8', 2),
  },
  'v2, LOCAL': { input: v2('20 00 0000'), want: undefined },
  'v2, LOCAL with an address, which is skipped': { input: v2(`20 11 000c ${V4}`), want: undefined },
  'v2, unspecified': { input: v2('21 00 0000'), want: undefined },
  'v2, datagrams': { input: v2(`21 12 000c ${V4}`), want: undefined },
  'v2, unix': { input: v2(`21 31 00d8 ${'61'.repeat(216)}`), want: undefined },
};

for (const [title, { input, want }] of Object.entries(named)) {
  test(`reads ${title}, however it comes`, () => {
    const header = Buffer.from(input);
    const bytes = Buffer.concat([header, Buffer.from('GET /')]);
    assert.deepEqual(parseProxyHeader(bytes), { lengthBytes: header.length, origin: want });
    for (let i = 0; i < header.length; i++) assert.equal(parseProxyHeader(bytes.subarray(0, i)), 'more');
  });
}

const refused: Record<string, string | Buffer> = {
  'v1 without a line end in 107 bytes': `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`,
  'v1 with a bare line feed': 'PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n',
  'v1 with two spaces': 'PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n',
  'v1 with a space at the end': 'PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n',
  'v1 with an IPv6 address for TCP4': 'PROXY TCP4 ::1 198.51.100.2 1 2\r\n',
  'v1 with an IPv4 address for TCP6': 'PROXY TCP6 192.0.2.1 ::1 1 2\r\n',
  'v1 with an address that is none': 'PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n',
  'v1 with a zero before a number': 'PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n',
  'v1 with a port that is too large': 'PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n',
  'v1 with a port with a zero before it': 'PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n',
  'v1 with a sign': 'PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n',
  'v1 of another family': 'PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n',
  'v1 in lower case': 'PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n',
  'v1 of unknown family with a control character': 'PROXY UNKNOWN a\0b\r\n',
  'v2 of version 1': v2(`11 11 000c ${V4}`),
  'v2 with another command': v2(`22 11 000c ${V4}`),
  'v2 of another family': v2(`21 41 000c ${V4}`),
  'v2 of another transport': v2(`21 13 000c ${V4}`),
  'v2 too short for its family': v2('21 11 000b c0000201 c6336402 1234 01'),
  'v2 that is too long': v2('21 11 1001'),
};

for (const [title, input] of Object.entries(refused)) {
  test(`refuses ${title}`, () => assert.equal(parseProxyHeader(Buffer.from(input)), 'invalid'));
}

for (const text of [
  'GET / HTTP/1.1\r\n',
  'POST /',
  'PRI * HTTP/2.0\r\n\r\n',
  '\r\nGET',
  '\x16\x03\x01',
  'proxy TCP4',
  'PROX Y',
]) {
  test(`takes ${JSON.stringify(text)} for something else`, () =>
    assert.equal(parseProxyHeader(Buffer.from(text)), 'none'));
}

for (const version of ['v1', 'v2'] as const) {
  test(`what is written as ${version} is read again`, () => {
    for (const one of [V4_ORIGIN, V6_ORIGIN]) {
      const header = encodeProxyHeader(version, one);
      assert.deepEqual(parseProxyHeader(header), { lengthBytes: header.length, origin: one });
    }
    const mixed = encodeProxyHeader(version, origin('192.0.2.1', 1, '2001:db8::2', 2));
    assert.deepEqual(parseProxyHeader(mixed), {
      lengthBytes: mixed.length,
      origin: origin('192.0.2.1', 1, '2001:db8::2', 2),
    });
    const nobody = encodeProxyHeader(version, NO_ORIGIN);
    assert.deepEqual(parseProxyHeader(nobody), { lengthBytes: nobody.length, origin: undefined });
  });
}
