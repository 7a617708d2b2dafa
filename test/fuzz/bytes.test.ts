// Property tests of the readers of bytes and of manifests: ClientHello, protobuf, DER, YAML. What is refused is refused in
// their own way; what is taken is what stands there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childrenOf, type DerValue, der, integer, octetString, oid, readDer, sequence } from '../../src/ca/der.ts';
import { parseManifests } from '../../src/kinds/yaml.ts';
import { isWeftError } from '../../src/lib/errors.ts';
import { bytesField, numberField, numberOf, readFields, textOf } from '../../src/lib/protobuf.ts';
import { encodeProxyHeader, parseProxyHeader } from '../../src/proxy/proxy-protocol/header.ts';
import { parseClientHello } from '../../src/proxy/tls/client-hello.ts';
import { ja4Of } from '../../src/proxy/tls/ja4.ts';
import { type Draw, fuzz, mutate, pickFrom } from './budget.ts';

const vector = (size: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(size);
  length.writeUIntBE(content.length, 0, size);
  return Buffer.concat([length, content]);
};

const helloOf = (name: string): Buffer => {
  const host = Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name))]);
  const extension = Buffer.concat([Buffer.from([0, 0]), vector(2, vector(2, host))]);
  const other = Buffer.concat([Buffer.from([0, 43]), vector(2, Buffer.from([2, 3, 4]))]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 8)),
    vector(2, Buffer.from([0x13, 1])),
    vector(1, Buffer.from([0])),
    vector(2, other, extension),
  ]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), vector(2, Buffer.from([1]), vector(3, body))]);
};

test('no ClientHello makes the reader throw, and a name that it reads is one that stands there', () => {
  const hello = helloOf('shop.test');
  assert.deepEqual(parseClientHello(hello), { serverName: 'shop.test' });
  fuzz(4000, 29, (draw) => {
    const bytes = mutate(draw, hello);
    const result = parseClientHello(bytes);
    assert.match(ja4Of(bytes), /^$|^t[0-9s]{2}[di][0-9]{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/);
    if (typeof result === 'string') return;
    assert.match(result.serverName, /^[a-z0-9._-]*$/);
    assert.ok(bytes.toString('latin1').toLowerCase().includes(result.serverName));
    // What is whole stays the same whatever follows.
    assert.deepEqual(parseClientHello(Buffer.concat([bytes, Buffer.from([1, 2, 3])])), result);
  });
});

test('no PROXY protocol header makes the reader throw, and one that is read is read the same when written again', () => {
  const origin = { peerAddress: '192.0.2.1', peerPort: 4660, localAddress: '2001:db8::2', localPort: 443 };
  const headers = (['v1', 'v2'] as const).map((version) => encodeProxyHeader(version, origin));
  fuzz(4000, 31, (draw) => {
    const bytes = mutate(draw, pickFrom(draw, headers));
    const result = parseProxyHeader(bytes);
    if (typeof result === 'string') return;
    assert.ok(result.lengthBytes <= bytes.length);
    assert.deepEqual(parseProxyHeader(bytes.subarray(0, result.lengthBytes)), result);
    assert.equal(parseProxyHeader(bytes.subarray(0, result.lengthBytes - 1)), 'more');
    if (!result.origin) return;
    for (const version of ['v1', 'v2'] as const) {
      const again = parseProxyHeader(encodeProxyHeader(version, result.origin));
      assert.deepEqual(typeof again === 'object' && again.origin, result.origin);
    }
  });
});

/** Calls it; a refusal with this code is an answer, everything else a failure. */
const unless = <T>(code: string, read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (!isWeftError(error, code)) throw error;
    return undefined;
  }
};

test('a protobuf message that is taken is made of fields within it, and reads the same when written again', () => {
  const message = Buffer.concat([
    numberField(1, 300),
    bytesField(2, 'text'),
    bytesField(3, bytesField(1, 'inner')),
    numberField(16, 2 ** 31),
  ]);
  let taken = 0;
  fuzz(4000, 31, (draw) => {
    const fields = unless('PROTOBUF_MALFORMED', () => readFields(mutate(draw, message)));
    if (!fields) return;
    taken++;
    for (const field of fields) {
      unless('PROTOBUF_MALFORMED', () => textOf(field));
      unless('PROTOBUF_MALFORMED', () => numberOf(field));
    }
    const blobs = fields.filter((field) => typeof field.value !== 'bigint');
    const again = readFields(Buffer.concat(blobs.map(({ number, value }) => bytesField(number, value as Buffer))));
    assert.deepEqual(again, blobs);
  });
  assert.ok(taken > 100, `only ${taken} were taken`);
});

/** The parts of constructed values; bounded by the bytes, as each value takes two at least. */
const countValues = (value: DerValue, depth = 0): number => {
  if (!(value.tag & 0x20) || depth > 20) return 1;
  return childrenOf(value).reduce((sum, child) => sum + countValues(child, depth + 1), 1);
};

test('DER that is taken is written in one way only: the same bytes come out again', () => {
  const value = sequence(
    integer(Buffer.from([1, 0])),
    sequence(oid('1.2.840.10045.2.1'), octetString(Buffer.alloc(200, 1))),
    der(0xa0, octetString(Buffer.from('x'))),
  );
  let taken = 0;
  fuzz(4000, 37, (draw) => {
    const bytes = mutate(draw, value);
    const read = unless('DER_MALFORMED', () => readDer(bytes));
    if (!read) return;
    taken++;
    assert.deepEqual(der(read.tag, read.content), bytes);
    const count = unless('DER_MALFORMED', () => countValues(read)) ?? 0;
    assert.ok(count <= bytes.length);
  });
  assert.ok(taken > 100, `only ${taken} were taken`);
});

const MANIFEST = `apiVersion: v1
kind: Service
metadata: { name: a, namespace: shop, labels: &l { x: "1" } }
spec:
  ports: [{ name: http, port: 80, targetPort: 8080 }]
  selector: *l
---
apiVersion: v1
kind: ConfigMapList
items: []
`;
const SIGNS = [
  '&a',
  '*a',
  '<<: *l',
  '? ',
  '- ',
  '!!binary ',
  '!!js/function ',
  '|',
  '>',
  '"',
  "'",
  '{',
  '[',
  '---\n',
  '\t',
  '%',
];

const disturb = (draw: Draw): string => {
  const bytes = mutate(draw, Buffer.from(MANIFEST));
  const at = draw(bytes.length + 1);
  const sign = draw(2) ? SIGNS[draw(SIGNS.length)]! : '';
  return bytes.toString('utf8', 0, at) + sign + bytes.toString('utf8', at);
};

test('no manifest makes the reader throw, and every problem has a place within the text', () => {
  fuzz(250, 41, (draw) => {
    const text = disturb(draw);
    const { resources, problems } = parseManifests(text, { file: 'x.yaml' });
    const lines = text.split('\n').length;
    for (const { line, column, message } of problems) {
      assert.ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} of ${lines} lines`);
      assert.doesNotMatch(message, /\n\s+at /);
    }
    for (const { line } of resources) assert.ok(line >= 1 && line <= lines);
    assert.ok(resources.length <= lines);
  });
});
