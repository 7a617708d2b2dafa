import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cidrContains, parseAddress, parseCidr } from './cidr.ts';

const cases: Record<string, { block: string; inside?: string[]; outside?: string[] }> = {
  'a block of IPv4': { block: '10.1.0.0/16', inside: ['10.1.2.3'], outside: ['10.2.0.0', '::a01:203'] },
  'bits within a byte': { block: '192.168.4.0/22', inside: ['192.168.7.255'], outside: ['192.168.8.0'] },
  'host bits that are set do not matter': { block: '10.1.2.3/8', inside: ['10.9.9.9'], outside: ['11.1.2.3'] },
  'a single address': { block: '127.0.0.1', inside: ['127.0.0.1', '::ffff:127.0.0.1'], outside: ['127.0.0.2'] },
  'all of IPv4, and nothing else': { block: '0.0.0.0/0', inside: ['255.1.2.3'], outside: ['fd00::1'] },
  'a block of IPv6': { block: 'fd00::/8', inside: ['fdff::1', 'FD00::'], outside: ['fe00::1', '10.0.0.1'] },
  'across words': {
    block: '2001:db8:1:2:8000::/65',
    inside: ['2001:db8:1:2:ffff::1'],
    outside: ['2001:db8:1:2:7fff::'],
  },
  'all of IPv6': { block: '::/0', inside: ['::1', '1.2.3.4'] },
  'a zone does not matter': { block: 'fe80::1', inside: ['fe80::1%lo'] },
};

for (const [name, { block, inside = [], outside = [] }] of Object.entries(cases)) {
  test(name, () => {
    const cidr = parseCidr(block)!;
    for (const text of inside) assert.equal(cidrContains(cidr, parseAddress(text)!), true, text);
    for (const text of outside) assert.equal(cidrContains(cidr, parseAddress(text)!), false, text);
  });
}

for (const text of [
  '',
  '10.0.0',
  '10.0.0.0.1',
  '10.0.0.256',
  '010.0.0.1',
  '10.0.0.1/33',
  '10.0.0.1/',
  '::/129',
  ':::',
  '1::2::3',
  '12345::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8',
  'a',
  '10.0.0.1/08',
  '/8',
  '10.0.0.-1',
  'fe80::1%lo/64',
  '::1.2.3',
]) {
  test(`"${text}" is no block`, () => assert.equal(parseCidr(text), undefined));
}
