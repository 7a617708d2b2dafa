// The hand-written codec beside the generated types: each reads what the other writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { isWeftError } from '../lib/errors.ts';
import { encodeStruct, type JsonValue } from './struct-codec.ts';
import {
  decodeDeltaRequest,
  decodeDeltaResponse,
  decodeStateRequest,
  deltaResourceField,
  encodeAny,
  encodeDeltaRequest,
  encodeDeltaResponse,
  encodeStateResponse,
  stateResourceField,
} from './wire.ts';

const TYPE = 'type.googleapis.com/weft.v1.Cluster';
const metadata = { text: 'ü', number: -1.5, yes: true, nothing: null, list: [1, 'a', { deep: {} }], '': 'empty' };
const node = { id: 'sidecar~1', metadata };
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test('a state-of-the-world request', () => {
  const message = create(DiscoveryRequestSchema, {
    node: { id: node.id, cluster: 'x', metadata, userAgentName: 'envoy' },
    versionInfo: '7',
    typeUrl: TYPE,
    resourceNames: ['a', 'b'],
    responseNonce: 'n1',
    errorDetail: { code: 3, message: 'no' },
  });
  const decoded = decodeStateRequest(Buffer.from(toBinary(DiscoveryRequestSchema, message)));
  assert.deepEqual(plain(decoded), {
    node,
    versionInfo: '7',
    typeUrl: TYPE,
    resourceNames: ['a', 'b'],
    responseNonce: 'n1',
    error: 'no',
  });
});

test('an incremental request, both ways', () => {
  const request = {
    node,
    typeUrl: TYPE,
    subscribe: ['*', 'a'],
    unsubscribe: ['b'],
    initialVersions: new Map([['a', 'v1']]),
    responseNonce: 'n2',
    error: 'because',
  };
  const bytes = encodeDeltaRequest(request);
  const message = fromBinary(DeltaDiscoveryRequestSchema, bytes);
  assert.deepEqual(message.node?.metadata, metadata);
  assert.deepEqual(message.initialResourceVersions, { a: 'v1' });
  assert.deepEqual([message.errorDetail?.code, message.errorDetail?.message], [3, 'because']);
  const decoded = decodeDeltaRequest(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)));
  assert.deepEqual(plain({ ...decoded, initialVersions: [...decoded.initialVersions] }), {
    ...plain(request),
    initialVersions: [['a', 'v1']],
  });
});

test('responses of both protocols', () => {
  const any = encodeAny(TYPE, Buffer.from('{}'));
  const state = fromBinary(DiscoveryResponseSchema, encodeStateResponse('3', TYPE, 'n', [stateResourceField(any)]));
  assert.deepEqual([state.versionInfo, state.typeUrl, state.nonce], ['3', TYPE, 'n']);
  assert.equal(state.resources[0]?.typeUrl, TYPE);
  const bytes = encodeDeltaResponse('3', TYPE, 'n', [deltaResourceField('a', 'v', any)], ['gone']);
  const delta = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  assert.deepEqual(
    [delta.resources[0]?.name, delta.resources[0]?.version, delta.removedResources],
    ['a', 'v', ['gone']],
  );
  assert.deepEqual(decodeDeltaResponse(bytes), {
    systemVersion: '3',
    typeUrl: TYPE,
    nonce: 'n',
    resources: [{ name: 'a', version: 'v', value: Buffer.from('{}') }],
    removed: ['gone'],
  });
});

test('every cut and every changed byte of a request is decoded or refused as malformed', () => {
  const bytes = encodeDeltaRequest({ node, typeUrl: TYPE, subscribe: ['a'], initialVersions: new Map([['a', 'v']]) });
  const attempt = (input: Buffer) => {
    try {
      decodeDeltaRequest(input);
      decodeStateRequest(input);
    } catch (error) {
      assert.ok(isWeftError(error, 'PROTOBUF_MALFORMED'), String(error));
    }
  };
  for (let i = 0; i < bytes.length; i++) {
    attempt(bytes.subarray(0, i));
    for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[i] = byte;
      attempt(changed);
    }
  }
});

test('metadata that is nested without end is refused', () => {
  let value: JsonValue = {};
  for (let i = 0; i < 100; i++) value = { value };
  const bytes = encodeDeltaRequest({ typeUrl: TYPE, node: { id: 'x', metadata: { value } } });
  assert.ok(encodeStruct({ value }).length > 0);
  assert.throws(() => decodeDeltaRequest(bytes), /nested too deeply/);
});

test('a number in metadata that is not of eight bytes is refused', () => {
  const value = Buffer.from([0x12, 1, 0]);
  const entry = Buffer.from([0x0a, 1, 0x61, 0x12, value.length, ...value]);
  const struct = Buffer.from([0x0a, entry.length, ...entry]);
  const request = Buffer.from([0x0a, struct.length + 2, 0x1a, struct.length, ...struct]);
  assert.throws(() => decodeDeltaRequest(request), /not of eight bytes/);
});
