import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { fakeRun } from '../../../test/fakes/filter-run.ts';
import {
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '../../gen/envoy/service/auth/v3/external_auth_pb.js';
import { systemClock } from '../../lib/clock.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Route } from '../../model/route.ts';
import type { AsideAnswer, AsideRequest, FilterAnswer, FilterRun } from '../filter.ts';
import { externalAuth } from './proxy.ts';
import type { ExternalAuth } from './schema.ts';

const filter: ExternalAuth = {
  type: 'external-auth',
  cluster: 'auth',
  protocol: 'grpc',
  pathPrefix: '',
  requestHeaders: [],
  responseHeaders: [],
  maxBodyBytes: 0,
};

const REQUEST: RequestHead = { method: 'GET', path: '/a', query: 'b=c', host: 'shop.test', headers: ['x-a', '1'] };

const run = async (more: Partial<ExternalAuth>, parts: Partial<FilterRun>) => {
  const request = { ...REQUEST, headers: [...REQUEST.headers] };
  const { open } = externalAuth.prepare([{ ...filter, ...more }], {
    clock: systemClock,
    random: { next: () => 0 },
    kept: (_name, make) => make(),
    route: {} as Route,
  });
  return { answer: await open!(request, fakeRun(parts)), request };
};

const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

const says = (response: Parameters<typeof create<typeof CheckResponseSchema>>[1], status = '0') => ({
  ask: async (): Promise<AsideAnswer> => ({
    status: 200,
    headers: [],
    body: framed(toBinary(CheckResponseSchema, create(CheckResponseSchema, response) as CheckResponse)),
    trailers: ['grpc-status', status],
  }),
});

const allows = (value: object) => says({ httpResponse: { case: 'okResponse', value } });

test('the server is told who asks, how, and for what', async () => {
  let asked: AsideRequest | undefined;
  await run(
    { maxBodyBytes: 10 },
    {
      body: async () => Buffer.from('hé'),
      origin: { ...fakeRun().origin, identity: 'spiffe://a/ns/b/sa/c', sni: 'shop.test', scheme: 'https' },
      ask: async (question) => {
        asked = question;
        return undefined;
      },
    },
  );
  assert.equal(asked!.cluster, 'auth');
  assert.equal(asked!.path, '/envoy.service.auth.v3.Authorization/Check');
  const { source, destination, request, tlsSession } = fromBinary(CheckRequestSchema, asked!.body!.subarray(5))
    .attributes!;
  assert.equal(source?.principal, 'spiffe://a/ns/b/sa/c');
  assert.deepEqual(
    [source, destination].map((peer) => {
      const address = peer!.address!.address;
      return address.case === 'socketAddress' && [address.value.address, address.value.portSpecifier.value];
    }),
    [
      ['192.0.2.1', 1234],
      ['192.0.2.2', 80],
    ],
  );
  assert.equal(tlsSession?.sni, 'shop.test');
  const { id, method, path, host, scheme, protocol, body, size, headers } = request!.http!;
  assert.deepEqual(
    { id, method, path, host, scheme, protocol, body, size, headers },
    {
      id: 'id',
      method: 'GET',
      path: '/a?b=c',
      host: 'shop.test',
      scheme: 'https',
      protocol: 'HTTP/1.1',
      body: 'hé',
      size: 3n,
      headers: { ':method': 'GET', ':path': '/a?b=c', ':authority': 'shop.test', ':scheme': 'https', 'x-a': '1' },
    },
  );
});

const NOT_DECIDED: FilterAnswer = { status: 403, flag: 'UAEX' };
const BADLY: FilterAnswer = { status: 500, flag: 'UAEX' };

const header = (key: string, value: string) => ({ headers: [{ header: { key, value } }] });

const refused: Readonly<Record<string, [Partial<FilterRun>, FilterAnswer]>> = {
  'that is not answered': [{}, NOT_DECIDED],
  'to which the server answers with an error': [says({}, '14'), NOT_DECIDED],
  'to which it answers something else': [
    {
      ask: async () => ({
        status: 200,
        headers: ['grpc-status', '0'],
        body: Buffer.from('hello'),
        trailers: undefined,
      }),
    },
    NOT_DECIDED,
  ],
  'to which it answers what can not be read': [
    {
      ask: async () => ({
        status: 200,
        headers: [],
        body: framed(Buffer.from([10, 9])),
        trailers: ['grpc-status', '0'],
      }),
    },
    BADLY,
  ],
  'with a header that would be two': [allows(header('x-a', 'b\r\nx-c: d')), BADLY],
  'with a header that is none': [allows(header('x a', 'b')), BADLY],
  'with a path that has a space': [allows(header(':path', '/a b')), BADLY],
  'with a path that is none': [allows(header(':path', 'etc')), BADLY],
  'with more headers than anybody needs': [
    allows({ headers: Array.from({ length: 257 }, (_, i) => ({ header: { key: `x-${i}`, value: 'a' } })) }),
    BADLY,
  ],
};

for (const [title, [parts, want]] of Object.entries(refused)) {
  test(`refuses a request ${title}`, async () => {
    assert.deepEqual((await run({}, parts)).answer, want);
  });
}

test('the server may change path and query, but not framing or whom the request is for', async () => {
  const { answer, request } = await run(
    {},
    allows({
      headers: Object.entries({
        ':path': '/x?y=1&z=2',
        host: 'evil.test',
        ':authority': 'evil.test',
        ':method': 'DELETE',
        'content-length': '5',
        'x-b': '2',
      }).map(([key, value]) => ({ header: { key, value } })),
      queryParametersToSet: [{ key: 'q', value: '3' }],
      queryParametersToRemove: ['z'],
    }),
  );
  assert.equal(answer, undefined);
  assert.deepEqual(request, {
    method: 'GET',
    path: '/x',
    query: 'y=1&q=3',
    host: 'shop.test',
    headers: ['x-a', '1', 'x-b', '2'],
  });
});

test('a body that can not be held is not let pass unseen', async () => {
  const large = await run({ maxBodyBytes: 1 }, { body: async () => 'too-large' });
  assert.equal(large.answer?.status, 413);
  const many = await run({ maxBodyBytes: 1 }, { body: async () => 'too-many' });
  assert.deepEqual([many.answer?.status, many.answer?.flag], [503, 'UO']);
});
