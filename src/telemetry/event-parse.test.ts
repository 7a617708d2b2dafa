import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEvent } from './event-parse.ts';
import { senderPeer } from './sender-peer.ts';

const me = 'spiffe://cluster.local/ns/shop/sa/orders';
const sidecar = senderPeer(me, 'sidecar~127.0.0.1~orders-1.shop~shop.svc.cluster.local');
const gateway = senderPeer(me, 'gateway~127.0.0.1~edge.shop~shop.svc.cluster.local');

const whole = {
  startMs: 5,
  durationMs: 2.5,
  proxy: sidecar.proxy,
  direction: 'outbound',
  protocol: 'http',
  source: { identity: me, namespace: 'shop', workload: 'orders-1' },
  destination: {
    identity: 'spiffe://cluster.local/ns/pay/sa/pay',
    namespace: 'pay',
    service: 'pay',
    address: '1.2.3.4:5',
  },
  http: { method: 'GET', path: '/a', host: 'pay', status: 200, requestId: 'r', grpcStatus: 14, traceparent: 't' },
  bytesReceived: 1,
  bytesSent: 2,
  flags: ['UC'],
  route: 'r',
  cluster: 'c',
  attempts: 2,
  tls: 'none',
  tlsRefusal: { reason: 'no suite in common', ja4: 't13d1516h2_8daaf6152771_e5627efa2ab1' },
  policy: { verdict: 'allow', names: ['a/b'], reason: 'x' },
};

test('a whole event comes through unchanged', () => {
  assert.deepEqual(parseEvent(whole, sidecar), whole);
});

test('a status of gRPC that is none is left out', () => {
  for (const grpcStatus of [-1, 1.5, '14', 1000]) {
    const parsed = parseEvent({ ...whole, http: { ...whole.http, grpcStatus } }, sidecar);
    assert.equal(parsed?.http?.grpcStatus, undefined);
  }
});

test('the least event', () => {
  assert.deepEqual(parseEvent({ startMs: 1, protocol: 'tcp' }, sidecar), {
    startMs: 1,
    durationMs: 0,
    proxy: sidecar.proxy,
    direction: 'outbound',
    protocol: 'tcp',
    source: { identity: me, namespace: 'shop' },
    destination: {},
    bytesReceived: 0,
    bytesSent: 0,
    flags: [],
    attempts: 0,
    tls: 'none',
  });
});

test('nobody can speak as another: proxy and own side are those of the certificate', () => {
  const forged = { identity: 'spiffe://cluster.local/ns/other/sa/x', namespace: 'other', workload: 'w' };
  const own = { identity: me, namespace: 'shop', workload: 'w' };
  const caller = parseEvent({ ...whole, proxy: 'someone', source: forged, destination: forged }, sidecar)!;
  assert.deepEqual([caller.proxy, caller.source, caller.destination], [sidecar.proxy, own, forged]);
  const callee = parseEvent({ ...whole, direction: 'inbound', source: forged, destination: forged }, sidecar)!;
  assert.deepEqual([callee.source, callee.destination], [forged, own]);
});

test('only a gateway speaks as one, and as nothing else', () => {
  assert.equal(parseEvent({ ...whole, direction: 'gateway' }, sidecar), undefined);
  assert.equal(parseEvent(whole, gateway), undefined);
  assert.equal(parseEvent({ ...whole, direction: 'gateway' }, gateway)?.direction, 'gateway');
});

for (const value of [undefined, null, 1, 'x', [], {}, { startMs: 'x' }, { startMs: Number.NaN }]) {
  test(`no event: ${JSON.stringify(value)}`, () => assert.equal(parseEvent(value, sidecar), undefined));
}

test('what is too long is cut, what is of another type is left out', () => {
  const long = 'x'.repeat(100_000);
  const event = parseEvent(
    {
      startMs: 1,
      durationMs: -1,
      direction: 'sideways',
      source: [],
      destination: { service: 7, workload: long },
      http: { method: long, path: long, host: {}, status: 'x', requestId: long },
      flags: [...new Array(1000).fill(long), 1],
      attempts: Number.POSITIVE_INFINITY,
      tls: 'perhaps',
      policy: { verdict: 'maybe', names: 'a' },
      extra: long,
    },
    sidecar,
  )!;
  assert.ok(JSON.stringify(event).length < 25_000);
  assert.deepEqual([event.durationMs, event.attempts, event.tls, event.direction], [0, 0, 'none', 'outbound']);
  assert.equal(event.destination.service, undefined);
  assert.deepEqual(event.policy, { verdict: 'allow', names: [], reason: '' });
});

const senders: Record<string, [spiffeId: string | undefined, id: string]> = {
  'without a certificate': [undefined, sidecar.proxy],
  'with an identity that is no SPIFFE id': ['spiffe://x', sidecar.proxy],
  'with the id of another namespace': [me, 'sidecar~127.0.0.1~orders-1.pay~pay.svc.cluster.local'],
  'with an id of no known form': [me, 'orders-1'],
  'with an id that only ends alike': [me, 'sidecar~127.0.0.1~orders-1.xshop~shop.svc.cluster.local'],
};
for (const [name, [spiffeId, id]] of Object.entries(senders)) {
  test(`refuses a sender ${name}`, () => {
    assert.throws(() => senderPeer(spiffeId, id), { code: 'TELEMETRY_REFUSED' });
  });
}

test('a sender has the name of its workload', () => {
  assert.deepEqual([sidecar.name, sidecar.role, gateway.role], ['orders-1', 'sidecar', 'gateway']);
});
