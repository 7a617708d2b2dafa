import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareLogLine, type RequestFacts } from './proxy.ts';
import type { AccessLogFormat } from './schema.ts';

const facts: RequestFacts = {
  startMs: Date.UTC(2026, 0, 5, 14, 3, 9, 47),
  durationMs: 12.6,
  request: { method: 'GET', path: '/a', query: 'b=c', host: 'a.test', headers: ['x-a', '1', 'x-a', '2'], old: false },
  version: 'http2',
  status: 503,
  answerHeaders: ['server', 'none'],
  trailers: [],
  info: {
    peerAddress: '10.0.0.1',
    peerPort: 1234,
    localAddress: '::1',
    localPort: 443,
    directAddress: '10.0.0.2',
    sni: 'a.test',
    tls: 'mutual',
    peer: { spiffeId: 'spiffe://cluster.local/ns/a/sa/b' },
  },
  remoteAddress: undefined,
  endpoint: undefined,
  cluster: undefined,
  route: '',
  bytesReceived: 0,
  bytesSent: 20,
  flags: ['URX', 'UF'],
  attempts: 2,
  grpcStatus: 14,
};

const texts: Readonly<Record<string, string>> = {
  '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:SCHEME)% %PROTOCOL%': 'GET /a?b=c https HTTP/2',
  '%REQ(x-a)% %REQ(x-b?x-a)% %REQ(x-b):3%': '1 1 -',
  '%RESP(:status)% %RESP(server):2% %TRAILER(x)%': '503 no -',
  '%RESPONSE_FLAGS% %GRPC_STATUS_NUMBER% %DURATION%': 'URX,UF 14 13',
  '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%': '10.0.0.1:1234 [::1]:443',
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_PEER_URI_SAN%':
    '10.0.0.2 spiffe://cluster.local/ns/a/sa/b',
  '%ROUTE_NAME% %UPSTREAM_HOST% %UPSTREAM_CLUSTER%': '- - -',
  '%START_TIME% %START_TIME(%F)%': '2026-01-05T14:03:09.047Z 2026-01-05',
  '100%% sure': '100% sure',
};

for (const [text, want] of Object.entries(texts)) {
  test(text, () => assert.equal(prepareLogLine({ type: 'text', text })(facts), want));
}

test('whom another proxy speaks for has no port', () => {
  const line = prepareLogLine({ type: 'text', text: '%DOWNSTREAM_REMOTE_ADDRESS%' });
  assert.equal(line({ ...facts, remoteAddress: '192.0.2.1' }), '192.0.2.1:0');
});

test('fields of JSON are in the order of their names, and one operator alone keeps its type', () => {
  const fields = { z: '%RESPONSE_CODE%', a: '%UPSTREAM_HOST%', m: 'x %RESPONSE_CODE%' };
  assert.equal(prepareLogLine({ type: 'json', fields })(facts), '{"a":null,"m":"x 503","z":503}');
});

test('what is no operator is refused when it is prepared', () => {
  const wrong: AccessLogFormat = { type: 'text', text: '%NO_SUCH_THING%' };
  assert.throws(() => prepareLogLine(wrong), { code: 'LOG_FORMAT_INVALID' });
});
