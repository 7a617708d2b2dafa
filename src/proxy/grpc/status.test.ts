import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeGrpcMessage, grpcStatusOfHttp, isGrpc, readGrpcStatus, readGrpcTimeoutMs } from './status.ts';

describe('gRPC', () => {
  const TYPES: Record<string, boolean> = {
    'application/grpc': true,
    'application/grpc+proto': true,
    'application/grpc;charset=utf-8': true,
    'Application/gRPC': true,
    'application/grpc-web': false,
    'application/grpc-web-text': false,
    'application/grpcx': false,
    'text/plain': false,
  };
  for (const [type, want] of Object.entries(TYPES)) {
    it(`takes ${type} for ${want ? 'a call' : 'something else'}`, () => {
      assert.equal(isGrpc('POST', { headers: ['accept', '*/*', 'content-type', type] }), want);
    });
  }

  it('is sent by POST', () => assert.equal(isGrpc('GET', { headers: ['content-type', 'application/grpc'] }), false));

  const STATUSES: Record<number, number> = {
    200: 2,
    301: 2,
    400: 13,
    401: 16,
    403: 7,
    404: 12,
    408: 2,
    429: 14,
    500: 2,
    502: 14,
    503: 14,
    504: 14,
  };
  for (const [status, want] of Object.entries(STATUSES)) {
    it(`takes ${status} for ${want}`, () => assert.equal(grpcStatusOfHttp(Number(status)), want));
  }

  const TIMEOUTS: Record<string, number | undefined> = {
    '1H': 3_600_000,
    '2M': 120_000,
    '3S': 3000,
    '99999999m': 99_999_999,
    '1500u': 2,
    '1n': 1,
    '0m': 0,
    '100000000m': undefined,
    '-1S': undefined,
    '1': undefined,
    '1 S': undefined,
    S: undefined,
    '': undefined,
  };
  for (const [text, want] of Object.entries(TIMEOUTS)) {
    it(`reads the timeout "${text}" as ${want}`, () => {
      assert.equal(readGrpcTimeoutMs({ headers: ['grpc-timeout', text] }), want);
    });
  }

  it('escapes messages', () => assert.equal(encodeGrpcMessage('50% ü\n'), '50%25 %C3%BC%0A'));

  it('reads a status that is a number', () => {
    assert.equal(readGrpcStatus(['x', 'y', 'grpc-status', '14']), 14);
    assert.equal(readGrpcStatus(['grpc-status', '-1']), undefined);
    assert.equal(readGrpcStatus(['x', 'y']), undefined);
  });
});
