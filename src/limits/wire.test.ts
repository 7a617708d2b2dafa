import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from '../gen/envoy/service/ratelimit/v3/rls_pb.js';
import { RateLimitUnit } from '../gen/envoy/type/v3/ratelimit_unit_pb.js';
import type { RateLimitAnswer } from '../model/rate-limit.ts';
import { decodeAnswers, decodeQuestions, encodeAnswers, encodeQuestions } from './wire.ts';

const over: RateLimitAnswer = { isOver: true, requests: 2, unit: 'hour', remaining: 0, resetSeconds: 30 };

test('a question is the same to readers of the published protocol', () => {
  const bytes = encodeQuestions([['a', '1', 'b', '']]);
  const { domain, descriptors } = fromBinary(RateLimitRequestSchema, bytes);
  assert.equal(domain, 'weft');
  assert.deepEqual(
    descriptors[0]!.entries.map(({ key, value }) => [key, value]),
    [
      ['a', '1'],
      ['b', ''],
    ],
  );
  assert.deepEqual(decodeQuestions(bytes), [['a', '1', 'b', '']]);
});

test('other clients may give the limit and what is taken in fields of their own', () => {
  const request = create(RateLimitRequestSchema, {
    domain: 'other',
    hitsAddend: 3,
    descriptors: [{ entries: [{ key: 'a', value: '1' }], limit: { requestsPerUnit: 9, unit: RateLimitUnit.MINUTE } }],
  });
  assert.deepEqual(decodeQuestions(Buffer.from(toBinary(RateLimitRequestSchema, request))), [
    ['limit', '9/minute', 'cost', '3', 'a', '1', 'domain', 'other'],
  ]);
});

test('an answer is the same to readers of the published protocol', () => {
  const bytes = encodeAnswers([undefined, over]);
  const { overallCode, statuses, responseHeadersToAdd } = fromBinary(RateLimitResponseSchema, bytes);
  assert.deepEqual([overallCode, statuses.map(({ code }) => code)], [Code.OVER_LIMIT, [Code.OK, Code.OVER_LIMIT]]);
  assert.deepEqual(
    responseHeadersToAdd.map(({ key, value }) => [key, value]),
    [['retry-after', '30']],
  );
  assert.deepEqual(decodeAnswers(bytes), [undefined, over]);
});

test('what is too much or not valid is refused', () => {
  const many = encodeQuestions(Array.from({ length: 257 }, () => ['a', 'b']));
  const wide = encodeQuestions([Array.from({ length: 130 }, () => 'a')]);
  for (const bytes of [many, wide, encodeQuestions([['a', 'x'.repeat(9000)]]), Buffer.from([10, 200])]) {
    assert.throws(() => decodeQuestions(bytes), { code: 'PROTOBUF_MALFORMED' });
  }
});
