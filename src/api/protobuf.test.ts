// Tests of protobuf.ts: bodies as kubectl writes them, and anything else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeKubernetes } from './protobuf.ts';
import { ApiError } from './status.ts';

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);

const field = (number: number, content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
};

const number = (at: number, value: number): Buffer => Buffer.from([...varint(at * 8), ...varint(value)]);

const body = (kind: string, ...fields: Buffer[]): Buffer => {
  const typeMeta = Buffer.concat([field(1, 'v1'), field(2, kind)]);
  return Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, typeMeta),
    field(2, Buffer.concat(fields)),
    field(3, ''),
    field(4, ''),
  ]);
};

const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts);
const entry = (key: string, value: string): Buffer => join(field(1, key), field(2, value));
// As Go writes it: names at their zero value, and an empty creationTimestamp.
const metadata = (name: string): Buffer => field(1, join(field(1, name), field(2, ''), field(3, ''), field(8, '')));

test('a Service, with ports by number and by name', () => {
  const port = (target: Buffer) =>
    field(1, join(field(1, 'p'), field(2, 'TCP'), number(3, 80), field(4, target), number(5, 0)));
  const byNumber = port(join(number(1, 0), number(2, 8080), field(3, '')));
  const byName = port(join(number(1, 1), number(2, 0), field(3, 'http')));
  const spec = field(2, join(byNumber, byName, field(2, entry('app', 'x')), field(3, ''), field(4, 'ClusterIP')));
  assert.deepEqual(decodeKubernetes(body('Service', metadata('s'), spec)), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: {
      ports: [
        { name: 'p', protocol: 'TCP', port: 80, targetPort: 8080 },
        { name: 'p', protocol: 'TCP', port: 80, targetPort: 'http' },
      ],
      selector: { app: 'x' },
      type: 'ClusterIP',
    },
  });
});

test('a Lease, its times to the microsecond', () => {
  const time = (at: number, seconds: number, nanos: number) => field(at, join(number(1, seconds), number(2, nanos)));
  const lease = (renewed: Buffer) =>
    body('Lease', metadata('l'), field(2, join(field(1, 'me'), number(2, 15), renewed)));
  assert.deepEqual(decodeKubernetes(lease(time(4, 1_700_000_000, 5000))).spec, {
    holderIdentity: 'me',
    leaseDurationSeconds: 15,
    renewTime: '2023-11-14T22:13:20.000005Z',
  });
  assert.throws(() => decodeKubernetes(lease(time(4, 1_700_000_000, 1_000_000_000))), ApiError);
});

test('an EndpointSlice, with conditions that were set to false', () => {
  const endpoint = field(2, join(field(1, '10.0.0.1'), field(2, number(1, 0)), field(6, 'node')));
  const port = field(3, join(field(1, 'http'), field(2, 'TCP'), number(3, 80)));
  assert.deepEqual(decodeKubernetes(body('EndpointSlice', metadata('e'), endpoint, port, field(4, 'IPv4'))), {
    apiVersion: 'v1',
    kind: 'EndpointSlice',
    metadata: { name: 'e' },
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false }, nodeName: 'node' }],
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    addressType: 'IPv4',
  });
});

test('a Secret, its data in base64', () => {
  const decoded = decodeKubernetes(
    body('Secret', metadata('s'), field(2, entry('a', 'b')), field(3, 'Opaque'), number(5, 0)),
  );
  const want = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { a: 'Yg==' },
    type: 'Opaque',
    immutable: false,
  };
  assert.deepEqual(decoded, want);
});

test('a TokenRequest', () => {
  const spec = field(2, join(field(1, 'weft-ca'), field(1, 'other'), number(4, 3600)));
  const decoded = decodeKubernetes(body('TokenRequest', spec));
  assert.deepEqual(decoded.spec, { audiences: ['weft-ca', 'other'], expirationSeconds: 3600 });
});

const refused: Record<string, Buffer> = {
  'no magic': Buffer.from('{"kind":"Service"}'),
  'an unknown kind': body('Pod'),
  'a name of the prototype': body('constructor'),
  'a field cut short': join(body('Namespace'), Buffer.from([0x0a, 0x7f])),
  'a length past the end': join(Buffer.from('k8s\0'), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])),
  'an endless number': join(Buffer.from('k8s\0'), Buffer.alloc(20, 0xff)),
  'a group': join(Buffer.from('k8s\0'), Buffer.from([0x0b])),
  'text that is not UTF-8': body('Namespace', field(1, field(1, Buffer.from([0xff, 0xfe])))),
  'a number where a message belongs': body('Namespace', number(1, 5)),
  nothing: Buffer.alloc(0),
};

for (const [name, bytes] of Object.entries(refused)) {
  test(`refused: ${name}`, () => {
    assert.throws(() => decodeKubernetes(bytes), ApiError);
  });
}

test('bytes changed at any place are decoded or refused, nothing else', () => {
  const good = body('Service', metadata('s'), field(2, join(field(2, entry('app', 'x')), field(1, number(3, 80)))));
  for (let at = 0; at < good.length; at++) {
    for (const change of [0x01, 0x07, 0x80, 0xff]) {
      const bytes = Buffer.from(good);
      bytes[at] = bytes[at]! ^ change;
      try {
        decodeKubernetes(bytes);
      } catch (error) {
        assert.ok(error instanceof ApiError, String(error));
      }
    }
  }
});
