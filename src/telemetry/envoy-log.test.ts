import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { RequestMethod } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type AccessLogCommonSchema,
  HTTPAccessLogEntrySchema,
  TCPAccessLogEntrySchema,
} from '../gen/envoy/data/accesslog/v3/accesslog_pb.js';
import { httpEvent, tcpEvent } from './envoy-log.ts';
import { senderPeer } from './sender-peer.ts';

const me = 'spiffe://cluster.local/ns/default/sa/reviews';
const caller = 'spiffe://cluster.local/ns/shop/sa/front';
const sender = senderPeer(me, 'sidecar~127.0.0.1~reviews-v1-abc.default~default.svc.cluster.local');

const inbound = { direction: 'inbound', protocol: 'http' } as const;
const outbound = { direction: 'outbound', protocol: 'http' } as const;

const address = (host: string, port: number) => ({
  address: {
    case: 'socketAddress' as const,
    value: { address: host, portSpecifier: { case: 'portValue' as const, value: port } },
  },
});
const certificate = (uri: string) => ({ subjectAltName: [{ san: { case: 'uri' as const, value: uri } }] });

const common: MessageInitShape<typeof AccessLogCommonSchema> = {
  startTime: { seconds: 1000n, nanos: 500_000_000 },
  duration: { seconds: 0n, nanos: 12_000_000 },
  downstreamDirectRemoteAddress: address('127.0.0.1', 4000),
  upstreamRemoteAddress: address('::1', 9080),
  upstreamCluster: 'inbound|9080||',
  routeName: 'default',
  upstreamRequestAttemptCount: 1,
  tlsProperties: { peerCertificateProperties: certificate(caller), localCertificateProperties: certificate(me) },
};
const request = {
  requestMethod: RequestMethod.GET,
  authority: 'Reviews:9080',
  path: '/new?q=1',
  originalPath: '/a?q=1',
  requestId: 'r1',
  requestBodyBytes: 7n,
  requestHeaders: { traceparent: '00-1-2-01' },
};
const entry = (parts: object = {}, response: object = {}) =>
  create(HTTPAccessLogEntrySchema, {
    commonProperties: { ...common, ...parts },
    request,
    response: { responseCode: 200, responseBodyBytes: 9n, ...response },
  });

test('a call without an endpoint is for the service that its route names', () => {
  const parts = {
    upstreamCluster: '',
    upstreamRemoteAddress: undefined,
    customTags: { 'weft.service': 'shop/ratings' },
  };
  const event = httpEvent(entry(parts), outbound, sender);
  assert.deepEqual(event?.destination, { namespace: 'shop', service: 'ratings' });
});

test('a request at the callee', () => {
  assert.deepEqual(
    httpEvent(entry(), { ...inbound, service: { namespace: 'default', name: 'reviews', port: 9080 } }, sender),
    {
      startMs: 1_000_500,
      durationMs: 12,
      proxy: sender.proxy,
      direction: 'inbound',
      source: { identity: caller, namespace: 'shop', address: '127.0.0.1:4000' },
      destination: {
        identity: me,
        namespace: 'default',
        workload: 'reviews-v1-abc',
        service: 'reviews',
        address: '[::1]:9080',
      },
      flags: [],
      route: 'default',
      cluster: 'inbound|9080||',
      attempts: 1,
      tls: 'mutual',
      protocol: 'http',
      http: { method: 'GET', path: '/a', host: 'reviews:9080', status: 200, requestId: 'r1', traceparent: '00-1-2-01' },
      bytesReceived: 7,
      bytesSent: 9,
    },
  );
});

test('a request at the caller names the service by its cluster', () => {
  const upstreamCluster = 'outbound|9080||ratings.shop.svc.cluster.local';
  const event = httpEvent(entry({ upstreamCluster, tlsProperties: undefined }), outbound, sender);
  assert.deepEqual(event?.source, {
    identity: me,
    namespace: 'default',
    workload: 'reviews-v1-abc',
    address: '127.0.0.1:4000',
  });
  assert.deepEqual(event?.destination, { namespace: 'shop', service: 'ratings', address: '[::1]:9080' });
  assert.equal(event?.tls, 'none');
});

test('a service outside the mesh is named by its host', () => {
  const event = httpEvent(entry({ upstreamCluster: 'outbound|443||api.example.com' }), outbound, sender);
  assert.equal(event?.destination.service, 'api.example.com');
});

const denials: Record<string, { details: string; names: string[] }> = {
  'by a DENY policy': {
    details: 'rbac_access_denied_matched_policy[ns[default]-policy[no-admin]]',
    names: ['default/no-admin'],
  },
  'by a rule of a DENY policy': {
    details: 'rbac_access_denied_matched_policy[ns[default]-policy[no-admin]-rule[0]]',
    names: ['default/no-admin'],
  },
  'because no ALLOW policy matches': { details: 'rbac_access_denied_matched_policy[none]', names: [] },
};
for (const [name, { details, names }] of Object.entries(denials)) {
  test(`denied ${name}`, () => {
    const denied = entry({}, { responseCode: 403, responseCodeDetails: details });
    const event = httpEvent(denied, inbound, sender);
    assert.deepEqual([event?.policy?.verdict, event?.policy?.names, event?.flags], ['deny', names, ['RBAC']]);
    const cut = create(TCPAccessLogEntrySchema, {
      commonProperties: { ...common, connectionTerminationDetails: details },
    });
    assert.deepEqual(tcpEvent(cut, inbound, sender)?.policy, event?.policy);
  });
}

test('response flags are letters', () => {
  const responseFlags = { noHealthyUpstream: true, upstreamRetryLimitExceeded: true, unauthorizedDetails: {} };
  assert.deepEqual(httpEvent(entry({ responseFlags }), outbound, sender)?.flags, ['UH', 'URX', 'UAEX']);
});

test('a connection', () => {
  const closed = create(TCPAccessLogEntrySchema, {
    commonProperties: common,
    connectionProperties: { receivedBytes: 3n, sentBytes: 4n },
  });
  const event = tcpEvent(closed, inbound, sender);
  assert.deepEqual([event?.protocol, event?.http, event?.bytesReceived, event?.bytesSent], ['tcp', undefined, 3, 4]);
});

test('a tunnel to a TCP service is a connection', () => {
  const event = httpEvent(entry(), { direction: 'outbound', protocol: 'tunnel' }, sender);
  assert.deepEqual([event?.protocol, event?.http, event?.bytesReceived, event?.bytesSent], ['tcp', undefined, 7, 9]);
});

test('the status of a gRPC call stands in its trailers, or in its headers where it has no trailers', () => {
  const told = { 'grpc-status': '14' };
  for (const response of [{ responseTrailers: told }, { responseHeaders: told }]) {
    assert.equal(httpEvent(entry({}, { responseCode: 200, ...response }), inbound, sender)?.http?.grpcStatus, 14);
  }
});

test('an answer that never came has status 0', () => {
  const silent = create(HTTPAccessLogEntrySchema, { commonProperties: common, request });
  assert.equal(httpEvent(silent, inbound, sender)?.http?.status, 0);
});

test('entries without their parts are no events', () => {
  assert.equal(httpEvent(create(HTTPAccessLogEntrySchema, {}), inbound, sender), undefined);
  assert.equal(tcpEvent(create(TCPAccessLogEntrySchema, {}), inbound, sender), undefined);
});
